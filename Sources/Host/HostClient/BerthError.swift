/// Why a request has no result.
public enum BerthError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Nobody serves at the socket.
    case unreachable(String)
    /// The caller may not connect to the socket.
    case notPermitted(String)
    /// There was no answer in time. A change may have been carried out, or still be.
    case timedOut
    /// The connection ended before the answer did. A change may have been carried out, or still be.
    case closed(String)
    /// The answer is not what this version of the library understands.
    case malformed(String)
    /// The daemon refuses; ``Problem/detail`` says why.
    case problem(Problem)

    /// One sentence for people.
    public var description: String {
        switch self {
        case .unreachable(let reason), .notPermitted(let reason), .closed(let reason): reason
        case .timedOut: "The daemon did not answer in time"
        case .malformed(let reason): "The answer of the daemon cannot be understood: \(reason)"
        case .problem(let problem): problem.detail
        }
    }

    /// The problem, where the daemon gave one.
    public var problem: Problem? {
        if case .problem(let problem) = self { problem } else { nil }
    }
}

/// The daemon's reason for a refusal (RFC 9457).
public struct Problem: Equatable, Sendable {
    /// The HTTP status.
    public let status: Int
    /// What programs decide on: `insufficient_cpus`, `not_owner`. New versions of the daemon may have new ones.
    public let code: String
    /// What it means in a few words, the same each time.
    public let title: String
    /// What happened this time, for people.
    public let detail: String
    /// The member of the request that it is about, where it is about one.
    public let member: String?
    /// How much was asked for, where figures are in the way.
    public let requested: Int?
    /// How much there is, where figures are in the way.
    public let available: Int?
    /// Who holds what is missing.
    public let heldBy: [Holding]
    /// What would be granted instead.
    public let wouldFit: [Alternative]
    /// All of this as it came: a JSON object, unless something else than the daemon answered.
    public let json: [UInt8]
}

/// What a refused request could have instead.
public struct Alternative: Equatable, Sendable {
    /// How it differs from the request, for people: `3 cores`, `the same on node 0`.
    public let text: String
    /// The CPUs that the claim would have.
    public let cpus: CPUList
}

/// CPUs that a holder has, or had.
public struct Holding: Equatable, Sendable {
    /// The holder, `KIND:NAME`.
    public let holder: String
    /// The CPUs.
    public let cpus: CPUList
}
