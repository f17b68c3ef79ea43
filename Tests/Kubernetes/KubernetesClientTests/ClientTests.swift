import NIOSSL
import Synchronization
import TestSupport
import Testing

@testable import KubernetesClient

/// The client on a scripted server.
@Suite struct ClientTests {
    private static let object = #"{"kind":"Pod","metadata":{"name":"p","namespace":"n","resourceVersion":"7"},"new":1}"#

    private static func status(_ code: Int, _ reason: String, _ more: String = "") -> String {
        #"{"kind":"Status","status":"Failure","code":\#(code),"reason":"\#(reason)","message":"no: \#(reason)"\#(more)}"#
    }

    private func client(
        _ server: ScriptedServer, identity: ClientIdentity = ClientIdentity(),
        limits: ClusterClient.Limits = .init(),
        system: SystemAccess = .real
    ) throws -> ClusterClient {
        let address = try #require(ServerAddress("http://127.0.0.1:\(server.port)/prefix"))
        return ClusterClient(
            ClientConfiguration(server: address, identity: identity), limits: limits, system: system)
    }

    @Test("every call sends the method, path, query and body that the API has for it")
    func calls() async throws {
        let server = try await ScriptedServer { request, _ in
            let isList = request.method == "GET" && request.path.hasSuffix("s")
            return .init(isList ? #"{"kind":"PodList","metadata":{"resourceVersion":"9"},"items":null}"# : Self.object)
        }
        let client = try client(server, identity: ClientIdentity(.token("secret")))
        let pods = client.resources(Pod.self)
        let nodes = client.resources(Node.self)
        let bindings = client.resources(PodCPUBinding.self)
        let pod = try await pods.get("p", namespace: "n")
        #expect(pod.json["new"] == 1)
        _ = try await pods.list(Selection(namespace: "n", labels: "a=b,c!=d", fields: "spec.nodeName=x"))
        _ = try await nodes.create(Node(name: "x"), ChangeOptions(fieldManager: "m", isDryRun: true))
        _ = try await pods.update(pod)
        _ = try await bindings.updateStatus(PodCPUBinding(name: "b", namespace: "n"))
        _ = try await nodes.patch("x y", .merge(["a": .null]))
        _ = try await nodes.patch("x", .json([["op": "remove", "path": "/a"]]), subresource: "status")
        var applied = PodCPUBinding(name: "b", namespace: "n")
        applied.podName = "p"
        applied.json[["metadata", "managedFields"]] = []
        _ = try await bindings.apply(applied, manager: "m", force: true)
        try await pods.delete(
            "p", namespace: "n",
            DeleteOptions(uid: "u", resourceVersion: "7", propagation: .foreground, gracePeriod: .seconds(3)))
        try await bindings.deleteAll(Selection(namespace: "n", labels: "a"))
        try await pods.bind("p", namespace: "n", to: "x", uid: "u")
        let seen = server.requests.map { "\($0.method) \($0.target) \($0.body)" }
        let group = "/prefix/apis/cslab.ece.ntua.gr/v1alpha1/namespaces/n/podcpubindings"
        let kind = #""apiVersion":"cslab.ece.ntua.gr/v1alpha1","kind":"PodCPUBinding""#
        let spec = #""spec":{"podName":"p"}"#
        let options = #""apiVersion":"v1","kind":"DeleteOptions""#
        let preconditions = #""preconditions":{"uid":"u","resourceVersion":"7"}"#
        let period = #""propagationPolicy":"Foreground","gracePeriodSeconds":3"#
        let metadata = #"{"name":"p","namespace":"n","uid":"u"}"#
        let binding = #""apiVersion":"v1","kind":"Binding","metadata":\#(metadata)"#
        let target = #""target":{"apiVersion":"v1","kind":"Node","name":"x"}"#
        let expected: [String] = [
            "GET /prefix/api/v1/namespaces/n/pods/p ",
            "GET /prefix/api/v1/namespaces/n/pods?labelSelector=a%3Db%2Cc%21%3Dd&fieldSelector=spec.nodeName%3Dx&limit=500 ",
            #"POST /prefix/api/v1/nodes?fieldManager=m&dryRun=All {"apiVersion":"v1","kind":"Node","metadata":{"name":"x"}}"#,
            #"PUT /prefix/api/v1/namespaces/n/pods/p \#(Self.object.dropLast()),"apiVersion":"v1"}"#,
            #"PUT \#(group)/b/status {\#(kind),"metadata":{"name":"b","namespace":"n"}}"#,
            #"PATCH /prefix/api/v1/nodes/x%20y {"a":null}"#,
            #"PATCH /prefix/api/v1/nodes/x/status [{"op":"remove","path":"/a"}]"#,
            #"PATCH \#(group)/b?fieldManager=m&force=true {\#(kind),"metadata":{"name":"b","namespace":"n"},\#(spec)}"#,
            #"DELETE /prefix/api/v1/namespaces/n/pods/p {\#(options),\#(preconditions),\#(period)}"#,
            #"DELETE \#(group)?labelSelector=a {\#(options)}"#,
            #"POST /prefix/api/v1/namespaces/n/pods/p/binding {\#(binding),\#(target)}"#,
        ]
        #expect(seen == expected)
        let types = server.requests.filter { $0.method == "PATCH" }.map { $0.fields["content-type"] }
        #expect(
            types == ["application/merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml"])
        #expect(server.requests.allSatisfy { $0.fields["authorization"] == "Bearer secret" })
        await server.stop()
    }

