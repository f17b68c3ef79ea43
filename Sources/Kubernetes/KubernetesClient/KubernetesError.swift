/// Why a call to an API server has no result.
public enum KubernetesError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The server refuses, or cannot; ``reason`` says why in one word.
    case status(Status)
    /// Nobody answers at the server's address, or the two do not agree on TLS. Nothing was sent.
    case unreachable(String)
    /// There was no answer in time. A change may have been carried out, or still be.
    case timedOut
    /// The connection ended before the answer did. A change may have been carried out, or still be.
    case interrupted(String)
    /// The answer is not what this version of the library understands.
    case malformed(String)
    /// The answer, or a line of a watch, has more than this many bytes.
    case tooLong(limit: Int)
    /// There are no credentials: a token file cannot be read, a plugin fails.
    case credentials(String)
    /// The call makes no sense; nothing was sent.
    case invalidRequest(String)
    /// The task was cancelled. A change may have been carried out, or still be.
    case cancelled

    /// The server's answer, where it gave one.
    public var status: Status? { if case .status(let status) = self { status } else { nil } }

    /// Why the server refuses, where it does.
    public var reason: Status.Reason? { status?.reason }

    /// One sentence for people.
    public var description: String {
        switch self {
        case .status(let status): status.description
        case .unreachable(let reason), .interrupted(let reason), .credentials(let reason), .invalidRequest(let reason):
            reason
        case .timedOut: "The API server did not answer in time"
        case .malformed(let reason): "The answer of the API server cannot be understood: \(reason)"
        case .tooLong(let limit): "The answer of the API server has more than \(limit) bytes"
        case .cancelled: "The request was cancelled"
        }
    }
}
