import Ledger
import Machine

extension Host {
    /// What a refused request could have instead.
    package struct Alternative: Equatable, Sendable {
        /// How it differs from what was asked for.
        package let difference: CPUDifference
        /// The CPUs that the claim would have.
        package let cpus: CPUSet
    }

    /// What would fit instead of a request that was refused: each alternative differs from it in one thing, and was planned
    /// to the end, like ``plan(_:)`` does. Empty where something else than CPUs was missing, or nothing would fit.
    package func alternatives(to submission: Submission, after failure: Failure) -> [Alternative] {
        guard case .refused(let refusal) = failure, refusal.reason.isAboutCPUs,
            case .claim(let request) = submission.request
        else { return [] }
        // What can be planned, and the kernel refused, is not a matter of which CPUs.
        if case .notEnforceable = refusal.reason, (try? plan(submission)) != nil { return [] }
        for index in request.grants.indices {
            let found = alternatives(to: request, at: index, submission)
            if !found.isEmpty { return found }
        }
        return []
    }

    private func alternatives(
        to request: ClaimRequest, at index: Int, _ submission: Submission
    ) -> [Alternative] {
        func fit(_ difference: CPUDifference) -> Alternative? {
            var changed = request
            difference.apply(to: &changed.grants, at: index)
            let submission = Submission(.claim(changed), by: submission.caller, action: submission.action)
            guard let outcome = try? plan(submission), let claim = outcome.claim else { return nil }
            return Alternative(difference: difference, cpus: claim.cpus)
        }
        var found: [Alternative] = []
        let grant = request.grants[index]
        switch grant.demand {
        case .count(let count):
            if let fewer = largest(below: count, { fit(.count($0)) }) { found.append(fewer) }
            if grant.smt != .any, let loose = fit(.loose(count)) { found.append(loose) }
        case .wholeCores(let count):
            if let fewer = largest(below: count, { fit(.cores($0)) }) { found.append(fewer) }
            let size = (try? machine.machine())?.cores.map(\.count).max() ?? 1
            if size > 1, grant.smt != .one, let loose = fit(.loose(count * size)) { found.append(loose) }
        case .list(let cpus): if let others = fit(.others(cpus.count)) { found.append(others) }
        case .nothing, .percent, .defaultShare: break
        }
        if let nodes = grant.nodes {
            let others = (machine.reader.nodeIDs() ?? []).filter { !nodes.contains($0) }.prefix(Self.triesOfKind)
            if let elsewhere = others.lazy.compactMap({ fit(.nodes([$0])) }).first {
                found.append(elsewhere)
            } else if let anywhere = fit(.nodes(nil)) {
                found.append(anywhere)
            }
        }
        let pools = machine.poolNames.filter { $0 != grant.pool ?? Pool.isolated }.prefix(Self.triesOfKind)
        if let other = pools.lazy.compactMap({ fit(.pool($0)) }).first { found.append(other) }
        return found
    }

    /// How many nodes, and how many pools, are tried.
    private static let triesOfKind = 8

    /// The result for the largest number below `number` that has one, where smaller numbers have one too.
    private func largest(below number: Int, _ result: (Int) -> Alternative?) -> Alternative? {
        var best: Alternative?
        var (low, high) = (1, number - 1)
        while low <= high {
            let middle = (low + high) / 2
            if let found = result(middle) {
                best = found
                low = middle + 1
            } else {
                high = middle - 1
            }
        }
        return best
    }
}

/// One thing in which a request for CPUs differs from another one.
package enum CPUDifference: Equatable, Sendable {
    /// This many CPUs.
    case count(Int)
    /// This many cores.
    case cores(Int)
    /// This many CPUs that are not whole cores.
    case loose(Int)
    /// This many CPUs, whichever they are, in place of a list.
    case others(Int)
    /// CPUs of these nodes; nil for any.
    case nodes([Int]?)
    /// CPUs of this pool.
    case pool(String)

    /// Makes the request of `grants` at `index` different. All grants of a claim come from one pool.
    func apply(to grants: inout [CPURequest], at index: Int) {
        switch self {
        case .count(let number), .others(let number): grants[index].demand = .count(number)
        case .cores(let number): grants[index].demand = .wholeCores(number)
        case .loose(let number):
            grants[index].demand = .count(number)
            grants[index].smt = .any
        case .nodes(let nodes): grants[index].nodes = nodes
        case .pool(let pool): for index in grants.indices { grants[index].pool = pool }
        }
    }
}

extension Refusal.Reason {
    /// Whether other CPUs, or fewer, might be given.
    fileprivate var isAboutCPUs: Bool {
        switch self {
        case .emptyPool, .notInPool, .insufficient, .insufficientCores, .notWholeCores, .housekeeping, .heldByOthers,
            .nodeMissing,
            .nodeOutsidePool, .nodeTooSmall, .nodeHeld, .overLimit, .notEnforceable:
            true
        default: false
        }
    }
}