    @Test("names that would lead to another path are refused before anything is sent")
    func names() async throws {
        let server = try await ScriptedServer { _, _ in .init(Self.object) }
        let client = try client(server)
        for name in ["", ".", "..", "a/b", "a/../../x"] {
            let error = await #expect(throws: KubernetesError.self) { try await client.resources(Node.self).get(name) }
            guard case .invalidRequest = error else { throw error ?? .cancelled }
        }
        await #expect(throws: KubernetesError.self) { try await client.resources(Pod.self).get("p") }
        await #expect(throws: KubernetesError.self) { try await client.resources(Node.self).get("n", namespace: "x") }
        #expect(server.requests.isEmpty)
        await server.stop()
    }

    @Test("a refusal is an error with the server's reason, message and causes")
    func refusals() async throws {
        let cases: [(Int, String, Status.Reason)] = [
            (404, "NotFound", .notFound), (409, "AlreadyExists", .alreadyExists), (409, "Conflict", .conflict),
            (410, "Gone", .gone), (410, "Expired", .expired), (403, "Forbidden", .forbidden),
            (401, "Unauthorized", .unauthorized), (422, "Invalid", .invalid), (504, "Timeout", .timeout),
        ]
        let server = try await ScriptedServer { request, _ in
            let number = Int(request.path.split(separator: "/").last ?? "") ?? 0
            guard number < cases.count else { return .init(404, "<html>\nnot here") }
            let more = #","details":{"causes":[{"reason":"FieldValueInvalid","message":"bad","field":"spec.x"}]}"#
            return .init(cases[number].0, Self.status(cases[number].0, cases[number].1, more))
        }
        let nodes = try client(server).resources(Node.self)
        for (number, expected) in cases.enumerated() {
            let error = await #expect(throws: KubernetesError.self) { try await nodes.delete("\(number)") }
            #expect(error?.reason == expected.2 && error?.status?.code == expected.0)
            #expect(error.map { "\($0)" } == "no: \(expected.1)")
            #expect(error?.status?.causes.map(\.field) == ["spec.x"])
        }
        let plain = await #expect(throws: KubernetesError.self) { try await nodes.get("99") }
        #expect(plain?.reason == .notFound && plain.map { "\($0)" } == "<html>not here")
        await server.stop()
    }

