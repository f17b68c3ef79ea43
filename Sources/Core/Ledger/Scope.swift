import Machine
import Placement

/// What one request may choose from, and how.
struct Scope {
    private let request: CPURequest
    private let ledger: Ledger
    private let facts: MachineFacts
    private let isProtected: Bool
    private let holder: Holder
    /// The CPUs of the pool.
    private let pool: CPUSet
    /// Those of them that the request's nodes have.
    private let inScope: CPUSet
    /// Those of them that the holder may have.
    let candidates: CPUSet
    /// Those of the candidates that nobody else has.
    private let free: CPUSet
    /// The holder's CPUs that the request replaces.
    private let present: CPUSet
    /// The explicit CPUs that stay and count towards the demand.
    private let kept: CPUSet
    /// How far exclusiveness reaches.
    let level: Exclusiveness

    init(
        _ ledger: Ledger, _ request: CPURequest, of claim: Claim, pool: CPUSet, nodes: CPUSet?, isProtected: Bool,
        _ facts: MachineFacts
    ) throws(Refusal) {
        self.request = request
        self.ledger = ledger
        self.facts = facts
        self.isProtected = isProtected
        self.pool = pool
        holder = claim.holder
        level = request.effectiveLevel
        inScope = nodes.map { pool.intersection($0) } ?? pool
        if let id = request.nodes?.first, inScope.isEmpty {
            throw Refusal(.nodeOutsidePool(id, request.pool ?? Pool.isolated))
        }

        let others = ledger.exclusive(toOthersThan: claim.holder)
        // A request that is protected itself never takes CPUs of others (EPA extensions, section 2).
        let mayPreempt = request.preemption != .never && !isProtected
        var usable = inScope.subtracting(mayPreempt ? ledger.unpreemptible(ofOthersThan: claim.holder) : others)
        if level != .none { usable.subtract(ledger.shared(byOthersThan: claim.holder)) }
        switch request.replaces {
        case .grant:
            present = claim.grants.reduce(into: CPUSet()) { if request.isFor($1) { $0.formUnion($1.cpus) } }
            let rest = claim.grants.filter { !request.isFor($0) }
            usable.subtract(rest.reduce(into: CPUSet()) { $0.formUnion($1.allCPUs) })
            kept = CPUSet()
        case .nodes:
            present = nodes.map { claim.exclusive.intersection($0) } ?? claim.exclusive
            kept = CPUSet()
        case .everything:
            present = claim.exclusive
            kept = CPUSet()
        case .allButExplicit:
            present = claim.exclusive.subtracting(claim.explicit)
            // Explicit CPUs that have left the pool stay owned, and are no part of what is asked for.
            kept = claim.explicit.intersection(inScope)
        }
        if level != .none, level != .cpu {
            // What of its own it keeps is in the way too.
            let own =
                request.replaces == .everything ? CPUSet() : claim.allCPUs.subtracting(present).subtracting(kept)
            let taken = others.union(ledger.shared(byOthersThan: claim.holder)).union(own)
            try Self.narrow(&usable, to: level, disjointWith: taken, request.demand, facts)
        }
        candidates = usable
        free = usable.subtracting(others)
    }

    /// Leaves the CPUs around which nobody has anything that `level` reaches. A CPU of which the machine does not tell the
    /// reach, an offline one, is left out; where it was asked for, or nothing else is there, that is said.
    private static func narrow(
        _ usable: inout CPUSet, to level: Exclusiveness, disjointWith taken: CPUSet, _ demand: CPURequest.Demand,
        _ facts: MachineFacts
    ) throws(Refusal) {
        if case .list(let cpus) = demand { usable.formIntersection(cpus) }
        var whole = CPUSet()
        var unknown: Int?
        for cpu in usable {
            guard let domain = facts.domain(of: cpu, level) else {
                if case .list = demand { throw Refusal(.levelUnknown(level, cpu: cpu)) }
                unknown = unknown ?? cpu
                continue
            }
            if domain.isDisjoint(with: taken) { whole.insert(cpu) }
        }
        if whole.isEmpty, let unknown { throw Refusal(.levelUnknown(level, cpu: unknown)) }
        usable = whole
    }

    private static func domain(
        of cpu: Int, _ level: Exclusiveness, _ facts: MachineFacts
    ) throws(Refusal) -> CPUSet {
        guard let domain = facts.domain(of: cpu, level) else { throw Refusal(.levelUnknown(level, cpu: cpu)) }
        return domain
    }

