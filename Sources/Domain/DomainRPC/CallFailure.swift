import GRPCCore
import Synchronization

/// Why a call has no answer, and whether the server may have carried it out.
package enum CallFailure: Error, Hashable, Sendable {
    /// The server returned an error status.
    case failed(String)
    /// The call was never sent.
    case unreachable(String)
    /// The call may have been sent; its outcome is unknown.
    case unknown(String)
    /// The call was sent, and there is no answer yet; the outcome follows.
    case overdue(String)

    /// The reason.
    package var reason: String {
        switch self {
        case .failed(let reason), .unreachable(let reason), .unknown(let reason), .overdue(let reason): reason
        }
    }
}

/// An attempt to make a call; remembers whether any of it may have been sent.
final class CallAttempt: Sendable {
    /// The attempt of the current task.
    @TaskLocal static var current: CallAttempt?

    /// The time limit for its answer, which the server learns.
    let deadline: Duration
    private let wasSent = Atomic(false)

    init(within deadline: Duration) { self.deadline = deadline }

    /// Whether any of it may have been sent.
    var isSent: Bool { wasSent.load(ordering: .sequentiallyConsistent) }

    /// Call this before the first bytes are sent.
    func markSent() { wasSent.store(true, ordering: .sequentiallyConsistent) }

    /// The failure that an error of this attempt means.
    func failure(_ error: any Error) -> CallFailure {
        guard isSent else {
            return .unreachable((error as? RPCError).map(Self.text) ?? "\(error)")
        }
        guard let error = error as? RPCError else { return .unknown("\(error)") }
        switch error.code {
        // The transport reports lost connections as unavailable. With all three the server may have carried out the
        // call.
        case .unavailable, .deadlineExceeded, .cancelled: return .unknown(Self.text(error))
        default: return .failed("status \(error.code.rawValue) (\(error.code)): \(Self.text(error))")
        }
    }

    /// The failure that an expired deadline means.
    ///
    /// - Parameter isListening: whether an answer is still listened to.
    func expired(after deadline: Duration, isListening: Bool) -> CallFailure {
        guard isSent else { return .unreachable("no connection within \(deadline)") }
        let reason = "no answer within \(deadline)"
        return isListening ? .overdue(reason) : .unknown(reason)
    }

    private static func text(_ error: RPCError) -> String {
        error.cause.map { "\(error.message) (\($0))" } ?? error.message
    }
}
