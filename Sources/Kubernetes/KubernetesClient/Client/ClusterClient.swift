/// A client of an API server.
///
/// It may be used from any task. Connections are kept and used again; credentials are read again when they expire, change or
/// are refused. No exchange takes longer than its limit.
///
/// ```swift
/// let client = ClusterClient(try .standard())
/// for pod in try await client.resources(Pod.self).list(.init(namespace: "default")).items {
///     print(pod.metadata.name, pod.nodeName ?? "-")
/// }
/// ```
public final class ClusterClient: Sendable {
    /// The bounds of a client.
    public struct Limits: Equatable, Sendable {
        /// How long a call may take, with all its tries; a list, for each of its pages.
        public var time = Duration.seconds(30)
        /// How many bytes an answer may have.
        public var answer = 256 << 20
        /// How many bytes an event of a watch may have.
        public var event = 16 << 20

        /// The usual bounds.
        public init() {}
    }

    /// Where the server is, and who asks.
    public let configuration: ClientConfiguration
    /// The bounds.
    public let limits: Limits

    let system: SystemAccess
    private let transport: any Transport
    private let credentials: CredentialSource
    private let retries = RetryPolicy()

    /// A client. Nothing is connected before the first call.
    ///
    /// - Parameter transport: what carries its requests; nil for HTTP.
    public init(
        _ configuration: ClientConfiguration, limits: Limits = Limits(), transport: (any Transport)? = nil,
        system: SystemAccess = .real
    ) {
        self.configuration = configuration
        self.limits = limits
        self.system = system
        self.transport = transport ?? HTTPTransport(configuration)
        credentials = CredentialSource(configuration, system)
    }

    /// Ends all connections. Calls fail from then on.
    public func close() async { await transport.close() }

    /// The objects of a kind that has a Swift type.
    public func resources<Resource: KubernetesResource>(_ type: Resource.Type) -> ResourceClient<Resource> {
        ResourceClient(client: self, kind: Resource.resourceKind)
    }

    /// The objects of any kind.
    public func resources(_ kind: ResourceKind) -> ResourceClient<UntypedObject> {
        ResourceClient(client: self, kind: kind)
    }

    /// The server's version, `v1.31.0`.
    public func serverVersion() async throws(KubernetesError) -> String {
        let json = try await json(APIRequest(.get, "/version"))
        guard let version = json["gitVersion"]?.string else { throw .malformed("the version has no gitVersion") }
        return version
    }

    // MARK: - Exchanges

    /// Sends a request, again where that is safe, and decodes the whole answer.
    func json(_ request: APIRequest) async throws(KubernetesError) -> JSONValue {
        let bytes = try await bytes(request)
        do { return try JSONValue(bytes, maximumDepth: APIRequest.depth) } catch { throw .malformed("\(error)") }
    }

    /// Sends a request, again where that is safe, and takes the whole answer.
    func bytes(_ request: APIRequest) async throws(KubernetesError) -> [UInt8] {
        let deadline = system.now() + limits.time
        var attempt = 1
        while true {
            do {
                return try await withDeadline(deadline - system.now(), system) {
                    [self] () async throws(KubernetesError) in
                    let answer = try await opened(request, within: limits.time)
                    return try await Self.collect(answer, limit: limits.answer)
                }
            } catch {
                var generator = system.generator
                let delay = retries.delay(
                    after: error, attempt: attempt, reads: request.method == .get, random: &generator)
                guard let delay, system.now() + delay < deadline else { throw error }
                do { try await system.sleep(delay) } catch { throw .cancelled }
                attempt += 1
            }
        }
    }

    /// Sends a request once, and waits for the beginning of a good answer. Credentials that are refused are renewed once.
    func opened(_ request: APIRequest, within limit: Duration) async throws(KubernetesError) -> TransportAnswer {
        let used = try await credentials.current()
        do { return try await opened(request, used, within: limit) } catch {
            guard error.reason == .unauthorized, await credentials.renew(used) else { throw error }
            return try await opened(request, try await credentials.current(), within: limit)
        }
    }

    private func opened(
        _ request: APIRequest, _ credentials: Credentials, within limit: Duration
    ) async throws(KubernetesError) -> TransportAnswer {
        var fields = credentials.fields
        fields.append(.init(name: "Accept", value: "application/json"))
        fields.append(.init(name: "User-Agent", value: configuration.userAgent))
        if !request.body.isEmpty { fields.append(.init(name: "Content-Type", value: request.contentType)) }
        let answer = try await transport.send(
            TransportRequest(
                method: request.method, target: request.target, fields: fields, body: request.body,
                security: credentials.security), within: limit)
        guard answer.status < 200 || answer.status >= 300 else { return answer }
        let body = try await Self.collect(answer, limit: 1 << 20)
        throw .status(Status(code: answer.status, body: body, retryAfter: answer.retryAfter))
    }

    private static func collect(_ answer: TransportAnswer, limit: Int) async throws(KubernetesError) -> [UInt8] {
        var bytes: [UInt8] = []
        do {
            for try await piece in answer.body {
                guard bytes.count + piece.count <= limit else { throw KubernetesError.tooLong(limit: limit) }
                bytes += piece
            }
        } catch {
            throw interruption(error)
        }
        return bytes
    }

    /// What an error within a body comes to.
    static func interruption(_ error: any Error) -> KubernetesError {
        error as? KubernetesError
            ?? (error is CancellationError || Task.isCancelled
                ? .cancelled : .interrupted("The answer ended: \(error)"))
    }
}