    /// How many CPUs, or cores where the demand counts those, checked against what there is.
    func wanted(_ claim: Claim) throws(Refusal) -> Int {
        let wanted: Int
        switch request.demand {
        case .nothing: return 0
        case .count(let count):
            guard count > 0 else { throw Refusal(.invalidCount(count)) }
            wanted = count
        case .percent(let percent):
            guard (1...100).contains(percent) else { throw Refusal(.invalidCount(percent)) }
            wanted = (pool.count * percent + 99) / 100
        case .defaultShare: wanted = candidates.count > 100 ? candidates.count - 16 : candidates.count * 4 / 5
        case .wholeCores(let count):
            guard count > 0 else { throw Refusal(.invalidCount(count)) }
            return count
        case .list(let cpus):
            guard !cpus.isEmpty else { throw Refusal(.invalidCount(0)) }
            let outside = cpus.subtracting(inScope)
            guard outside.isEmpty else { throw Refusal(.notInPool(outside, request.pool ?? Pool.isolated)) }
            return cpus.count
        }
        if let node = request.nodes?.first {
            guard wanted <= inScope.count else {
                throw Refusal(
                    .nodeTooSmall(
                        node, request.pool ?? Pool.isolated, inPool: inScope.count, requested: wanted))
            }
        } else if wanted > candidates.count {
            throw insufficient(wanted)
        }
        guard wanted > 0 else { throw Refusal(.emptyChoice(wanted), blockers: ledger.blockers(of: pool, but: holder)) }
        return wanted
    }

    /// Chooses the CPUs: all that the holder is to have of the request, and those of them that it keeps as they are.
    func choose(_ wanted: Int, _ claim: Claim) throws(Refusal) -> (kept: CPUSet, chosen: CPUSet) {
        let lost = present.subtracting(inScope)
        if isProtected, !lost.isEmpty { throw Refusal(.ownedOutsidePool(lost)) }
        guard kept.count <= wanted else {
            throw Refusal(.explicitExceeds(explicit: kept.count, requested: wanted))
        }
        switch request.demand {
        case .list(let cpus):
            let held = cpus.subtracting(candidates)
            guard held.isEmpty else {
                let twice = held.intersection(claim.allCPUs.subtracting(present).subtracting(kept))
                if !twice.isEmpty, request.replaces == .grant {
                    throw Refusal(.conflict(.overlap(holder, holder, twice)))
                }
                throw Refusal(.heldByOthers(held), blockers: ledger.blockers(of: reach(of: held), but: holder))
            }
            guard facts.areOfCores(cpus, request.smt, in: pool) ?? true else {
                throw Refusal(.notWholeCores(cpus.count))
            }
            return (kept.intersection(cpus), cpus)
        case .wholeCores: return (kept, try wholeCores(wanted, claim).union(kept))
        case _ where isProtected && request.smt == .any:
            return (kept, try grown(to: wanted - kept.count, wanted, claim).union(kept))
        default: break
        }
        guard let chosen = place(wanted - kept.count, candidates.subtracting(kept), free.subtracting(kept)) else {
            if request.smt != .any { throw Refusal(.notWholeCores(wanted), blockers: blockers) }
            throw tooFew(wanted)
        }
        return (kept, chosen.union(kept))
    }

    /// The CPUs that nobody else may use because the holder has `cpus`.
    func exclusive(around cpus: CPUSet, beside claim: Claim) throws(Refusal) -> CPUSet {
        guard level != .none else { return CPUSet() }
        guard level != .cpu else { return cpus }
        var exclusive = cpus
        for cpu in cpus { exclusive.formUnion(try Self.domain(of: cpu, level, facts)) }
        return exclusive.subtracting(claim.exclusive.subtracting(cpus))
    }

    /// The CPUs that must be nobody's for these to be given.
    private func reach(of cpus: CPUSet) -> CPUSet {
        guard level != .none, level != .cpu else { return cpus }
        return cpus.reduce(into: cpus) { $0.formUnion(facts.domain(of: $1, level) ?? CPUSet()) }
    }

    // MARK: - Placement

    /// `count` CPUs of `candidates` as the request's packing says; of `free` ones first where others' are taken only
    /// where needed.
    private func place(_ count: Int, _ candidates: CPUSet, _ free: CPUSet) -> CPUSet? {
        guard request.preemption == .whereNeeded, request.smt == .any else { return pack(count, candidates) }
        if let chosen = pack(count, free) { return chosen }
        return pack(count - free.count, candidates.subtracting(free))?.union(free)
    }

