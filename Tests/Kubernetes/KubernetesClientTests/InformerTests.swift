import Synchronization
import TestSupport
import Testing

@testable import KubernetesClient

/// Informers on a scripted server.
@Suite struct InformerTests {
    private static func node(_ name: String, _ version: Int) -> String {
        #"{"metadata":{"name":"\#(name)","resourceVersion":"\#(version)","managedFields":[{"manager":"m"}]}}"#
    }

    private static func list(_ version: Int, _ items: String...) -> ScriptedServer.Answer {
        .init(#"{"metadata":{"resourceVersion":"\#(version)"},"items":[\#(items.joined(separator: ","))]}"#)
    }

    private static func event(_ type: String, _ object: String) -> String {
        #"{"type":"\#(type)","object":\#(object)}"# + "\n"
    }

    private static let exclusion = Indexer<Node>("excluded") { [$0.isExcluded ? "yes" : "no"] }

    /// A node that the informer does not keep.
    private static func excluded(_ name: String, _ version: Int) -> String {
        #"{"metadata":{"name":"\#(name)","resourceVersion":"\#(version)"},"excluded":true}"#
    }

    private static let gone =
        #"{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"}"#

    /// What handlers have heard.
    private final class Heard: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }

        func take(_ change: Change<Node>) {
            let what =
                switch change {
                case .added: "+"
                case .updated(let old, _): "\(old.metadata.resourceVersion)→"
                case .deleted: "-"
                }
            lines.withLock { $0.append("\(what)\(change.key)@\(change.object.metadata.resourceVersion)") }
        }
    }

    private func running(
        settings: Reflector.Settings = .init(), limits: ClusterClient.Limits = .init(),
        _ answer: @escaping @Sendable (_ isWatch: Bool, _ version: String, _ number: Int) -> ScriptedServer.Answer,
        _ body: (Informer<Node>, Heard, ScriptedServer) async throws -> Void
    ) async throws {
        let server = try await ScriptedServer { request, number in
            answer(request.query["watch"] == "true", request.query["resourceVersion"] ?? "", number)
        }
        let address = try #require(ServerAddress("http://127.0.0.1:\(server.port)"))
        let client = ClusterClient(ClientConfiguration(server: address), limits: limits)
        let informer = Informer(
            client.resources(Node.self), indexers: [Self.exclusion], settings: settings,
            transform: { $0.isExcluded ? nil : $0.withoutManagedFields })
        let heard = Heard()
        informer.addHandler { heard.take($0) }
        let task = Task { await informer.run() }
        do { try await body(informer, heard, server) } catch {
            task.cancel()
            throw error
        }
        task.cancel()
        await task.value
        await client.close()
        await server.stop()
    }

    @Test("a list, then a watch whose events come in any pieces; handlers that come later hear what there is")
    func watching() async throws {
        let text =
            Self.event("ADDED", Self.node("é", 6)) + Self.event("MODIFIED", Self.node("a", 7))
            + Self.event("BOOKMARK", #"{"metadata":{"resourceVersion":"8"}}"#)
            + Self.event("DELETED", Self.node("a", 9))
        let bytes = Array(text.utf8)
        let pieces = stride(from: 0, to: bytes.count, by: 7).map { bytes[$0..<min($0 + 7, bytes.count)] }
        // A character that is cut in two would not be the same text.
        let steps = pieces.compactMap { String(validating: $0, as: UTF8.self) }.map { ScriptedServer.Step.text($0) }
        #expect(steps.count == pieces.count)
        try await running { isWatch, _, number in
            isWatch ? .init((number == 1 ? steps : []) + [.hang]) : Self.list(5, Self.node("a", 3))
        } _: { (informer, heard, server) async throws -> Void in
            #expect(await informer.waitUntilSynced() && informer.hasSynced)
            #expect(try await eventually { heard.all.count == 4 })
            #expect(heard.all == ["+a@3", "+é@6", "3→a@7", "-a@9"])
            #expect(informer.count == 1 && informer[ObjectKey(name: "é")]?.json["metadata"]?["managedFields"] == nil)
            let late = Heard()
            informer.addHandler { late.take($0) }
            #expect(late.all == ["+é@6"])
            let query = try #require(server.requests.last).query
            #expect(query["allowWatchBookmarks"] == "true" && Int(query["timeoutSeconds"] ?? "") ?? 0 >= 120)
        }
    }

    @Test("of an object that is not kept nobody hears; one that is kept no more is deleted, one kept again is added")
    func notKept() async throws {
        try await running { isWatch, _, number in
            switch number {
            case 0: Self.list(5, Self.node("a", 3), Self.excluded("b", 4), Self.node("c", 5))
            case 1:
                .init(
                    Self.event("MODIFIED", Self.excluded("b", 6)) + Self.event("MODIFIED", Self.excluded("a", 7))
                        + Self.event("MODIFIED", Self.excluded("a", 8)) + Self.event("MODIFIED", Self.node("b", 9))
                        + Self.event("ADDED", Self.excluded("d", 10)) + Self.event("DELETED", Self.excluded("d", 11))
                        + Self.event("DELETED", Self.excluded("c", 12)) + Self.event("ERROR", Self.gone))
            case 2: Self.list(20, Self.node("a", 13), Self.excluded("b", 14), Self.excluded("e", 15))
            default: .init([.text(Self.event("MODIFIED", Self.node("e", 21))), .hang])
            }
        } _: { (informer, heard, server) async throws -> Void in
            #expect(try await eventually { heard.all.last == "+e@21" })
            // A deletion tells the last state that was kept.
            #expect(heard.all == ["+a@3", "+c@5", "-a@3", "+b@9", "-c@5", "+a@13", "-b@9", "+e@21"])
            #expect(informer.objects(by: Self.exclusion, "yes").isEmpty)
            #expect(informer.objects(by: Self.exclusion, "no").map(\.metadata.name) == ["a", "e"])
            #expect(informer.count == 2 && server.requests.count == 4)
        }
    }

    @Test("a version that is gone, as a status or in the watch, is followed by a list that finds what was deleted")
    func gone() async throws {
        try await running { isWatch, _, number in
            switch number {
            case 0: Self.list(5, Self.node("a", 3), Self.node("b", 4))
            case 1: .init(410, Self.gone)
            case 2: Self.list(8, Self.node("b", 4), Self.node("c", 7))
            case 3: .init(Self.event("ADDED", Self.node("d", 9)) + Self.event("ERROR", Self.gone))
            case 4: Self.list(12, Self.node("b", 11))
            default: .init([.hang])
            }
        } _: { (informer, heard, server) async throws -> Void in
            #expect(try await eventually { server.requests.count == 6 })
            #expect(heard.all == ["+a@3", "+b@4", "+c@7", "-a@3", "+d@9", "4→b@11", "-c@7", "-d@9"])
            #expect(server.requests.map { $0.query["watch"] != nil } == [false, true, false, true, false, true])
        }
    }

    @Test("a watch that is dropped, ended or refused for now goes on from the last version")
    func dropped() async throws {
        try await running { isWatch, version, number in
            switch number {
            case 0: Self.list(5)
            case 1: .init([.text(Self.event("ADDED", Self.node("a", 6)) + #"{"type":"ADD"#), .drop])
            case 2: .init(Self.event("MODIFIED", Self.node("a", 7)))
            case 3: .init(429, fields: ["Retry-After": "1"], "{}")
            default: .init([.text(Self.event("DELETED", Self.node("a", 8))), .hang])
            }
        } _: { (informer, heard, server) async throws -> Void in
            #expect(try await eventually { heard.all == ["+a@6", "6→a@7", "-a@8"] })
            #expect(server.requests.dropFirst().map { $0.query["resourceVersion"] } == ["5", "6", "7", "7"])
        }
    }

    @Test("a watch that says nothing is dropped, and its connection with it")
    func silent() async throws {
        var settings = Reflector.Settings()
        settings.silence = .milliseconds(300)
        try await running(settings: settings) { isWatch, version, _ in
            switch (isWatch, version) {
            case (false, _): Self.list(5)
            case (true, "5"): .init([.text(Self.event("ADDED", Self.node("a", 6))), .hang])
            case (true, "6"): .init([.text(Self.event("ADDED", Self.node("b", 7))), .hang])
            default: .init([.hang])
            }
        } _: { (informer, heard, server) async throws -> Void in
            #expect(try await eventually { heard.all == ["+a@6", "+b@7"] })
            #expect(server.requests.filter { $0.query["watch"] == nil }.count == 1)
        }
    }

    @Test("an event that cannot be understood, or is too long, means a new list")
    func malformed() async throws {
        var limits = ClusterClient.Limits()
        limits.event = 1000
        try await running(limits: limits) { isWatch, _, number in
            switch number {
            case 0: Self.list(5)
            case 1: .init("nonsense\n")
            case 2: Self.list(6, Self.node("a", 6))
            case 3: .init(Self.event("ADDED", Self.node(String(repeating: "b", count: 1000), 7)))
            case 4: Self.list(8, Self.node("c", 8))
            default: .init([.hang])
            }
        } _: { (informer, heard, server) async throws -> Void in
            let isDone = try await eventually { heard.all == ["+a@6", "+c@8", "-a@6"] }
            #expect(isDone, "\(heard.all)")
        }
    }

    @Test("after failures it is told once that the copy is kept again: when a list succeeds, or a watch begins")
    func recovery() async throws {
        let server = try await ScriptedServer { _, number in
            switch number {
            case 0, 1, 3: .init(403, "{}")
            case 2: Self.list(5)
            default: .init([.text(Self.event("ADDED", Self.node("a", number))), .hang])
            }
        }
        let address = try #require(ServerAddress("http://127.0.0.1:\(server.port)"))
        let told = Mutex<[String]>([])
        var settings = Reflector.Settings()
        settings.backoff = Backoff(first: .milliseconds(10))
        let client = ClusterClient(ClientConfiguration(server: address))
        let informer = Informer(
            client.resources(Node.self), settings: settings, onFailure: { _ in told.withLock { $0.append("fails") } },
            onRecovery: { told.withLock { $0.append("works") } })
        let task = Task { await informer.run() }
        #expect(try await eventually { informer.count == 1 })
        #expect(told.withLock { $0 } == ["fails", "fails", "works", "fails", "works"])
        task.cancel()
        await task.value
        await client.close()
        await server.stop()
    }

    @Test("a server that is not there yet is waited for; a cancelled informer ends")
    func absent() async throws {
        let server = try await ScriptedServer { _, _ in Self.list(5) }
        let port = server.port
        await server.stop()
        let address = try #require(ServerAddress("http://127.0.0.1:\(port)"))
        let failed = Gate()
        let client = ClusterClient(ClientConfiguration(server: address))
        let informer = Informer(client.resources(Node.self), onFailure: { _ in failed.open() })
        let task = Task { await informer.run() }
        let waiting = Task { await informer.waitUntilSynced() }
        #expect(await failed.wait())
        #expect(!informer.hasSynced)
        let later = try await ScriptedServer(port: port) { request, _ in
            request.query["watch"] == nil ? Self.list(5) : .init([.hang])
        }
        #expect(await waiting.value)
        let given = Task { await Informer(client.resources(Node.self)).waitUntilSynced() }
        given.cancel()
        #expect(await given.value == false)
        task.cancel()
        await task.value
        await later.stop()
    }
}

extension Node {
    fileprivate var isExcluded: Bool { json["excluded"] != nil }
}
