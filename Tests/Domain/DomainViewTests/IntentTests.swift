import Domain
import DomainView
import Redis
import TestSupport
import Testing

/// `proxy intent`.
@Suite(.enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct IntentTests {
    private let database: Database

    init() throws { database = try .ofToday() }

    @Test("submitting an intent sets its key, appends its name and deletes the outcome of an earlier one")
    func keys() throws {
        let node = try #require(NodeID(Spec.node))
        let queue = IntentQueue(database.connection)
        let request = IntentRequest.migrate(try #require(LogicalID(Spec.function)), to: [node])
        try database.send("SET", request.resultKey, #"{"status":"done"}"#)
        try queue.send(request)
        try queue.send(.cordon(node, true))
        #expect(
            try database.connection.send(["LRANGE", "intents", "0", "-1"]).texts
                == ["intent:migrate:\(Spec.function)", "intent:cordon:\(Spec.node)"])
        #expect(try database.connection.send(["GET", "intent:migrate:\(Spec.function)"]).text == Spec.node)
        #expect(try database.connection.send(["GET", "intent:cordon:\(Spec.node)"]).text == "yes")
        #expect(try queue.outcome(of: request) == nil)
        try queue.send(.cordon(node, false))
        #expect(try database.connection.send(["GET", "intent:cordon:\(Spec.node)"]).text == "no")
    }

    @Test("outcomes are parsed; anything else counts as none")
    func outcomes() throws {
        let request = IntentRequest.cordon(try #require(NodeID(Spec.node)), true)
        #expect(request.resultKey == "intent:result:cordon:\(Spec.node)")
        let queue = IntentQueue(database.connection)
        for (text, status) in [
            (#"{"status":"taken"}"#, IntentOutcome.Status.taken), (#"{"status":"declined","reason":"r"}"#, .declined),
            (#"{"status":"other"}"#, nil), ("[", nil),
        ] {
            try database.send("SET", request.resultKey, text)
            #expect(try queue.outcome(of: request)?.status == status)
        }
        try database.send("SET", request.resultKey, #"{"status":"declined","reason":"unknown node"}"#)
        try database.send("SET", request.key, "yes")
        #expect(try queue.outcome(of: request) == nil, "of an earlier one: this one has not been taken")
        try database.send("SET", request.resultKey, #"{"status":"taken"}"#)
        #expect(try queue.outcome(of: request)?.status == .taken)
        try database.send("SET", request.resultKey, #"{"status":"declined","reason":"unknown node"}"#)
        try database.send("DEL", request.key)
        #expect(try queue.outcome(of: request)?.reason == "unknown node")
    }

    @Test("[BUG] a node is found by its UUID and by its printed name; an ambiguous name is refused")
    func lookup() throws {
        var view = try database.read()
        for name in [Spec.node, Spec.node.uppercased(), "n3", "[hostname=n3,red]"] {
            #expect(try view.node(called: name).description == Spec.node)
        }
        for name in ["", "n4", Spec.otherNode, "red"] {
            #expect(throws: LookupError.self) { try view.node(called: name) }
        }
        #expect(throws: LookupError.self) { try view.instance(Spec.node) }
        #expect(try view.instance(Spec.function).kind == .function)
        try database.send("SET", "node:capabilities:\(Spec.otherNode)", Spec.capabilities)
        view = try database.read()
        #expect {
            try view.node(called: "n3")
        } throws: {
            "\($0)".contains(Spec.node) && "\($0)".contains(Spec.otherNode)
        }
    }
}
