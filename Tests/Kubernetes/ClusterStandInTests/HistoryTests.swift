import TestSupport
import Testing
import WireJSON

@testable import ClusterStandIn

/// Random histories: what clients that follow the rules see is what is there.
@Suite struct HistoryTests {
    /// A client that lists, watches, and begins again where its version is gone, as informers do.
    private struct Informer {
        let query: String
        var known: [String: String] = [:]
        var session: WatchSession?
        var problems: [String] = []
        var relists = 0

        static func key(_ object: JSONValue) -> String {
            "\(object.text("metadata", "namespace") ?? "")/\(object.text("metadata", "name") ?? "")"
        }

        mutating func advance(_ client: inout TestClient, limit: Int) {
            guard var session else { return list(&client) }
            for step in session.take(from: client.cluster, now: client.now, limit: limit) {
                switch step {
                case .added(let object): note(object, wasKnown: false)
                case .modified(let object): note(object, wasKnown: true)
                case .deleted(let object):
                    if known.removeValue(forKey: Self.key(object.value)) == nil { problems.append("deleted unknown") }
                case .bookmark: break
                case .error(let error):
                    if error.code != 410 { problems.append(error.message) }
                    self.session = nil
                    return
                }
            }
            self.session = session
        }

        private mutating func note(_ object: StoredObject, wasKnown: Bool) {
            let before = known.updateValue("\(object.version)", forKey: Self.key(object.value))
            if (before != nil) != wasKnown { problems.append("\(Self.key(object.value)) known: \(before != nil)") }
            if let before, let old = UInt64(before), old >= object.version { problems.append("went back") }
        }

        private mutating func list(_ client: inout TestClient) {
            relists += 1
            let reply = client.get("/api/v1/configmaps?\(query)")
            known = [:]
            for item in reply.items {
                known[Self.key(item.canonical)] = item.at("metadata", "resourceVersion")?.string
            }
            let request = StandInRequest("GET", "/api/v1/configmaps?\(query)&watch=1&resourceVersion=\(reply.version)")
            guard case .watch(let session) = client.cluster.respond(to: request, now: client.now).content else {
                return problems.append("no watch")
            }
            self.session = session
        }
    }

