import GRPCCore
import Synchronization

/// Why a call has no answer. What matters to the caller is whether the peer may have carried it out.
package enum CallFailure: Error, Hashable, Sendable {
    /// The peer answered with a status that is an error.
    case failed(String)
    /// The call never left: nothing can have happened.
    case unreachable(String)
    /// It may have left, and nobody knows what came of it.
    case unknown(String)

    /// Why.
    package var reason: String {
        switch self {
        case .failed(let reason), .unreachable(let reason), .unknown(let reason): reason
        }
    }
}

/// One try to make a call: remembers whether any of it may have left.
final class CallAttempt: Sendable {
    /// The attempt that this task is part of.
    @TaskLocal static var current: CallAttempt?

    /// How long its answer is waited for.
    let deadline: Duration
    private let hasLeft = Atomic(false)

    init(within deadline: Duration) { self.deadline = deadline }

    /// From now on the peer may have seen the call.
    func leave() { hasLeft.store(true, ordering: .sequentiallyConsistent) }

    /// What an error of this attempt means.
    func failure(_ error: any Error) -> CallFailure {
        guard hasLeft.load(ordering: .sequentiallyConsistent) else {
            return .unreachable((error as? RPCError).map(Self.text) ?? "\(error)")
        }
        guard let error = error as? RPCError else { return .unknown("\(error)") }
        switch error.code {
        // The transport reports lost connections with the first; all three leave open what the peer did.
        case .unavailable, .deadlineExceeded, .cancelled: return .unknown(Self.text(error))
        default: return .failed("status \(error.code.rawValue) (\(error.code)): \(Self.text(error))")
        }
    }

    /// What it means that the time is up.
    func expired(after deadline: Duration) -> CallFailure {
        hasLeft.load(ordering: .sequentiallyConsistent)
            ? .unknown("no answer within \(deadline)") : .unreachable("no connection within \(deadline)")
    }

    private static func text(_ error: RPCError) -> String {
        error.cause.map { "\(error.message) (\($0))" } ?? error.message
    }
}
