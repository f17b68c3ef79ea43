import ClusterStandIn
import Glibc
import TestSupport
import Testing

/// The real `kubectl`, as an administrator of a stand-in with TLS.
final class Kubectl: Sendable {
    /// The directory of the sources.
    static let root = #filePath.split(separator: "/").dropLast(4).map { "/\($0)" }.joined()

    /// Where the program is; nil where it cannot be had.
    static let path: String? = {
        guard let pipe = popen("\(root)/Scripts/kubectl 2>/dev/null", "r") else { return nil }
        var text = ""
        var buffer = [CChar](repeating: 0, count: 4_096)
        while fgets(&buffer, Int32(buffer.count), pipe) != nil {
            text += String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        let path = text.split(separator: "\n").last.map(String.init) ?? ""
        return pclose(pipe) == 0 && access(path, X_OK) == 0 ? path : nil
    }()

    let server: StandInServer
    let directory: TemporaryDirectory
    private let certificates: CertificateMaker
    private let program: String

    init() async throws {
        program = try #require(Self.path)
        directory = try TemporaryDirectory()
        certificates = try CertificateMaker()
        try certificates.authority("ca")
        try certificates.leaf("server", from: "ca", names: "IP:127.0.0.1")
        try certificates.leaf("admin", from: "ca", names: "DNS:admin", subject: "/O=system:masters/CN=kubernetes-admin")
        try certificates.leaf("bob", from: "ca", names: "DNS:bob", subject: "/O=developers/CN=bob")
        var settings = StandInSettings()
        settings.tls = .init(
            certificate: certificates.path("server.pem"), key: certificates.path("server.key"),
            clientAuthority: certificates.path("ca.pem"))
        server = try StandInServer(cluster: StandInCluster(now: StandInTime.now()), settings: settings)
        try await server.start()
        for user in ["admin", "bob"] {
            let file = StandInKubeconfig(
                server: server.url, authority: certificates.path("ca.pem"),
                credentials: .certificate(certificates.path("\(user).pem"), key: certificates.path("\(user).key")))
            try TemporaryDirectory.write(Array(file.text.utf8), to: "\(directory.path)/\(user)")
        }
    }

    /// Runs a test with a server, its own kinds served where asked.
    static func running(definitions: Bool = true, _ body: (Kubectl) async throws -> Void) async throws {
        let kubectl = try await Kubectl()
        if definitions { for definition in BerthDefinitions.all { kubectl.server.apply(definition: definition) } }
        do { try await body(kubectl) } catch {
            await kubectl.server.stop()
            throw error
        }
        await kubectl.server.stop()
    }

    private func environment(_ user: String) -> [String: String] {
        [
            "KUBECONFIG": "\(directory.path)/\(user)", "HOME": directory.path, "KUBECTL_COMMAND_HEADERS": "false",
            "EDITOR": "\(directory.path)/editor",
        ]
    }

    /// Runs a command to its end: its status and all that it printed.
    @discardableResult
    func callAsFunction(_ arguments: String..., user: String = "admin") async throws -> (status: Int32?, text: String) {
        try await Program.run([program] + arguments, environment: environment(user), seconds: 60)
    }

    /// Starts a command that goes on.
    func start(_ arguments: String...) throws -> Program {
        try Program(
            [program] + arguments, environment: environment("admin"),
            output: "\(directory.path)/output-\(arguments.count)")
    }

    /// The path of a file with this content.
    func file(_ name: String, _ text: String) throws -> String {
        let path = "\(directory.path)/\(name)"
        try TemporaryDirectory.write(Array(text.utf8), to: path)
        return path
    }

    static let binding = """
        apiVersion: cslab.ece.ntua.gr/v1alpha1
        kind: PodCPUBinding
        metadata:
          name: web-pcb
        spec:
          podName: web
          cpuSet:
            - cpuID: 2
            - cpuID: 3
          exclusivenessLevel: Core
        """

    /// Gives the binding a status, as its controller would.
    func setStatus(_ status: String, of name: String = "web-pcb") {
        let body = #"{"status": {"resourceStatus": "\#(status)", "nodeName": "node-1"}}"#
        _ = server.send(
            StandInRequest(
                "PATCH", "\(TestClient.bindings)/\(name)/status", body: Array(body.utf8),
                contentType: "application/merge-patch+json", agent: "controller/1"))
    }
}

extension Trait where Self == ConditionTrait {
    /// The test needs a `kubectl`.
    static var needsKubectl: Self {
        .enabled(if: Kubectl.path != nil, "no kubectl: it cannot be fetched, and BERTH_KUBECTL is not set")
    }
}
