import Machine

/// What of a binding matters to the decisions about others: the pod that it names, what it holds, what it asks for in earnest.
package struct Stake: Sendable, Equatable {
    /// The binding, for its precedence.
    let binding: Binding
    /// The pod that it names.
    package let pod: ObjectKey
    /// The node whose CPUs it holds; nil where it holds none.
    let holdingNode: String?
    /// What it holds there.
    let held: [Hold]
    /// The node whose CPUs it asks for; nil where it asks for none that it does not hold.
    let askingNode: String?
    /// What it asks for there.
    let wanted: Hold

    /// The stake of a binding and its pod.
    package init(_ rival: Rival) {
        binding = rival.binding
        pod = binding.pod
        held = binding.held
        holdingNode = held.isEmpty ? nil : binding.status?.nodeName
        askingNode = rival.contendedNode
        wanted = binding.wanted
    }

    /// Whether the same matters to others. What a binding wants and asks for nowhere does not.
    package static func == (one: Stake, other: Stake) -> Bool {
        one.binding.uid == other.binding.uid && one.pod == other.pod && one.holdingNode == other.holdingNode
            && one.held == other.held && one.askingNode == other.askingNode
            && (one.askingNode == nil || one.wanted == other.wanted)
    }

    /// The nodes where it matters.
    package var nodes: Set<String> { Set([holdingNode, askingNode].compactMap { $0 }) }

    /// Whether what is decided about `binding` of `node` may come out differently because another one's stake changed.
    ///
    /// Whoever holds what it asks for is only in the way of bindings that go before and hold the same. All others may have
    /// waited for just this.
    package static func mayMatter(from old: Stake?, to new: Stake?, for binding: Binding, on node: NodeFacts) -> Bool {
        guard binding.status?.nodeName == node.name, binding.isObserved, binding.held == [binding.wanted],
            binding.status?.resourceStatus.holds == true
        else { return true }
        return [old, new].contains { stake in
            guard let stake, stake.holdingNode == node.name, stake.binding.precedes(binding) else { return false }
            if stake.pod == binding.pod { return true }
            let own = node.topology.reach(of: binding.wanted)
            return stake.held.contains { !node.topology.reach(of: $0).isDisjoint(with: own) }
        }
    }
}

extension Rival {
    /// The node whose CPUs the binding asks for in earnest and does not hold: `berthd` did not refuse it, and its pod is
    /// there.
    var contendedNode: String? {
        guard let pod, let node = pod.node, !pod.isOver, !pod.isBeingDeleted, !binding.isBeingDeleted,
            (binding.podUID ?? pod.uid) == pod.uid, !binding.held.contains(binding.wanted),
            binding.status?.resourceStatus != .failed || !binding.isObserved
        else { return nil }
        return node
    }
}

extension NodeTopology {
    /// The CPUs that a binding uses, and those that it withdraws from others.
    func reach(of hold: Hold) -> CPUSet { hold.cpus.union(exclusive(hold.cpus, hold.level)) }
}
