import ClusterStandIn
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import KubernetesClient
import NodeAgent
import NodeWire
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

/// The gRPC services, over the network.
@Suite struct CallTests {
    private typealias Client = GRPCClient<HTTP2ClientTransport.Posix>

    /// The certificates of a server, `server`, and of its clients' authority `ca`, with the client `client`; `forger` is of
    /// another authority.
    private static func certificates() throws -> CertificateMaker {
        let certificates = try CertificateMaker()
        for authority in ["ca", "other"] { try certificates.authority(authority) }
        try certificates.leaf("server", from: "ca", names: "IP:127.0.0.1")
        try certificates.leaf("client", from: "ca", names: "DNS:client")
        try certificates.leaf("forger", from: "other", names: "DNS:client")
        return certificates
    }

    private static func files(_ certificates: CertificateMaker) -> ServerCertificates.Files {
        .init(
            certificate: certificates.path("server.pem"), key: certificates.path("server.key"),
            clientAuthority: certificates.path("ca.pem"))
    }

    /// Calls a server.
    ///
    /// - Parameter identity: the client's certificate; nil for none.
    private static func calling<Value: Sendable>(
        _ port: Int, _ certificates: CertificateMaker? = nil, as identity: String? = nil,
        _ body: @Sendable (Client) async throws -> Value
    ) async throws -> Value {
        let security: HTTP2ClientTransport.Posix.TransportSecurity =
            certificates.map { certificates in
                .tls { tls in
                    tls.trustRoots = .certificates([.file(path: certificates.path("ca.pem"), format: .pem)])
                    if let identity {
                        tls.certificateChain = [.file(path: certificates.path("\(identity).pem"), format: .pem)]
                        tls.privateKey = .file(path: certificates.path("\(identity).key"), format: .pem)
                    }
                }
            } ?? .plaintext
        let transport = try HTTP2ClientTransport.Posix(
            target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: security)
        return try await withGRPCClient(transport: transport) { client in try await body(client) }
    }

    private static var options: CallOptions {
        var options = CallOptions.defaults
        options.timeout = .seconds(120)
        return options
    }

    @Sendable private static func topology(_ client: Client) async throws -> ActiTopologyResponse {
        try await ActiTopology.Client(wrapping: client).getTopology(Google_Protobuf_Empty(), options: options)
    }

    private static func pod(_ cluster: TestCluster, _ name: String, containers: [String] = []) throws -> ActiPod {
        let uid = try cluster.uid(name)
        return .with { pod in
            (pod.id, pod.name, pod.namespace) = (uid, name, "default")
            pod.containers = containers.map { id in .with { ($0.id, $0.name) = (id, "main") } }
        }
    }

