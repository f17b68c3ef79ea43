/// What a pod finds of its own cluster.
enum InCluster {
    static let host = "KUBERNETES_SERVICE_HOST"
    static let port = "KUBERNETES_SERVICE_PORT"
    static let directory = "/var/run/secrets/kubernetes.io/serviceaccount"
}

extension ClientConfiguration {
    /// The configuration of the pod that this is: its service account, whose token rotates.
    ///
    /// - Throws: ``ConfigurationError`` outside of a pod, and where the pod has no service account.
    public static func inCluster(system: SystemAccess = .real) throws(ConfigurationError) -> ClientConfiguration {
        guard let host = system.variable(InCluster.host), let port = system.variable(InCluster.port), !host.isEmpty
        else {
            throw ConfigurationError(
                reason: "\(InCluster.host) and \(InCluster.port) are not set: this is no pod of a cluster")
        }
        guard let server = ServerAddress("https://\(host.contains(":") ? "[\(host)]" : host):\(port)") else {
            throw ConfigurationError(
                reason: "\(InCluster.host)=\(host) and \(InCluster.port)=\(port) are no address and port")
        }
        func read(_ name: String) throws(ConfigurationError) -> [UInt8] {
            let path = "\(InCluster.directory)/\(name)"
            do { return try system.readFile(path) } catch {
                throw ConfigurationError(file: path, reason: "\(error); the pod needs its service account's token")
            }
        }
        _ = try read("token")
        _ = try read("ca.crt")
        let namespace = (try? read("namespace")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        var trust = ServerTrust()
        trust.authorities = .file("\(InCluster.directory)/ca.crt")
        return ClientConfiguration(
            server: server, namespace: namespace.isEmpty ? "default" : namespace, trust: trust,
            identity: ClientIdentity(.tokenFile("\(InCluster.directory)/token")))
    }
}
