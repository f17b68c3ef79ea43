import Domain
import DomainDemo
import DomainRPC
import DomainWire
import Logging
import Synchronization
import TestSupport
import Testing

/// Domain specification, section 2.2 and W21: protected connections.
@Suite struct TLSTests {
    private let certificates: Certificates

    init() throws { certificates = try Certificates.made.get() }

    private func settings(_ name: String = "server", mutual: Bool = false) -> DomainServer.Settings {
        var settings = Serving.settings(.https)
        settings.tls = TLSSettings.Server(
            identity: certificates.identity(name), clientAuthority: mutual ? certificates.path("ca.pem") : nil)
        return settings
    }

    private func client(
        _ name: String? = nil, authority: String = "ca", serverName: String? = nil
    ) -> TLSSettings.Client {
        TLSSettings.Client(
            authority: certificates.path("\(authority).pem"), identity: name.map { certificates.identity($0) },
            serverName: serverName)
    }

    private func call(_ serving: Serving) async -> String? {
        await failure { _ = try await serving.orchestrator.start(.resource(Sample.resource)) }
    }

    @Test("a client that trusts the authority is served, one that does not sends nothing")
    func authority() async throws {
        try await Serving.serving(settings(), tls: client()) { (serving) async throws in
            #expect(await call(serving) == nil)
        }
        try await Serving.serving(settings(), tls: client(authority: "other-ca")) { (serving) async throws in
            #expect(await call(serving)?.hasPrefix("unreachable") == true)
            #expect(serving.stub.asked.isEmpty)
        }
    }

    @Test("a certificate for another name is rejected, unless that name is configured")
    func serverName() async throws {
        try await Serving.serving(settings("elsewhere"), tls: client()) { (serving) async throws in
            #expect(await call(serving)?.hasPrefix("unreachable") == true)
        }
        let named = client(serverName: "elsewhere.example")
        try await Serving.serving(settings("elsewhere"), tls: named) { (serving) async throws in
            #expect(await call(serving) == nil)
        }
    }

    @Test(
        "the configured name is required even if the certificate contains the called address",
        arguments: [
            ("address", "elsewhere.example", true), ("address", "zzz.example", false), ("address", nil, true),
            ("wildcard", "a.elsewhere.example", true), ("wildcard", "a.b.elsewhere.example", false),
            ("wildcard", "elsewhere.example", false), ("node", "zzz.example", false),
            ("address", "ELSEWHERE.example", true),
        ] as [(String, String?, Bool)])
    func askedName(certificate: String, name: String?, isTaken: Bool) async throws {
        try await Serving.serving(settings(certificate), tls: client(serverName: name)) { (serving) async throws in
            #expect((await call(serving) == nil) == isTaken)
            #expect(serving.stub.asked.isEmpty != isTaken)
        }
    }

    @Test("after a reload, connections use the new certificates, and requests in progress are answered")
    func reload() async throws {
        var settings = Serving.settings(.https)
        settings.tls = TLSSettings.Server(identity: certificates.identity("server"))
        try await Serving.serving(settings, tls: client()) { (serving) async throws in
            #expect(await call(serving) == nil)
            serving.stub.state.withLock { $0.delay = .seconds(1) }
            async let inProgress = call(serving)
            #expect(try await eventually { serving.stub.asked.count == 2 })
            settings.tls?.identity = certificates.identity("stranger")
            try await serving.server.reload(serving.stub, settings: settings)
            #expect(await inProgress == nil)
            serving.stub.state.withLock { $0.delay = nil }
            // "stranger" has no address among its names, and is of the other authority.
            #expect(try await eventually { await call(serving) != nil })
            settings.tls?.identity = certificates.identity("server")
            try await serving.server.reload(serving.stub, settings: settings)
            #expect(try await eventually { await call(serving) == nil })
            #expect(!serving.stub.asked.contains { $0.hasPrefix("stop") })
        }
    }

    @Test("a server that was reloaded stops like another, and frees its address")
    func stopAfterReload() async throws {
        let serving = try Serving()
        try await serving.server.reload(serving.stub, settings: Serving.settings())
        let port = serving.server.orchestratorPort
        #expect(try await eventually { await call(serving) == nil })
        await serving.stop()
        try await serving.server.waitUntilStopped()
        var settings = Serving.settings()
        settings.orchestratorURL = ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: port)
        let next = try DomainServer(
            serving.stub, settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        await next.stop(within: .milliseconds(200))
    }

    @Test("with client certificates required, clients of the authority are served and the domain learns their names")
    func mutual() async throws {
        try await Serving.serving(settings(mutual: true), tls: client("controller")) { (serving) async throws in
            #expect(await call(serving) == nil)
            #expect(serving.stub.state.withLock { $0.peers.first }??.names == ["controller"])
        }
    }

