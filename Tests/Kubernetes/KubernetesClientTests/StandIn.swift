import ClusterStandIn
import Synchronization
import TestSupport
import Testing

@testable import KubernetesClient

/// A stand-in for an API server, with TLS.
struct StandIn {
    let server: StandInServer
    let certificates: CertificateMaker

    static let configMaps = ResourceKind(
        group: "", version: "v1", kind: "ConfigMap", plural: "configmaps", isNamespaced: true)
    private static let path = "/api/v1/namespaces/default/configmaps"

    /// Runs a test with a server that listens. A user's token is the user's name.
    static func serving(
        users: [String] = ["agent"], _ body: (StandIn) async throws -> Void
    ) async throws {
        let certificates = try CertificateMaker()
        try certificates.authority("ca")
        try certificates.leaf("server", from: "ca", names: "IP:127.0.0.1")
        try certificates.leaf("admin", from: "ca", names: "DNS:admin", subject: "/O=system:masters/CN=admin")
        var settings = StandInSettings()
        settings.tls = .init(
            certificate: certificates.path("server.pem"), key: certificates.path("server.key"),
            clientAuthority: certificates.path("ca.pem"))
        for user in users { settings.tokens[user] = StandInUser(user, groups: ["system:masters"]) }
        let server = try StandInServer(cluster: StandInCluster(now: StandInTime.now()), settings: settings)
        for definition in BerthDefinitions.all { server.apply(definition: definition) }
        try await server.start()
        do { try await body(StandIn(server: server, certificates: certificates)) } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    /// How clients get there, as a kubeconfig file says it.
    func configuration(_ credentials: StandInKubeconfig.Credentials) throws -> ClientConfiguration {
        let text = StandInKubeconfig(
            server: server.url, authority: certificates.path("ca.pem"), credentials: credentials
        ).text
        return try Kubeconfig(Array(text.utf8), file: "/kubeconfig").configuration()
    }

    // MARK: - Changes that take no network, and have no faults

    /// The config map has this value from now on, and is made if there is none.
    func set(_ name: String, _ value: Int = 0) {
        let body = Array(#"{"metadata": {"name": "\#(name)"}, "data": {"value": "\#(value)"}}"#.utf8)
        guard server.send(StandInRequest("POST", Self.path, body: body)).status == 409 else { return }
        _ = server.send(
            StandInRequest("PATCH", "\(Self.path)/\(name)", body: body, contentType: "application/merge-patch+json"))
    }

    func delete(_ name: String) { _ = server.send(StandInRequest("DELETE", "\(Self.path)/\(name)")) }

    // MARK: - What was asked

    /// The requests of a method with this in their targets.
    func requests(_ method: String, _ part: String = "", by user: String? = nil) -> [StandInServer.Served] {
        server.served.filter { $0.method == method && $0.target.contains(part) && (user ?? $0.user) == $0.user }
    }

    /// How often `configmaps` were listed, and how often a watch of them began.
    var lists: Int { requests("GET", "/configmaps?").count { !$0.target.contains("watch=true") && $0.status == 200 } }
    var watches: Int { requests("GET", "/configmaps?").count { $0.target.contains("watch=true") && $0.status == 200 } }
}

/// A client of a stand-in, for whom time passes only where a test says so.
final class TimedClient: Sendable {
    /// Counts the requests on their way.
    private final class Carrier: Transport {
        private let transport: HTTPTransport
        let onTheWay = Atomic(0)

        init(_ configuration: ClientConfiguration) { transport = HTTPTransport(configuration) }

        func send(_ request: TransportRequest, within limit: Duration) async throws(KubernetesError) -> TransportAnswer
        {
            onTheWay.add(1, ordering: .sequentiallyConsistent)
            defer { onTheWay.subtract(1, ordering: .sequentiallyConsistent) }
            return try await transport.send(request, within: limit)
        }

        func close() async { await transport.close() }
    }

    let system: ManualSystem
    let client: ClusterClient
    private let carrier: Carrier

    init(_ standIn: StandIn, as user: String = "agent", limit: Duration = .seconds(3600)) throws {
        let configuration = try standIn.configuration(.token(user))
        carrier = Carrier(configuration)
        let authority = standIn.certificates.path("ca.pem")
        let pem = TemporaryDirectory.read(authority) ?? []
        system = ManualSystem(files: [authority: String(decoding: pem, as: UTF8.self)])
        var limits = ClusterClient.Limits()
        limits.time = limit
        client = ClusterClient(configuration, limits: limits, transport: carrier, system: system.access)
    }

    /// Whether it waits for nothing but time.
    var isIdle: Bool { carrier.onTheWay.load(ordering: .sequentiallyConsistent) == 0 && system.sleepers > 0 }

    /// Lets time pass, a second at a time and never while a request is on its way, until something is so.
    func passes(until condition: () async throws -> Bool) async throws -> Bool {
        try await eventually(seconds: 60) {
            if try await condition() { return true }
            if isIdle { system.advance(by: .seconds(1)) }
            return false
        }
    }
}