    private func pack(_ count: Int, _ candidates: CPUSet) -> CPUSet? {
        if let chosen = evenly(count, candidates) { return chosen }
        return switch (request.smt, request.packing) {
        case (.any, .lowest) where level == .none:
            // Those that are shared already come first, so that others find free ones.
            Placement.lowest(count, of: candidates, first: ledger.shared(byOthersThan: holder))
        case (.any, .lowest): Placement.lowest(count, of: candidates)
        case (.any, .siblingPairs): Placement.pairs(count, of: candidates, cores: facts.cores)
        case (.any, .wholeCores): Placement.wholeCores(count, of: candidates, cores: facts.cores)
        case (.whole, _):
            facts.machine.flatMap { Placement.cpus(count, inWholeCores: Placement.freeCores(candidates, of: $0)) }
        case (.one, _): facts.machine.flatMap { Placement.onePerCore(count, Placement.freeCores(candidates, of: $0)) }
        }
    }

    /// `count` of `candidates` evenly from the parts of the machine that the request spreads them over; nil where it
    /// spreads nothing, or cores of unequal size cannot be divided.
    private func evenly(_ count: Int, _ candidates: CPUSet) -> CPUSet? {
        guard let parts = parts(candidates), let machine = facts.machine else { return nil }
        let cores = parts.map { Placement.freeCores($0, of: machine) }
        if request.smt == .any {
            guard let shares = Placement.evenly(count, over: parts.map(\.count)) else { return nil }
            return zip(shares, parts).reduce(into: CPUSet()) { chosen, part in
                chosen.formUnion(Placement.wholeCores(part.0, of: part.1, cores: facts.cores) ?? CPUSet())
            }
        }
        let size = request.smt == .one ? 1 : cores.joined().first?.count ?? 1
        guard count % size == 0, request.smt == .one || cores.joined().allSatisfy({ $0.count == size }) else {
            return nil
        }
        guard let chosen = evenly(count / size, cores) else { return nil }
        return request.smt == .one ? CPUSet(chosen.lazy.compactMap(\.first)) : union(chosen)
    }

    /// `count` cores evenly from these parts of the machine; nil where there are fewer.
    private func evenly(_ count: Int, _ cores: [[CPUSet]]) -> [CPUSet]? {
        guard let shares = Placement.evenly(count, over: cores.map(\.count)) else { return nil }
        return zip(shares, cores).flatMap { share, cores in cores.prefix(share) }
    }

    /// What of `candidates` is in each part of the machine that the request spreads its CPUs over; nil where it spreads
    /// them over nothing.
    private func parts(_ candidates: CPUSet) -> [CPUSet]? {
        guard let spread = request.spread, let machine = facts.machine else { return nil }
        var parts: [CPUSet] = []
        var rest = candidates
        for part in spread == .nodes ? machine.nodes.map(\.cpus) : Array(machine.l3Groups) {
            parts.append(rest.intersection(part))
            rest.subtract(part)
        }
        return parts + [rest]
    }

    private func union(_ sets: some Sequence<CPUSet>) -> CPUSet { sets.reduce(into: CPUSet()) { $0.formUnion($1) } }

    private func wholeCores(_ count: Int, _ claim: Claim) throws(Refusal) -> CPUSet {
        let cores = facts.machine.map { Placement.freeCores(candidates.subtracting(kept), of: $0) } ?? []
        guard cores.count >= count else {
            throw Refusal(.insufficientCores(requested: count, available: cores.count), blockers: blockers)
        }
        let spread = parts(candidates.subtracting(kept)).flatMap { parts in
            facts.machine.flatMap { machine in evenly(count, parts.map { Placement.freeCores($0, of: machine) }) }
        }
        let chosen = spread ?? Array(cores.prefix(count))
        return request.smt == .one ? CPUSet(chosen.lazy.compactMap(\.first)) : union(chosen)
    }

    /// A protected holder keeps what it has: more CPUs are added, whole cores first, and only the difference is given up
    /// (EPA extensions, section 2).
    private func grown(to count: Int, _ wanted: Int, _ claim: Claim) throws(Refusal) -> CPUSet {
        guard count > present.count else {
            return Placement.wholeCores(count, of: present, cores: facts.cores) ?? present
        }
        let more = candidates.subtracting(present).subtracting(claim.exclusive)
        guard let added = Placement.wholeCores(count - present.count, of: more, cores: facts.cores) else {
            throw tooFew(wanted)
        }
        return present.union(added)
    }

    private func tooFew(_ wanted: Int) -> Refusal {
        guard let node = request.nodes?.first else { return insufficient(wanted) }
        return Refusal(.nodeHeld(node), blockers: blockers)
    }

    private func insufficient(_ wanted: Int) -> Refusal {
        Refusal(.insufficient(requested: wanted, available: candidates.count), blockers: blockers)
    }

    private var blockers: [Refusal.Blocker] {
        ledger.blockers(of: reach(of: inScope), but: holder, preemptible: request.preemption == .never || isProtected)
    }
}
