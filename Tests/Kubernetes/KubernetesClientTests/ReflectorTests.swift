import TestSupport
import Testing

@testable import KubernetesClient

/// The reflector and the store against a model of a server.
@Suite struct ReflectorTests {
    /// A server's objects, its changes, and how far back it remembers them.
    private struct Model {
        var version = 10
        var objects: [String: Int] = [:]
        var log: [(version: Int, event: WatchEvent<Node>)] = []
        var oldest = 10

        static func node(_ name: String, _ version: Int) -> Node {
            Node(json: ["metadata": ["name": .string(name), "resourceVersion": .string(String(version))]])
        }

        mutating func change(_ random: inout SeededRandom) {
            version += Int.random(in: 1...3, using: &random)
            let name = "n\(Int.random(in: 0..<6, using: &random))"
            let node = Self.node(name, version)
            if objects[name] == nil {
                objects[name] = version
                log.append((version, .added(node)))
            } else if Bool.random(using: &random) {
                objects[name] = version
                log.append((version, .modified(node)))
            } else {
                objects[name] = nil
                log.append((version, .deleted(node)))
            }
        }

        mutating func compact() {
            oldest = version
            log = []
        }
    }

    private static let gone = Status(code: 410, body: [], retryAfter: nil)

    @Test(
        "whatever fails and in whatever order, the copy becomes what the server has, and handlers hear the way",
        arguments: 0..<300)
    func histories(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var settings = Reflector.Settings()
        if Bool.random(using: &random) { settings.listing = .cached }
        var reflector = Reflector(settings)
        var store = ObjectStore<Node>()
        var heard: [ObjectKey: Node] = [:]
        var model = Model()
        var now = Duration.zero
        var steps = 0
        func hear(_ changes: [Change<Node>]) {
            for change in changes {
                switch change {
                case .added(let node):
                    #expect(heard.updateValue(node, forKey: node.key) == nil)
                case .updated(let old, let new):
                    #expect(heard.updateValue(new, forKey: new.key) == old)
                case .deleted(let node):
                    #expect(heard.removeValue(forKey: node.key) != nil)
                }
            }
        }
        let faulty = 60
        while steps < 400 {
            let isFaulty = steps < faulty && Int.random(in: 0..<3, using: &random) == 0
            steps += 1
            switch reflector.step(now: now, random: &random) {
            case .wait(let until):
                #expect(until > now && until - now <= .seconds(31))
                now = until
            case .list(let kind):
                if isFaulty {
                    let error: KubernetesError =
                        [.timedOut, .status(Self.gone), .unreachable(""), .malformed("")].randomElement(using: &random)
                        ?? .timedOut
                    reflector.failed(error, now: now, random: &random)
                    continue
                }
                if case .cached(let least) = kind { #expect(Int(least) ?? 0 <= model.version) }
                hear(store.replace(with: model.objects.map { Model.node($0, $1) }))
                reflector.listed(version: String(model.version), now: now)
            case .watch(let version, let seconds):
                #expect((120...180).contains(seconds))
                let from = Int(version) ?? 0
                if from < model.oldest {
                    if Bool.random(using: &random) {
                        reflector.failed(.status(Self.gone), now: now, random: &random)
                    } else {
                        let verdict = reflector.heard(
                            WatchEvent<Node>.error(Self.gone), now: now, random: &random)
                        #expect(verdict == .end)
                    }
                    continue
                }
                var seen = from
                for _ in 0..<Int.random(in: 0...5, using: &random) {
                    if steps < faulty { model.change(&random) }
                    now += .milliseconds(Int.random(in: 0...900, using: &random))
                    for entry in model.log where entry.version > seen {
                        seen = entry.version
                        #expect(reflector.heard(entry.event, now: now, random: &random) == .apply)
                        hear(store.apply(entry.event).map { [$0] } ?? [])
                    }
                    if Bool.random(using: &random) {
                        let bookmark = WatchEvent<Node>.bookmark(resourceVersion: String(model.version))
                        #expect(reflector.heard(bookmark, now: now, random: &random) == .ignore)
                        seen = model.version
                    }
                }
                switch Int.random(in: 0..<3, using: &random) {
                case 0 where isFaulty: reflector.failed(.interrupted(""), now: now, random: &random)
                case 1 where isFaulty:
                    now += .seconds(180)
                    reflector.failed(.timedOut, now: now, random: &random)
                default: reflector.ended(now: now, random: &random)
                }
                // Between watches the server goes on, and forgets.
                if steps < faulty {
                    model.change(&random)
                    if Int.random(in: 0..<4, using: &random) == 0 { model.compact() }
                } else if seen == model.version, steps > faulty + 50 {
                    steps = 1000
                }
            }
        }
        #expect(steps >= 1000, "the copy does not catch up")
        #expect(store.all.count == model.objects.count)
        for (name, version) in model.objects {
            #expect(store[ObjectKey(name: name)]?.metadata.resourceVersion == String(version))
            #expect(heard[ObjectKey(name: name)] == store[ObjectKey(name: name)])
        }
        #expect(heard.count == store.count)
    }

    private func watching(_ random: inout SeededRandom) -> Reflector {
        var reflector = Reflector()
        _ = reflector.step(now: .zero, random: &random)
        reflector.listed(version: "5", now: .zero)
        guard case .watch("5", _) = reflector.step(now: .zero, random: &random) else { return Reflector() }
        return reflector
    }

    @Test("a version that is gone means a list at once, and later ones only after a while")
    func gone() {
        var random = SeededRandom(seed: 1)
        var reflector = watching(&random)
        reflector.failed(.status(Self.gone), now: .seconds(1), random: &random)
        #expect(reflector.step(now: .seconds(1), random: &random) == .list(.latest(pageSize: 500)))
        reflector.listed(version: "6", now: .seconds(1))
        _ = reflector.step(now: .seconds(1), random: &random)
        reflector.failed(.status(Self.gone), now: .seconds(1), random: &random)
        guard case .wait = reflector.step(now: .seconds(1), random: &random) else {
            Issue.record("lists again and again")
            return
        }
    }

    @Test("a watch that ends goes on from the last version, also that of a bookmark or a deletion")
    func resumption() {
        var random = SeededRandom(seed: 2)
        var reflector = watching(&random)
        let deleted = WatchEvent.deleted(Model.node("n", 8))
        _ = reflector.heard(deleted, now: .seconds(2), random: &random)
        reflector.ended(now: .seconds(3), random: &random)
        guard case .watch("8", _) = reflector.step(now: .seconds(3), random: &random) else {
            Issue.record("not from 8")
            return
        }
        _ = reflector.heard(WatchEvent<Node>.bookmark(resourceVersion: "9"), now: .seconds(4), random: &random)
        reflector.failed(.interrupted(""), now: .seconds(5), random: &random)
        guard case .watch("9", _) = reflector.step(now: .seconds(40), random: &random) else {
            Issue.record("not from 9")
            return
        }
    }

    @Test("failures are tried again later each time, at most half a minute, until a watch says something")
    func backoff() {
        var random = SeededRandom(seed: 3)
        var reflector = watching(&random)
        var now = Duration.zero
        var delays: [Duration] = []
        for _ in 0..<12 {
            reflector.failed(.unreachable(""), now: now, random: &random)
            guard case .wait(let until) = reflector.step(now: now, random: &random) else { continue }
            delays.append(until - now)
            now = until
            _ = reflector.step(now: now, random: &random)
        }
        #expect(delays.count == 12 && delays[0] <= .milliseconds(200) && delays.allSatisfy { $0 <= .seconds(30) })
        #expect(delays.suffix(3).allSatisfy { $0 >= .seconds(15) })
        _ = reflector.heard(WatchEvent<Node>.bookmark(resourceVersion: "9"), now: now, random: &random)
        reflector.failed(.unreachable(""), now: now, random: &random)
        guard case .wait(let until) = reflector.step(now: now, random: &random) else { return }
        #expect(until - now <= .milliseconds(200))
    }

    @Test("the server's wish to be asked later is heeded; a watch that ends at once is not asked for at once")
    func patience() {
        var random = SeededRandom(seed: 4)
        var reflector = watching(&random)
        let busy = KubernetesError.status(Status(code: 429, body: [], retryAfter: "20"))
        reflector.failed(busy, now: .zero, random: &random)
        #expect(reflector.step(now: .zero, random: &random) == .wait(until: .seconds(20)))
        _ = reflector.step(now: .seconds(20), random: &random)
        reflector.ended(now: .seconds(20), random: &random)
        guard case .wait = reflector.step(now: .seconds(20), random: &random) else {
            Issue.record("asks again and again")
            return
        }
    }

    @Test("from the server's memory only what is not older than what was seen is listed, and after a 410 the newest")
    func cached() {
        var random = SeededRandom(seed: 5)
        var settings = Reflector.Settings()
        settings.listing = .cached
        var reflector = Reflector(settings)
        #expect(reflector.step(now: .zero, random: &random) == .list(.cached(notOlderThan: "0")))
        reflector.listed(version: "5", now: .zero)
        _ = reflector.step(now: .zero, random: &random)
        reflector.failed(.malformed(""), now: .zero, random: &random)
        #expect(reflector.step(now: .seconds(60), random: &random) == .list(.cached(notOlderThan: "5")))
        reflector.failed(.status(Self.gone), now: .seconds(60), random: &random)
        #expect(reflector.step(now: .seconds(90), random: &random) == .list(.latest(pageSize: 500)))
    }

    @Test("a server that has nothing to say ends a watch before the connection counts as dead", arguments: 0..<100)
    func quiet(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let settings = Reflector.Settings()
        var reflector = Reflector(settings)
        reflector.listed(version: "5", now: .zero)
        guard case .watch(_, let seconds) = reflector.step(now: .zero, random: &random) else {
            Issue.record("no watch follows the list")
            return
        }
        #expect(.seconds(seconds) + .seconds(30) <= settings.silence)
    }

    @Test("lines are the same however the bytes are cut", arguments: 0..<50)
    func lines(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let lines = (0..<20).map { String(repeating: "\($0)", count: Int.random(in: 1...30, using: &random)) }
        var rest = Array(lines.joined(separator: Bool.random(using: &random) ? "\n" : "\n\r\n").utf8)[...] + [10]
        var splitter = LineSplitter(limit: 100)
        var found: [String] = []
        while !rest.isEmpty {
            let count = Int.random(in: 0...min(rest.count, 70), using: &random)
            splitter.add(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
            while let line = try splitter.next() { found.append(String(decoding: line, as: UTF8.self)) }
        }
        #expect(found == lines)
    }

    @Test("a line that is too long is refused before its end is there")
    func longLines() {
        var splitter = LineSplitter(limit: 10)
        splitter.add(Array("12345".utf8))
        #expect(throws: Never.self) { try splitter.next() }
        splitter.add(Array("678901".utf8))
        #expect(throws: KubernetesError.tooLong(limit: 10)) { try splitter.next() }
    }

    @Test(
        "what is no event of a watch is refused",
        arguments: [
            "", "{", "[]", #"{"type":"ADDED"}"#, #"{"type":"ADDED","object":{}}"#, #"{"type":3,"object":{}}"#,
            #"{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}"#,
            #"{"type":"NEW","object":{"metadata":{"resourceVersion":"1","name":"a"}}}"#,
            #"{"type":"BOOKMARK","object":{"metadata":{}}}"#,
        ])
    func noEvents(text: String) {
        let error = #expect(throws: KubernetesError.self) { try WatchEvent<Node>(Array(text.utf8)) }
        guard case .malformed = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("indexes find what the objects have, and nothing else", arguments: 0..<30)
    func indexes(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var store = ObjectStore<Pod>(indexers: [.namespace, .node])
        func pod() -> Pod {
            var pod = Pod(
                name: "p\(Int.random(in: 0..<8, using: &random))", namespace: ["a", "b"].randomElement(using: &random))
            pod.metadata.resourceVersion = "\(Int.random(in: 0..<1000, using: &random))"
            pod.nodeName = ["x", "y", nil].randomElement(using: &random) ?? nil
            return pod
        }
        for _ in 0..<200 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0: _ = store.replace(with: (0..<5).map { _ in pod() })
            case 1...4: _ = store.apply(.deleted(pod()))
            default: _ = store.apply(Bool.random(using: &random) ? .added(pod()) : .modified(pod()))
            }
            for node in ["x", "y"] {
                let expected = store.all.filter { $0.nodeName == node }.sorted { $0.key < $1.key }
                #expect(store.objects(by: "node", node) == expected)
            }
            for namespace in ["a", "b"] {
                let expected = store.all.filter { $0.metadata.namespace == namespace }.map(\.key).sorted()
                #expect(store.objects(by: "namespace", namespace).map(\.key) == expected)
            }
        }
        #expect(store.objects(by: "other", "x").isEmpty)
    }
}
