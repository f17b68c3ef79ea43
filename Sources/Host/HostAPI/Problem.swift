import HTTPTypes
import Host
import Ledger
import Machine
import WireJSON

/// An answer that says why not, in the form of RFC 9457 (`application/problem+json`).
struct Problem: Error, Sendable {
    /// What it is, for programs.
    let code: ProblemCode
    /// What happened this time, for people.
    let detail: String
    /// Who holds what is missing.
    var heldBy: [Refusal.Blocker] = []
    /// What the host refused; nil where something else was wrong.
    private(set) var failure: Host.Failure?
    /// What would fit instead.
    var wouldFit: [Host.Alternative] = []
    /// How much was asked for, and how much there is.
    var requested: Int?
    var available: Int?
    /// The member of the body, or the parameter, that it is about.
    var member: String?
    /// Further header fields of the answer.
    var fields: HTTPFields = [:]

    /// A problem; `detail` is the title unless given.
    init(_ code: ProblemCode, _ detail: String? = nil, member: String? = nil) {
        self.code = code
        self.detail = detail ?? code.title
        self.member = member
        switch code {
        case .overloaded, .tooManyRequests, .tooManyConnections, .tooManyStreams, .stopping, .changing:
            fields[.retryAfter] = "1"
        default: break
        }
    }

    /// The content type.
    static let contentType = "application/problem+json"

    /// The body.
    var json: [UInt8] {
        JSONWriter.object { writer in
            writer.member("type", "urn:berth:problem:\(code.rawValue)")
            writer.member("title", code.title)
            writer.member("status", code.status.code)
            writer.member("detail", detail)
            writer.member("code", code.rawValue)
            if let member { writer.member("member", member) }
            if let requested { writer.member("requested", requested) }
            if let available { writer.member("available", available) }
            if !heldBy.isEmpty {
                writer.name("held_by")
                writer.array { array in
                    for blocker in heldBy {
                        array.object { writer in
                            writer.member("holder", blocker.holder.fullName)
                            writer.member("cpus", blocker.cpus.list)
                        }
                    }
                }
            }
            guard !wouldFit.isEmpty else { return }
            writer.name("would_fit")
            writer.array { array in
                for alternative in wouldFit {
                    array.object { writer in
                        writer.member("text", alternative.difference.text)
                        writer.member("cpus", alternative.cpus.list)
                    }
                }
            }
        }
    }
}

extension CPUDifference {
    /// What would be different, for people.
    fileprivate var text: String {
        switch self {
        case .count(1): "1 CPU"
        case .count(let number): "\(number) CPUs"
        case .cores(1): "1 core"
        case .cores(let number): "\(number) cores"
        case .loose(let number): "\(number) CPUs that are not whole cores"
        case .others(1): "another CPU"
        case .others(let number): "\(number) other CPUs"
        case .nodes(nil): "the same on any node"
        case .nodes(let nodes?): "the same on node \(nodes.map(String.init).joined(separator: ","))"
        case .pool(let pool): "the same from the pool \(pool)"
        }
    }
}

extension Problem {
    /// The problem that a failure of the host is.
    init(failure: Host.Failure) {
        let text = failure.text(.claims)
        switch failure {
        case .refused(let refusal):
            self.init(refusal.reason.code, text)
            heldBy = refusal.blockers
            (requested, available) = refusal.reason.figures
        case .facts: self.init(.machineUnreadable, text)
        case .notCommitted: self.init(.notCommitted, text)
        case .invalid: self.init(.invalidMember, text)
        case .conditionFailed: self.init(.conditionFailed, text)
        case .overloaded: self.init(.overloaded, text)
        case .stopping: self.init(.stopping, text)
        }
        self.failure = failure
    }
}

extension Refusal.Reason {
    /// The word for it.
    var code: ProblemCode {
        switch self {
        case .notOwner: .notOwner
        case .noClaim: .noClaim
        case .invalidCount: .invalidCount
        case .noPool: .noPool
        case .emptyPool: .emptyPool
        case .otherPool: .otherPool
        case .poolLacksOwned: .poolLacksOwned
        case .notInPool: .notInPool
        case .insufficient: .insufficientCPUs
        case .insufficientCores: .insufficientCores
        case .notWholeCores: .notWholeCores
        case .emptyChoice: .emptyChoice
        case .housekeeping: .housekeeping
        case .heldByOthers: .heldByOthers
        case .explicitExceeds: .explicitExceeds
        case .noTopology: .noTopology
        case .nodeMissing: .noNode
        case .nodeOutsidePool: .nodeOutsidePool
        case .nodeTooSmall: .nodeTooSmall
        case .nodeHeld: .nodeHeld
        case .levelUnknown: .levelUnknown
        case .memoryNodesMissing: .noMemoryNode
        case .protectedHolds: .protectedHolds
        case .ownedOutsidePool: .ownedOutsidePool
        case .pagesNodeMissing: .noPagesNode
        case .pagesSizeMissing: .noPageSize
        case .insufficientPages: .insufficientPages
        case .overLimit: .overLimit
        case .leaseOver: .leaseOver
        case .changing: .changing
        case .enforced: .enforced
        case .recorded: .recorded
        case .notEnforceable: .notEnforceable
        case .noEnforcement: .noEnforcement
        case .conflict: .conflict
        }
    }

    /// How much was asked for, and how much there is, where the reason is about figures.
    fileprivate var figures: (requested: Int?, available: Int?) {
        switch self {
        case .insufficient(let requested, let available), .insufficientCores(let requested, let available):
            (requested, available)
        case .nodeTooSmall(_, _, let inPool, let requested): (requested, inPool)
        case .overLimit(let limit, let held, let requested): (requested, max(limit - held, 0))
        case .insufficientPages(_, _, let free, let additional): (additional, free)
        case .explicitExceeds(_, let requested), .notWholeCores(let requested): (requested, nil)
        default: (nil, nil)
        }
    }
}
