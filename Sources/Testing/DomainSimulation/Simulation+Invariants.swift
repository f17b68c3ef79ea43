import Domain

/// What must hold at any time, whatever fails.
extension Simulation {
    /// Checks, while faults last, what a restart of the domain could not repair, and what users would notice.
    mutating func checkInvariants() {
        checkComponents()
        checkWirings()
        checkShares()
    }

    /// Whether a process is the run of the node that takes part in the domain.
    private func isReady(_ index: Int) -> Bool {
        [stored, domain.records].allSatisfy { records in
            records.nodes[nodes[index].id].map { $0.isReset && $0.nonce == nodes[index].nonce } ?? false
        }
    }

    /// Each component of a ready node is an instance's, is to be stopped, or the domain knows that it may be there.
    private mutating func checkComponents() {
        let both = [stored, domain.records]
        var known: Set<PhysicalID> = []
        for records in both {
            for record in records.instances.values { if let physical = record.physical { known.insert(physical) } }
            known.formUnion(records.orphans.keys)
        }
        for index in nodes.processes where nodes[index].isAlive && isReady(index) {
            let id = nodes[index].id
            guard both.allSatisfy({ !$0.unknownOutcomes.contains(id) && !$0.starting.contains(id) }) else { continue }
            for component in nodes[index].running.keys.sorted()
            where !known.contains(PhysicalID(node: id, component: component)) {
                violations.append("at \(time) \(id) runs \(component), of which the domain knows nothing")
            }
        }
    }

    /// An instance whose wiring is not to be sent has its latest wiring, so that all that lead to an instance lead to
    /// the same copy of it.
    private mutating func checkWirings() {
        var copies: [LogicalID: Set<PhysicalID>] = [:]
        for (origin, wiring) in stored.wirings.sorted(by: { $0.key < $1.key }) {
            guard isSettled(origin, wiring), let physical = stored.instances[origin]?.physical,
                let index = nodes.index(of: physical.node, nonce: stored.nodes[physical.node]?.nonce), isReady(index),
                let mapping = nodes[index].running[physical.component]
            else { continue }
            for (channel, target) in mapping {
                if let id = wiring[channel], isRunning(target) { copies[id, default: []].insert(target) }
            }
            guard wiring.values.allSatisfy({ domain.records.instances[$0] == nil || isPlaced($0) }) else { continue }
            let expected = wiring.compactMapValues { stored.instances[$0]?.physical }
            if mapping != expected {
                violations.append(
                    "at \(time) \(origin) leads to \(mapping), not to \(expected), and nothing is to be sent")
            }
        }
        for (id, found) in copies.sorted(by: { $0.key < $1.key }) where found.count > 1 {
            violations.append(
                "at \(time) instances lead to \(found.count) live copies of \(id), and nothing is to be sent")
        }
    }

    private func isSettled(_ origin: LogicalID, _ wiring: [String: LogicalID]) -> Bool {
        [stored, domain.records].allSatisfy { records in
            !records.patchesDue.contains(origin) && records.wirings[origin] == wiring
                && records.instances[origin]?.physical == stored.instances[origin]?.physical
        }
    }

    private func isPlaced(_ id: LogicalID) -> Bool {
        stored.instances[id]?.physical != nil
            && stored.instances[id]?.physical == domain.records.instances[id]?.physical
    }

    private func isRunning(_ physical: PhysicalID) -> Bool {
        nodes.processes.contains { index in
            nodes[index].id == physical.node && nodes[index].isAlive
                && nodes[index].running[physical.component] != nil
        }
    }

    /// No isolated CPU is promised twice.
    private mutating func checkShares() {
        guard chosen.strategy == .loadAware else { return }
        for (id, promised) in isolatedCPUs(in: domain.records).sorted(by: { $0.key < $1.key }) {
            guard let node = nodes[id], promised > node.description.capabilities.isolatedCPUs else { continue }
            violations.append(
                "at \(time) \(id) has promised \(promised) CPUs of \(node.description.capabilities.isolatedCPUs)")
        }
    }

    /// The isolated CPUs that each node's functions have.
    func isolatedCPUs(in records: DomainRecords) -> [NodeID: Int] {
        var sum: [NodeID: Int] = [:]
        for record in records.instances.values {
            if let physical = record.physical { sum[physical.node, default: 0] += record.specification.isolatedCPUs }
        }
        return sum
    }
}

extension Specification {
    /// The CPUs that it asks for.
    var isolatedCPUs: Int {
        guard case .function(let function) = self else { return 0 }
        return function.annotations["isolated_cpus"].flatMap { Int($0) } ?? 0
    }
}
