import Machine

extension Claim {
    /// Whether it is what `request` asks for; false also where that cannot be told.
    func meets(_ request: ClaimRequest, _ facts: MachineFacts) -> Bool {
        guard Set(request.memoryNodes ?? (request.isComplete ? [] : memoryNodes)) == Set(memoryNodes) else {
            return false
        }
        for pages in request.reservations
        where reservation(node: pages.node, sizeKB: pages.sizeKB)?.count ?? 0 != pages.count { return false }
        if request.isComplete, reservations.contains(where: { !request.names($0) }) { return false }
        guard !request.grants.isEmpty else { return grants.isEmpty || !request.isComplete }
        return meets(request.grants, facts)
    }

    /// Whether its grants are what `requests` ask for, one each, however their CPUs were chosen.
    func meets(_ requests: [CPURequest], _ facts: MachineFacts) -> Bool {
        grants.count == requests.count
            && requests.allSatisfy { request in grants.contains { meets(request, $0, facts) } }
    }

    /// Whether nothing has to change for `requests`; where they are not complete, its other grants do not matter to one that
    /// replaces only its own.
    func meets(_ requests: [CPURequest], isComplete: Bool, _ facts: MachineFacts) -> Bool {
        guard !isComplete, requests.count == 1, let request = requests.first else { return meets(requests, facts) }
        switch request.replaces {
        case .everything: return meets(requests, facts)
        case .grant:
            let own = grants.filter(request.isFor)
            return own.count == 1 && meets(request, own[0], facts)
        case .allButExplicit, .nodes: return false
        }
    }

    /// Whether `grant`, which is one of its own, is what `request` asks for.
    func meets(_ request: CPURequest, _ grant: Grant, _ facts: MachineFacts) -> Bool {
        guard request.isFor(grant), request.pool ?? Pool.isolated == pool, request.effectiveLevel == grant.level,
            request.isExplicit == grant.isExplicit, request.isProtected ?? grant.isProtected == grant.isProtected
        else { return false }
        if let nodes = request.nodes {
            let cpus = nodes.reduce(into: CPUSet()) { $0.formUnion(facts.nodes[$1] ?? CPUSet()) }
            guard grant.cpus.isSubset(of: cpus) else { return false }
        }
        // An offline CPU is replaced, but not behind the back of the kernel.
        let pool = facts.eligible(pool, onlineOnly: request.onlineOnly) ?? CPUSet()
        guard enforcement != nil || grant.cpus.isSubset(of: pool) else { return false }
        guard facts.areOfCores(grant.cpus, request.smt, in: pool) ?? false else { return false }
        switch request.demand {
        case .count(let count): return grant.cpus.count == count
        case .list(let list): return grant.cpus == list
        case .percent(let percent):
            return (1...100).contains(percent) && grant.cpus.count == (pool.count * percent + 99) / 100
        case .wholeCores(let count):
            let smt = request.smt == .any ? .whole : request.smt
            return facts.areOfCores(grant.cpus, smt, in: pool) ?? false && cores(of: grant, facts) == count
        case .nothing, .defaultShare: return false
        }
    }

    private func cores(of grant: Grant, _ facts: MachineFacts) -> Int {
        guard let machine = facts.machine else { return 0 }
        return Set(grant.cpus.map { machine.core(of: $0) }).count
    }
}

extension CPURequest {
    /// How far exclusiveness reaches: where siblings stay idle, at least around the core.
    var effectiveLevel: Exclusiveness { smt == .one && (level == .cpu || level == .none) ? .core : level }

    /// Whether others may run on the CPUs.
    package var isShared: Bool { effectiveLevel == .none }

    /// Whether `grant` is what an earlier request of this label and kind was given.
    func isFor(_ grant: Grant) -> Bool { label == grant.label && isShared == grant.isShared }
}

extension ClaimRequest {
    /// Whether one of its reservations is of the same node and size.
    func names(_ pages: PageReservation) -> Bool {
        reservations.contains { $0.node == pages.node && $0.sizeKB == pages.sizeKB }
    }
}