    @Test("what is refused for now is tried again when the server says; changes that may have happened are not")
    func retries() async throws {
        let server = try await ScriptedServer { request, number in
            switch (request.method, number) {
            case ("GET", 0): .init(429, fields: ["Retry-After": "1"], Self.status(429, "TooManyRequests"))
            case ("GET", 1): .init(503, Self.status(503, "ServiceUnavailable"))
            case ("GET", 2): .init([.drop])
            case ("POST", 4): .init(429, Self.status(429, "TooManyRequests"))
            case ("POST", 6): .init(503, Self.status(503, "ServiceUnavailable"))
            case ("POST", 7): .init([.text("{"), .drop])
            default: .init(Self.object)
            }
        }
        let nodes = try client(server).resources(Node.self)
        let begin = ContinuousClock.now
        _ = try await nodes.get("n")
        #expect(server.requests.count == 4 && ContinuousClock.now - begin >= .seconds(1))
        _ = try await nodes.create(Node(name: "n"))
        #expect(server.requests.count == 6)
        let unavailable = await #expect(throws: KubernetesError.self) { try await nodes.create(Node(name: "n")) }
        #expect(unavailable?.reason == .serviceUnavailable)
        let interrupted = await #expect(throws: KubernetesError.self) { try await nodes.create(Node(name: "n")) }
        guard case .interrupted = interrupted else { throw interrupted ?? .cancelled }
        #expect(server.requests.count == 8)
        await server.stop()
    }

    @Test("a token that is refused is read again, once")
    func unauthorized() async throws {
        let server = try await ScriptedServer { request, _ in
            request.fields["authorization"] == "Bearer new"
                ? .init(Self.object) : .init(401, Self.status(401, "Unauthorized"))
        }
        let system = ManualSystem(files: ["/token": "old"])
        let nodes = try client(server, identity: ClientIdentity(.tokenFile("/token")), system: system.access)
            .resources(Node.self)
        let refused = await #expect(throws: KubernetesError.self) { try await nodes.get("n") }
        #expect(refused?.reason == .unauthorized && server.requests.count == 1)
        system.write("/token", "new")
        _ = try await nodes.get("n")
        #expect(server.requests.count == 3)
        await server.stop()
    }

    @Test("a server that says nothing, or not enough, is given up at the limit")
    func deadlines() async throws {
        let server = try await ScriptedServer { request, _ in
            request.path.hasSuffix("a") ? .init([.text("{"), .hang]) : .init([.hang])
        }
        var limits = ClusterClient.Limits()
        limits.time = .milliseconds(200)
        let nodes = try client(server, limits: limits).resources(Node.self)
        await #expect(throws: KubernetesError.timedOut) { try await nodes.get("a") }
        await #expect(throws: KubernetesError.timedOut) { try await nodes.create(Node(name: "b")) }
        let waiting = Task { try await nodes.get("b") }
        waiting.cancel()
        await #expect(throws: KubernetesError.cancelled) { try await waiting.value }
        await server.stop()
    }