    @Test(
        "with client certificates required, clients without one or with another authority's are rejected",
        arguments: [nil, "stranger"])
    func strangers(name: String?) async throws {
        try await Serving.serving(settings(mutual: true), tls: client(name)) { (serving) async throws in
            #expect(await call(serving) != nil)
            let update = EdgelessApi_UpdateNodeRequest(Sample.update())
            #expect(await failure { _ = try await serving.update(update) } != nil)
            #expect(serving.stub.asked.isEmpty)
        }
    }

    @Test("a node can only register with its own certificate, by URI or DNS name", arguments: ["node", "node-dns"])
    func nodeIdentity(name: String) async throws {
        try await Serving.serving(settings(mutual: true), tls: client(name)) { (serving) async throws in
            var update = Sample.update()
            #expect(try await serving.update(EdgelessApi_UpdateNodeRequest(update)) == nil)
            update.node = NodeID(high: 9, low: 9)
            let message = EdgelessApi_UpdateNodeRequest(update)
            let text = await failure { _ = try await serving.update(message) }
            #expect(text?.contains("status 7 (") == true && text?.contains("\(update.node)") == true)
            #expect(serving.stub.asked == ["update \(Sample.node)"])
        }
    }

    @Test("binding nodes to certificates can be switched off")
    func unboundNodes() async throws {
        var settings = settings(mutual: true)
        settings.bindsNodesToCertificates = false
        try await Serving.serving(settings, tls: client("controller")) { (serving) async throws in
            #expect(try await serving.update(EdgelessApi_UpdateNodeRequest(Sample.update())) == nil)
        }
    }

    @Test(
        "with controller names, a node's certificate cannot start, stop or patch, but can register the node"
    )
    func controllerNames() async throws {
        var settings = settings(mutual: true)
        settings.controllerNames = ["controller"]
        try await Serving.serving(settings, tls: client("node")) { (serving) async throws in
            #expect(await call(serving)?.contains("status 7 (") == true)
            let function = Specification.function(Sample.function)
            #expect(
                await failure { _ = try await serving.orchestrator.start(function) }?.contains("status 7 (") == true)
            let id = LogicalID(high: 1, low: 1)
            #expect(
                await failure { try await serving.orchestrator.stop(id, kind: .function) }?.contains("status 7 (")
                    == true)
            #expect(try await serving.update(EdgelessApi_UpdateNodeRequest(Sample.update())) == nil)
            #expect(serving.stub.asked == ["update \(Sample.node)"])
        }
        try await Serving.serving(settings, tls: client("controller")) { (serving) async throws in
            #expect(await call(serving) == nil)
        }
    }

    @Test("plaintext to a TLS server fails and does not stop the server")
    func plaintext() async throws {
        try await Serving.serving(settings(), tls: client()) { (serving) async throws in
            let plain = try OrchestratorClient(
                url: ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: serving.server.orchestratorPort),
                within: .seconds(2))
            #expect(await failure { _ = try await plain.start(.resource(Sample.resource)) } != nil)
            plain.close()
            for turn in 0..<20 {
                let connection = try RawConnection(port: serving.server.orchestratorPort)
                connection.send([22, 3, 1, 0, 5, 1], resets: turn % 2 == 0)
            }
            #expect(await call(serving) == nil)
            #expect(serving.stub.asked == ["start resource"])
        }
    }

    @Test("agents are called over TLS with the required client certificate")
    func agents() async throws {
        let register = ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: 1)
        var settings = DemoNode.Settings(node: Sample.node, registerURL: register)
        settings.agentURL = ServiceURL(scheme: .https, host: .ipv4("127.0.0.1"), port: 0)
        settings.tls.server = TLSSettings.Server(
            identity: certificates.identity("node"), clientAuthority: certificates.path("ca.pem"))
        let node = try DemoNode(settings)
        let agent = try NodeAgent(node: Sample.node, url: node.agentURL, tls: client("controller"))
        #expect(await agent.call(.reset, within: .seconds(20)) == .done)
        let nobody = try NodeAgent(node: Sample.node, url: node.agentURL, tls: client())
        #expect(await nobody.call(.reset, within: .seconds(20)) != .done)
        #expect(node.calls == [.reset])
        agent.close()
        nobody.close()
        await node.stop()
    }

    @Test("neither plaintext with TLS settings, nor TLS without an authority")
    func schemes() throws {
        #expect(throws: ServerConnectionError.self) {
            try NodeAgent(node: Sample.node, url: try ServiceURL("http://127.0.0.1:1"), tls: client())
        }
        #expect(throws: ServerConnectionError.self) {
            try NodeAgent(node: Sample.node, url: try ServiceURL("https://127.0.0.1:1"))
        }
        #expect(throws: ServerConnectionError.self) {
            try NodeAgent(node: Sample.node, url: try ServiceURL("coap://127.0.0.1:1"))
        }
    }
}