    /// Runs a test with an agent whose services are served in plaintext.
    private func serving(_ body: (TestCluster, NodeAgent, Int) async throws -> Void) async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            try await cluster.withAgent { agent async throws -> Void in
                #expect(try await eventually { agent.hasSynced })
                let server = try await NodeServer(.all(agent, nil), host: cluster.host, address: "127.0.0.1", port: 0)
                do { try await body(cluster, agent, server.port) } catch {
                    await server.stop()
                    throw error
                }
                await server.stop()
            }
        }
    }

    /// What a call fails with: the code and the text.
    private func failure(_ call: () async throws -> Void) async -> (code: RPCError.Code, message: String)? {
        do {
            try await call()
            return nil
        } catch let error as RPCError {
            return (error.code, error.message)
        } catch {
            return (.internalError, "\(error)")
        }
    }

    private static func apply(_ port: Int, _ pod: ActiPod, _ cpus: [Int32], _ memory: [Int32] = []) async throws {
        _ = try await calling(port) { client in
            let request = ActiApplyPinningRequest.with { ($0.pod, $0.cpuSet, $0.memSet) = (pod, cpus, memory) }
            return try await ActiCPUPinning.Client(wrapping: client).applyPinning(request, options: options)
        }
    }

    private static func remove(_ port: Int, _ pod: ActiPod) async throws {
        _ = try await calling(port) { client in
            try await ActiCPUPinning.Client(wrapping: client).removePinning(.with { $0.pod = pod }, options: options)
        }
    }

    @Test("ApplyPinning pins a pod until RemovePinning, across a restart of the agent, or until the pod is gone")
    func pinning() async throws {
        try await serving { cluster, _, port async throws -> Void in
            cluster.pod("p", [1])
            cluster.pod("q", [2])
            try await Self.apply(port, try Self.pod(cluster, "p", containers: [TestCluster.id(1)]), [3, 2, 2], [0])
            try await Self.apply(port, try Self.pod(cluster, "q"), [5])
            let held = cluster.host.state.withLock { $0.claims[ObjectKey(namespace: "default", name: "p")] }
            #expect(held?.cpus == "2-3" && held?.level == PodCPUBinding.ExclusivenessLevel.none)
            #expect(held?.memoryNodes == [0] && held?.confined == [TestCluster.id(1)] && held?.isPinning == true)
            try await Self.remove(port, try Self.pod(cluster, "p"))
            #expect(cluster.host.changes == ["put default/p 2-3", "put default/q 5", "release default/p"])
            try await cluster.withAgent { again async throws -> Void in
                #expect(try await eventually { again.hasSynced })
                cluster.run("q", [6])
                #expect(try await eventually { cluster.host.changes.last == "put default/q 5" })
                cluster.delete("/api/v1/namespaces/default/pods/q?gracePeriodSeconds=0")
                #expect(try await eventually { cluster.host.changes.last == "release default/q" })
            }
        }
    }

    @Test("the level is that of the binding that names the pod, as actimanager's controller means it")
    func level() async throws {
        try await serving { cluster, agent, port async throws -> Void in
            cluster.pod("p", [1])
            try cluster.claim("p", nil, level: "Core")
            #expect(try await eventually { agent.knowsBinding("default", "p") })
            try await Self.apply(port, try Self.pod(cluster, "p"), [2])
            #expect(cluster.host.state.withLock { $0.claims.values.map(\.level) } == [.core])
        }
    }

    @Test("what a call asks for a pod with a binding ends with the binding")
    func besideBinding() async throws {
        try await serving { cluster, agent, port async throws -> Void in
            cluster.pod("p", [1])
            try cluster.claim("p", "2")
            #expect(try await eventually { cluster.host.changes == ["put default/p 2"] })
            try await Self.apply(port, try Self.pod(cluster, "p"), [2])
            #expect(cluster.host.changes == ["put default/p 2"])
            try cluster.claim("p", nil)
            #expect(try await eventually { cluster.host.changes.last == "release default/p" })
            #expect(cluster.host.state.withLock { $0.claims.isEmpty })
        }
    }

    @Test("failures have the reference's words and code; nothing is pinned then")
    func failures() async throws {
        try await serving { cluster, _, port async throws -> Void in
            cluster.pod("p", [1])
            cluster.pod("far", [2], node: "n2")
            let pod = try Self.pod(cluster, "p")
            var cases: [(ActiPod, [Int32], String)] = [(pod, [], "there are no CPUs"), (pod, [-1], "none can have")]
            var other = pod
            other.id = "99999999-2222-3333-4444-555555555555"
            cases.append((other, [1], "there is no pod default/p with the UID"))
            cases.append((try Self.pod(cluster, "far"), [1], "is not on the node n1"))
            for uid in ["", "../../x", "99999999-2222-3333-4444-55555555555/"] {
                other.id = uid
                cases.append((other, [1], "is no UID"))
            }
            for id in ["", "containerd://../..", "docker://12", TestCluster.id(1) + "0"] {
                cases.append((try Self.pod(cluster, "p", containers: [id]), [1], "is not 64 hexadecimal digits"))
            }
            cases.append((try Self.pod(cluster, "p", containers: [TestCluster.id(9)]), [1], "it does not run"))
            other = pod
            other.name = "../p"
            cases.append((other, [1], "is no name of Kubernetes"))
            for (pod, cpus, text) in cases {
                let failure = await failure { try await Self.apply(port, pod, cpus) }
                #expect(
                    failure?.code == .unknown && failure?.message.contains(text) == true, "\(text): \(failure as Any)")
                #expect(failure?.message.hasPrefix("failed to apply CPU pinning: ") == true)
            }
            cluster.host.state.withLock { $0.refuses = { _, _ in "CPU 1 is held by run:engine" } }
            let refused = await failure { try await Self.apply(port, pod, [1]) }
            #expect(refused?.message == "failed to apply CPU pinning: CPU 1 is held by run:engine")
            cluster.host.set(away: true)
            let away = await failure { try await Self.remove(port, pod) }
            #expect(away?.code == .unknown && away?.message.hasPrefix("failed to remove CPU pinning: ") == true)
            #expect(cluster.host.changes.isEmpty)
        }
    }

    @Test("a RemovePinning that fails because the daemon is away is not carried out later; asked again, it is")
    func failedRemoval() async throws {
        try await serving { cluster, _, port async throws -> Void in
            cluster.pod("p", [1])
            let pod = try Self.pod(cluster, "p")
            try await Self.apply(port, pod, [3])
            cluster.host.set(away: true)
            let away = await failure { try await Self.remove(port, pod) }
            #expect(away?.message.hasPrefix("failed to remove CPU pinning: ") == true)
            cluster.host.set(away: false)
            cluster.run("p", [7])
            // The new container is pinned like the one before.
            #expect(try await eventually { cluster.host.changes.count > 1 })
            #expect(cluster.host.changes == ["put default/p 3", "put default/p 3"])
            try await Self.remove(port, pod)
            #expect(cluster.host.changes.last == "release default/p")
        }
    }

    @Test("what a binding has got cannot be changed or removed by a call")
    func bound() async throws {
        try await serving { cluster, _, port async throws -> Void in
            cluster.pod("p", [1])
            try cluster.claim("p", "2-3")
            #expect(try await eventually { cluster.report("p")?.state == .enforced })
            let pod = try Self.pod(cluster, "p")
            try await Self.apply(port, pod, [2, 3])
            let other = await failure { try await Self.apply(port, pod, [5]) }
            #expect(other?.message.contains("of the binding default/p") == true)
            let removed = await failure { try await Self.remove(port, pod) }
            #expect(removed?.message.contains("of the binding default/p") == true)
            #expect(cluster.host.changes == ["put default/p 2-3"])
        }
    }

    @Test("W13: a pod that the agent has not heard of yet is asked for, and pinned")
    func fast() async throws {
        try await serving { cluster, _, port async throws -> Void in
            for number in 0..<5 {
                cluster.pod("p\(number)", [number])
                try await Self.apply(port, try Self.pod(cluster, "p\(number)"), [1])
            }
            #expect(cluster.host.changes.count == 5)
        }
    }

    @Test("GetTopology gives the machine by socket, core and NUMA node")
    func topology() async throws {
        try await serving { cluster, _, port async throws -> Void in
            let topology = try await Self.calling(port) { try await Self.topology($0) }
            #expect(topology.cpus == Array(0..<8) && topology.numaNodes["0"]?.cpus == Array(0..<8))
            #expect(topology.sockets["0"]?.cores["1"]?.cpus == [1, 5] && topology.sockets["0"]?.cores["1"]?.id == 1)
        }
    }

    @Test("W36: the health is NOT_SERVING while the daemon does not answer; who watches hears of it")
    func health() async throws {
        let host = FakeHost()
        let server = try await NodeServer(.health, host: host, address: "127.0.0.1", port: 0)
        try await Self.calling(server.port) { client async throws -> Void in
            let health = Grpc_Health_V1_Health.Client(wrapping: client)
            for service in ["", "CPUPinning", "Topology"] {
                #expect(try await health.check(.with { $0.service = service }).status == .serving)
            }
            let unknown = await #expect(throws: RPCError.self) { try await health.check(.with { $0.service = "x" }) }
            #expect(unknown?.code == .notFound)
            let pinning = await #expect(throws: RPCError.self) {
                try await ActiCPUPinning.Client(wrapping: client).removePinning(ActiRemovePinningRequest())
            }
            #expect(pinning?.code == .unimplemented, "nothing else is served without TLS")
            try await health.watch(.init()) { response async throws -> Void in
                for try await message in response.messages {
                    if message.status == .notServing { return }
                    #expect(message.status == .serving)
                    host.set(away: true)
                }
            }
            #expect(try await health.check(.init()).status == .notServing)
        }
        await server.stop()
    }

    @Test("W37: only clients with a certificate of the authority are served, over TLS; renewed files are taken at once")
    func mutualTLS() async throws {
        let certificates = try Self.certificates()
        try await TestCluster.serving { cluster async throws -> Void in
            try await cluster.withAgent { agent async throws -> Void in
                let server = try await NodeServer(
                    .all(agent, try ServerCertificates(Self.files(certificates))), host: cluster.host,
                    address: "127.0.0.1", port: 0)
                @Sendable func ask(_ identity: String?, tls: Bool = true) async -> Bool {
                    do {
                        let answer = try await Self.calling(server.port, tls ? certificates : nil, as: identity) {
                            try await Self.topology($0)
                        }
                        return !answer.cpus.isEmpty
                    } catch { return false }
                }
                #expect(await ask("client"))
                for (identity, tls) in [(nil, true), ("forger", true), (nil, false)] as [(String?, Bool)] {
                    #expect(await !ask(identity, tls: tls), "\(identity ?? "nobody") was served")
                }
                // Another authority, and another certificate, under the same names.
                try certificates.authority("ca")
                try certificates.leaf("server", from: "ca", names: "IP:127.0.0.1")
                #expect(await !ask("client"), "its authority counts no more")
                try certificates.leaf("client", from: "ca", names: "DNS:client")
                #expect(await ask("client"))
                // Files that cannot be used change nothing.
                try TemporaryDirectory.write(Array("x".utf8), to: certificates.path("server.key"))
                #expect(await ask("client"))
                await server.stop()
            }
        }
    }

    @Test("files that cannot be used are an error that names them")
    func files() throws {
        let certificates = try Self.certificates()
        for (change, text) in [
            ({ $0.key = certificates.path("client.key") }, "client.key"),
            ({ $0.clientAuthority = certificates.path("ca.key") }, "ca.key"),
            ({ $0.certificate = "/nowhere.pem" }, "/nowhere.pem"),
        ] as [((inout ServerCertificates.Files) -> Void, String)] {
            var files = Self.files(certificates)
            change(&files)
            let failure = #expect(throws: ServerCertificates.Failure.self) { try ServerCertificates(files) }
            #expect(failure?.description.contains(text) == true)
        }
    }
}