    @Test("an answer that is too long, or no answer at all, is an error")
    func wrongAnswers() async throws {
        let server = try await ScriptedServer { request, _ in
            switch request.path.last {
            case "a": .init(String(repeating: " ", count: 100_000))
            case "b": .init("[1,")
            case "c": .init("[]")
            default: .init(#"{"metadata":{},"items":{}}"#)
            }
        }
        var limits = ClusterClient.Limits()
        limits.answer = 50_000
        let client = try client(server, limits: limits)
        let nodes = client.resources(Node.self)
        await #expect(throws: KubernetesError.tooLong(limit: 50_000)) { try await nodes.get("a") }
        for name in ["b", "c"] {
            let error = await #expect(throws: KubernetesError.self) { try await nodes.get(name) }
            guard case .malformed = error else { throw error ?? .cancelled }
        }
        await #expect(throws: KubernetesError.self) { try await nodes.list() }
        await server.stop()
        let other = try self.client(server).resources(Node.self)
        let closed = await #expect(throws: KubernetesError.self) { try await other.create(Node(name: "x")) }
        guard case .unreachable = closed else { throw closed ?? .cancelled }
    }

    @Test("a list of several pages is one list; one whose pages expire begins anew")
    func pages() async throws {
        let expired = Atomic(false)
        let server = try await ScriptedServer { request, _ in
            func page(_ names: [String], _ next: String) -> ScriptedServer.Answer {
                let items = names.map { #"{"metadata":{"name":"\#($0)"}}"# }.joined(separator: ",")
                return .init(#"{"metadata":{"resourceVersion":"5","continue":"\#(next)"},"items":[\#(items)]}"#)
            }
            switch request.query["continue"] {
            case nil: return page(["a", "b"], "x=/1")
            case "x%3D%2F1": return page(["c"], "2")
            default:
                guard expired.exchange(true, ordering: .relaxed) else {
                    return .init(410, Self.status(410, "Expired"))
                }
                return page(["d"], "")
            }
        }
        let nodes = try client(server).resources(Node.self)
        let list = try await nodes.list(pageSize: 2)
        #expect(list.items.map(\.metadata.name) == ["a", "b", "c", "d"] && list.resourceVersion == "5")
        #expect(server.requests.count == 6 && server.requests.allSatisfy { $0.query["limit"] == "2" })
        await server.stop()
    }

    @Test("a proxy is asked for the way to the server; one that refuses makes the server unreachable")
    func proxy() async throws {
        let server = try await ScriptedServer { _, _ in .init(403, "no") }
        var configuration = ClientConfiguration(server: try #require(ServerAddress("https://cluster.invalid")))
        configuration.proxy = ServerAddress("http://127.0.0.1:\(server.port)")
        let error = await #expect(throws: KubernetesError.self) {
            try await ClusterClient(configuration).serverVersion()
        }
        guard case .unreachable = error else { throw error ?? .cancelled }
        #expect(server.requests.map { "\($0.method) \($0.target)" }.first == "CONNECT cluster.invalid:443")
        await server.stop()
    }

    @Test("server and client prove who they are with certificates; who does not is not talked to")
    func certificates() async throws {
        let maker = try CertificateMaker()
        for name in ["ca", "other"] { try maker.authority(name) }
        try maker.leaf("server", from: "ca", names: "DNS:kubernetes")
        try maker.leaf("client", from: "ca", names: "DNS:me")
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(maker.path("server.pem")).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: maker.path("server.key"), format: .pem)))
        tls.trustRoots = .file(maker.path("ca.pem"))
        tls.certificateVerification = .noHostnameVerification
        let server = try await ScriptedServer(tls: tls) { _, _ in .init(Self.object) }
        func ask(authority: String, name: String?, certificate: Bool, isVerified: Bool = true) async throws {
            var configuration = ClientConfiguration(
                server: try #require(ServerAddress("https://127.0.0.1:\(server.port)")))
            if isVerified { configuration.trust.authorities = .file(maker.path("\(authority).pem")) }
            configuration.trust.serverName = name
            configuration.trust.isVerified = isVerified
            if certificate {
                configuration.identity.certificate = .inline(TemporaryDirectory.read(maker.path("client.pem")) ?? [])
                configuration.identity.key = .file(maker.path("client.key"))
            }
            var limits = ClusterClient.Limits()
            limits.time = .seconds(60)
            let client = ClusterClient(configuration, limits: limits)
            defer { Task { await client.close() } }
            _ = try await client.resources(Node.self).create(Node(name: "n"))
        }
        try await ask(authority: "ca", name: "kubernetes", certificate: true)
        try await ask(authority: "ca", name: nil, certificate: true, isVerified: false)
        #expect(server.requests.count == 2)
        await #expect(throws: KubernetesError.self) {
            try await ask(authority: "other", name: "kubernetes", certificate: true)
        }
        await #expect(throws: KubernetesError.self) { try await ask(authority: "ca", name: nil, certificate: true) }
        await #expect(throws: KubernetesError.self) {
            try await ask(authority: "ca", name: "kubernetes", certificate: false)
        }
        #expect(server.requests.count == 2)
        await server.stop()
    }
}