    @Test(
        "informers end up with what a list shows, through restarts, selectors and forgotten history", arguments: 1...20)
    func informers(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var settings = StandInCluster.Settings()
        settings.historyLimit = 20
        var client = TestClient(settings: settings)
        for namespace in ["one", "two"] {
            client.create("/api/v1/namespaces", #"{"metadata": {"name": "\#(namespace)"}}"#)
        }
        var informers = ["", "labelSelector=on", "fieldSelector=metadata.namespace%3Done"].map { Informer(query: $0) }
        for _ in 0..<300 {
            let path = "/api/v1/namespaces/\(["one", "two"].randomElement(using: &random) ?? "one")/configmaps"
            let name = "c\(random.next() % 8)"
            switch random.next() % 10 {
            case 0..<3: client.create(path, #"{"metadata": {"name": "\#(name)"}}"#)
            case 3..<5: client.merge("\(path)/\(name)", #"{"data": {"k": "\#(random.next() % 4)"}}"#)
            case 5: client.merge("\(path)/\(name)", #"{"metadata": {"labels": {"on": "1"}}}"#)
            case 6: client.merge("\(path)/\(name)", #"{"metadata": {"labels": null}}"#)
            case 7: client.merge("\(path)/\(name)", #"{"metadata": {"finalizers": ["example.org/hold"]}}"#)
            case 8: client.send("DELETE", "\(path)/\(name)")
            default: client.merge("\(path)/\(name)", #"{"metadata": {"finalizers": null}}"#)
            }
            if random.next() % 100 == 0 { client.cluster.compact() }
            for index in informers.indices where random.next() % 4 == 0 {
                informers[index].advance(&client, limit: Int(random.next() % 5) + 1)
            }
        }
        for var informer in informers {
            for _ in 0..<200 { informer.advance(&client, limit: 10) }
            let reply = client.get("/api/v1/configmaps?\(informer.query)")
            let wanted = reply.items.map {
                Informer.key($0.canonical) + "@" + ($0.at("metadata", "resourceVersion")?.string ?? "")
            }
            #expect(informer.known.map { "\($0.key)@\($0.value)" }.sorted() == wanted.sorted())
            #expect(informer.problems == [])
        }
    }

    @Test("pages together are the list as it was at the first of them", arguments: 1...20)
    func pages(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var client = TestClient()
        for index in 0..<30 where random.next() % 2 == 0 { client.configMap("c\(index)") }
        let whole = client.get(TestClient.configMaps).items
        var found: [JSONValue] = []
        var token = ""
        repeat {
            let page = client.get("\(TestClient.configMaps)?limit=\(random.next() % 4 + 1)\(token)")
            found += page.items
            let next = page.at("metadata", "continue")?.string ?? ""
            token = next.isEmpty ? "" : "&continue=\(next.replacing("=", with: "%3D").replacing("+", with: "%2B"))"
            for _ in 0..<3 {
                let name = "c\(random.next() % 30)"
                switch random.next() % 3 {
                case 0: client.configMap(name)
                case 1: client.merge("\(TestClient.configMaps)/\(name)", #"{"data": {"k": "\#(random.next())"}}"#)
                default: client.send("DELETE", "\(TestClient.configMaps)/\(name)")
                }
            }
        } while !token.isEmpty
        #expect(found == whole)
    }

    @Test("nothing stays whose owners are all gone, and nothing waits for nothing", arguments: 1...20)
    func garbage(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var client = TestClient()
        var uids: [String] = []
        for index in 0..<120 {
            switch random.next() % 6 {
            case 0..<3:
                let owners = (0..<random.next() % 3).compactMap { _ in uids.randomElement(using: &random) }.map {
                    #"{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "\#($0)", "blockOwnerDeletion": true}"#
                }
                let made = client.configMap("n\(index)", owners: "[\(owners.joined(separator: ","))]")
                if let uid = made.at("metadata", "uid")?.string { uids.append(uid) }
            case 3:
                client.merge(
                    "\(TestClient.configMaps)/n\(index / 2)", #"{"metadata": {"finalizers": ["example.org/hold"]}}"#)
            case 4: client.merge("\(TestClient.configMaps)/n\(index / 2)", #"{"metadata": {"finalizers": null}}"#)
            default:
                let policy = ["Background", "Foreground", "Orphan"].randomElement(using: &random) ?? ""
                client.send("DELETE", "\(TestClient.configMaps)/n\(index / 3)", #"{"propagationPolicy": "\#(policy)"}"#)
            }
            let objects = client.get(TestClient.configMaps).items
            let present = Set(objects.compactMap { $0.at("metadata", "uid")?.string })
            for object in objects {
                let isDeleting = object.at("metadata", "deletionTimestamp") != nil
                let finalizers = object.at("metadata", "finalizers")?.array ?? []
                #expect(!isDeleting || !finalizers.isEmpty)
                let owners = (object.at("metadata", "ownerReferences")?.array ?? []).compactMap { $0["uid"]?.string }
                #expect(isDeleting || owners.isEmpty || owners.contains { present.contains($0) })
            }
        }
    }

    @Test("an apply is the same again, and every field belongs to a manager", arguments: 1...20)
    func applies(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var client = TestClient()
        let path = "\(TestClient.configMaps)/a"
        for _ in 0..<40 {
            let manager = "m\(random.next() % 3)"
            let keys = (0..<6).filter { _ in random.next() % 2 == 0 }
            let data = keys.map { "\"k\($0)\": \"\(random.next() % 3)\"" }.joined(separator: ", ")
            let body = #"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {\#(data)}}"#
            let force = random.next() % 2 == 0
            let reply = client.apply(path, body, manager: manager, force: force)
            guard reply.status != 409 else { continue }
            #expect(reply.status == 200 || reply.status == 201)
            let again = client.apply(path, body, manager: manager, force: force)
            #expect(again.status == 200 && again.version == reply.version)
            for key in keys { #expect(reply.at("data", "k\(key)") != nil) }
            let managed = (reply.at("metadata", "managedFields")?.array ?? []).flatMap {
                ($0.at("fieldsV1", "f:data")?.members ?? []).map(\.name)
            }
            for member in reply.at("data")?.members ?? [] { #expect(managed.contains("f:\(member.name)")) }
            if random.next() % 4 == 0 { client.merge(path, #"{"data": {"k\#(random.next() % 6)": "x"}}"#) }
        }
    }

    @Test("bodies with broken bytes are answered", arguments: 1...10)
    func brokenBytes(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var client = TestClient(definitions: true)
        // A Namespace as clients written in Go send it.
        let protobuf: [UInt8] =
            [0x6B, 0x38, 0x73, 0x00, 0x0A, 0x0F, 0x0A, 0x02, 0x76, 0x31, 0x12, 0x09] + Array("Namespace".utf8)
            + [0x12, 0x08, 0x0A, 0x06, 0x0A, 0x04] + Array("team".utf8)
        let bodies = [Array(TestClient.binding("b", cpus: #"[{"cpuID": 1}]"#).utf8), protobuf]
        let made = client.cluster.respond(
            to: StandInRequest(
                "POST", "/api/v1/namespaces", body: protobuf, contentType: "application/vnd.kubernetes.protobuf"),
            now: client.now)
        #expect(made.status == 201 && client.get("/api/v1/namespaces/team").status == 200)
        for _ in 0..<500 {
            var body = bodies.randomElement(using: &random) ?? []
            for _ in 0..<(random.next() % 4 + 1) {
                let place = Int(random.next() % UInt64(body.count))
                switch random.next() % 3 {
                case 0: body[place] = UInt8(truncatingIfNeeded: random.next())
                case 1: body.remove(at: place)
                default: body.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
                }
                if body.isEmpty { body = [0] }
            }
            for (method, path) in [
                ("POST", TestClient.bindings), ("POST", "/api/v1/namespaces"), ("PATCH", "\(TestClient.bindings)/b"),
                ("DELETE", "/api/v1/namespaces/none"),
            ] {
                var request = StandInRequest(method, path, body: body)
                if method == "PATCH" { request.contentType = "application/apply-patch+yaml" }
                request.target += method == "PATCH" ? "?fieldManager=f&force=true" : ""
                #expect((200..<500).contains(client.cluster.respond(to: request, now: client.now).status))
                client.cluster.settle(now: client.now)
            }
        }
    }

    @Test("thousands of objects are listed in pages and watched")
    func many() {
        var client = TestClient(definitions: true)
        let count = 3_000
        for index in 0..<count {
            let request = StandInRequest(
                "POST", TestClient.bindings, body: Array(TestClient.binding("b\(index)", pod: "p\(index)").utf8))
            _ = client.cluster.respond(to: request, now: client.now)
        }
        var names = 0
        var token = ""
        repeat {
            let page = client.get("\(TestClient.bindings)?limit=500\(token)")
            names += page.items.count
            let next = page.at("metadata", "continue")?.string ?? ""
            token = next.isEmpty ? "" : "&continue=\(next.replacing("=", with: "%3D").replacing("+", with: "%2B"))"
        } while !token.isEmpty
        #expect(names == count)
        guard
            case .watch(var session) = client.cluster.respond(
                to: StandInRequest("GET", "\(TestClient.bindings)?watch=1"), now: client.now
            ).content
        else {
            Issue.record("no watch")
            return
        }
        var events = 0
        while true {
            let steps = session.take(from: client.cluster, now: client.now, limit: 256)
            if steps.isEmpty { break }
            events += steps.count
        }
        #expect(events == count)
    }
}
