internal import FoundationEssentials

/// A program that says who the client is (`client.authentication.k8s.io`).
public struct CredentialPlugin: Equatable, Sendable {
    /// The version of the protocol.
    public enum Version: String, CaseIterable, Sendable {
        /// `client.authentication.k8s.io/v1`.
        case v1 = "client.authentication.k8s.io/v1"
        /// `client.authentication.k8s.io/v1beta1`.
        case v1beta1 = "client.authentication.k8s.io/v1beta1"
    }

    /// The version of the protocol.
    public var version: Version
    /// The program: a path, or a name that is looked for in `PATH`.
    public var command: String
    /// Its arguments.
    public var arguments: [String]
    /// Variables that it gets besides those of this process.
    public var environment: [String: String] = [:]
    /// What to tell people where the program is missing.
    public var installHint: String?
    /// The server and its authorities, for a plugin that is told of them.
    public var cluster: Cluster?

    /// A cluster that a plugin is told of.
    public struct Cluster: Equatable, Sendable {
        /// The server.
        public var server: ServerAddress
        /// How it is known.
        public var trust: ServerTrust
    }

    /// A plugin.
    public init(version: Version = .v1, command: String, arguments: [String] = []) {
        self.version = version
        self.command = command
        self.arguments = arguments
    }

    /// What a plugin has said.
    struct Answer: Equatable, Sendable {
        var token: String?
        var certificate: [UInt8]?
        var key: [UInt8]?
        /// When it stops to be of use, by the wall clock; nil for never.
        var expires: Timestamp?
    }

    /// How it is called.
    func call(authorities: [UInt8]?) -> ProgramCall {
        var spec: JSONValue = ["interactive": false]
        if let cluster {
            var json: JSONValue = ["server": .string(cluster.server.description)]
            if let name = cluster.trust.serverName { json["tls-server-name"] = .string(name) }
            if !cluster.trust.isVerified { json["insecure-skip-tls-verify"] = true }
            if let authorities {
                json["certificate-authority-data"] = .string(Data(authorities).base64EncodedString())
            }
            spec["cluster"] = json
        }
        let info: JSONValue = ["apiVersion": .string(version.rawValue), "kind": "ExecCredential", "spec": spec]
        var variables = environment
        variables["KUBERNETES_EXEC_INFO"] = String(decoding: info.bytes, as: UTF8.self)
        return ProgramCall(
            command: command, arguments: arguments, environment: variables, timeLimit: .seconds(60),
            outputLimit: 1 << 20)
    }

    /// Reads what it has written.
    ///
    /// - Throws: ``KubernetesError/credentials(_:)``.
    func answer(_ output: [UInt8]) throws(KubernetesError) -> Answer {
        func wrong(_ reason: String) -> KubernetesError { .credentials("The credential plugin \(command): \(reason)") }
        let json: JSONValue
        do { json = try JSONValue(output) } catch { throw wrong("\(error)") }
        guard json["kind"]?.string == "ExecCredential" else { throw wrong("it writes no ExecCredential") }
        guard json["apiVersion"]?.string == version.rawValue else {
            throw wrong("it answers as \(json["apiVersion"]?.string ?? "nothing"), not \(version.rawValue)")
        }
        guard let status = json["status"], status.members != nil else { throw wrong("its answer has no status") }
        func text(_ member: String) -> String? { status[member]?.string.flatMap { $0.isEmpty ? nil : $0 } }
        var answer = Answer(
            token: text("token"), certificate: text("clientCertificateData").map { Array($0.utf8) },
            key: text("clientKeyData").map { Array($0.utf8) })
        if let time = text("expirationTimestamp") {
            guard let expires = Timestamp(time) else { throw wrong("expirationTimestamp is no time: \(time)") }
            answer.expires = expires
        }
        guard (answer.certificate == nil) == (answer.key == nil) else {
            throw wrong("clientCertificateData and clientKeyData go together")
        }
        guard answer.token != nil || answer.certificate != nil else {
            throw wrong("its answer has neither a token nor a certificate")
        }
        return answer
    }
}
