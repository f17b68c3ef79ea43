/// What carries requests to an API server and answers back. The library's own is HTTP; a simulation may have another.
public protocol Transport: Sendable {
    /// Sends a request, and waits for the beginning of the answer.
    ///
    /// - Parameter limit: how long that may take.
    /// - Throws: ``KubernetesError``; ``KubernetesError/unreachable(_:)`` only where nothing was sent.
    func send(_ request: TransportRequest, within limit: Duration) async throws(KubernetesError) -> TransportAnswer

    /// Ends all connections.
    func close() async
}

/// A request as it is sent.
public struct TransportRequest: Equatable, Sendable {
    /// The HTTP method.
    public var method: Method
    /// Path and query, from the root of the server.
    public var target: String
    /// The fields, besides those that the transport itself needs.
    public var fields: [Field]
    /// The body; empty for none.
    public var body: [UInt8]
    /// How server and client prove who they are.
    public var security: TransportSecurity

    /// An HTTP method.
    public enum Method: String, Sendable {
        /// Reads.
        case get = "GET"
        /// Creates.
        case post = "POST"
        /// Replaces.
        case put = "PUT"
        /// Changes.
        case patch = "PATCH"
        /// Deletes.
        case delete = "DELETE"
    }

    /// A field of the head.
    public struct Field: Equatable, Sendable {
        /// Its name.
        public let name: String
        /// Its value.
        public let value: String
    }
}

/// What a connection is secured with: the content of the files that the configuration names.
public struct TransportSecurity: Hashable, Sendable {
    /// The authorities of the server as PEM; nil for those of the system.
    public var authorities: [UInt8]?
    /// The client's certificates as PEM.
    public var certificate: [UInt8]?
    /// The client's key as PEM.
    public var key: [UInt8]?

    /// Nothing but the authorities of the system.
    public init() {}
}

/// An answer whose body is still to come.
public struct TransportAnswer: Sendable {
    /// The HTTP status.
    public let status: Int
    /// The value of the field `Retry-After`.
    public let retryAfter: String?
    /// The body, in any pieces. Errors are of ``KubernetesError``, or mean that the answer was interrupted.
    public let body: any AsyncSequence<[UInt8], any Error> & Sendable

    /// An answer.
    public init(status: Int, retryAfter: String? = nil, body: any AsyncSequence<[UInt8], any Error> & Sendable) {
        self.status = status
        self.retryAfter = retryAfter
        self.body = body
    }
}
