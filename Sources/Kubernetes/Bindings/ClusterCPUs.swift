import Machine

/// The CPUs of a cluster as the extender sees them: nodes, bindings, and choices that were made and not seen yet.
///
/// The free CPUs of each node are kept up to date, so that a pod costs a look at a few numbers of each node.
package struct ClusterCPUs: Sendable {
    /// The scheduler's arguments.
    package let args: WorkloadAwareArgs

    private(set) var nodes: [String: NodeCPUs] = [:]
    /// Those of ``nodes``.
    private(set) var figuresOfNodes: [String: NodeFigures] = [:]
    private(set) var seen: [ObjectKey: Seen] = [:]
    /// The bindings that were chosen and are not seen yet.
    private(set) var assumed: [ObjectKey: BindingChoice] = [:]
    private var seenOf: [ObjectKey: Set<ObjectKey>] = [:]
    private var onNode: [String: Set<ObjectKey>] = [:]

    /// A binding that the API server showed.
    struct Seen: Sendable, Equatable {
        let uid: String
        let pod: ObjectKey
        let podUID: String?
        let wanted: Hold
        let holds: [Hold]
        var node: String?
    }

    /// A cluster without nodes.
    package init(args: WorkloadAwareArgs = WorkloadAwareArgs()) {
        self.args = args
    }

    // MARK: - Nodes

    /// Takes note of a node with a fresh topology.
    package mutating func setNode(_ facts: NodeFacts) {
        if nodes[facts.name]?.facts == facts { return }
        let held = onNode[facts.name, default: []].flatMap { holds(of: $0, on: facts.name) }
        let node = NodeCPUs(facts, holds: held)
        nodes[facts.name] = node
        figuresOfNodes[facts.name] = node.figures
    }

    /// Takes note that a node is gone, or that its topology is not fresh. What its bindings hold is not forgotten.
    package mutating func removeNode(_ name: String) {
        nodes[name] = nil
        figuresOfNodes[name] = nil
    }

    // MARK: - Bindings

    /// Takes note of a binding that the API server showed. From its creation on it counts, validated or not; what was
    /// refused does not.
    ///
    /// - Parameter node: The node of its pod, or the one that the extender noted in the binding; nil where none is known.
    package mutating func see(_ binding: Binding, node: String?) {
        let key = binding.key
        let choice = assumed[key]
        let before = seen[key]
        var known = binding.status.flatMap { $0.nodeName.isEmpty ? nil : $0.nodeName } ?? node
        if known == nil { known = choice?.node }
        // A pod of the same name may have come since, which has no node yet.
        if known == nil, before?.uid == binding.uid, binding.status?.reason != .podNotScheduled { known = before?.node }
        var holds = binding.held
        let counts: Bool =
            switch binding.status?.resourceStatus {
            case nil, .pending, .validated, .applied: true
            case .podNotFound, .invalidCPUSet, .allocationFailed, .failed: !binding.isObserved
            }
        if counts && !binding.hasGivenBack && !holds.contains(binding.wanted) { holds.append(binding.wanted) }
        let now = Seen(
            uid: binding.uid, pod: binding.pod, podUID: binding.podUID, wanted: binding.wanted, holds: holds,
            node: known)
        guard now != before || choice != nil else { return }
        changing(key) {
            $0.assumed[key] = nil
            $0.seen[key] = now
        }
    }

    /// Takes note of the node of a binding's pod, where the binding with this uid is there and its node is not known.
    package mutating func place(_ key: ObjectKey, uid: String, on node: String) {
        guard let before = seen[key], before.uid == uid, before.node == nil else { return }
        changing(key) { $0.seen[key]?.node = node }
    }

    /// Takes note that a binding is gone.
    package mutating func forget(_ key: ObjectKey) {
        guard seen[key] != nil else { return }
        changing(key) { $0.seen[key] = nil }
    }

    /// Takes a choice back: its binding could not be created, its pod could not be bound or is gone.
    package mutating func takeBack(_ key: ObjectKey, podUID: String) {
        guard assumed[key]?.podUID == podUID else { return }
        changing(key) { $0.assumed[key] = nil }
    }

    /// Counts a choice until its binding is seen, or it is taken back.
    mutating func assume(_ choice: BindingChoice) {
        changing(choice.binding) { $0.assumed[choice.binding] = choice }
    }

    /// The bindings of a pod that were seen, in order.
    func bindings(of pod: ObjectKey) -> [ObjectKey] { seenOf[pod, default: []].sorted() }

    /// The bindings that were chosen and are not seen yet, in order.
    package var pending: [BindingChoice] { assumed.values.sorted { $0.binding < $1.binding } }

    /// The choice for a binding that is not seen yet.
    package func pending(_ key: ObjectKey) -> BindingChoice? { assumed[key] }

    /// The uid of a binding that was seen.
    package func uid(of key: ObjectKey) -> String? { seen[key]?.uid }

    /// Whether a binding that was seen asks for CPUs that another one has, or may not have itself because of it.
    package func isContested(_ key: ObjectKey) -> Bool {
        guard let seen = seen[key], let node = seen.node.flatMap({ nodes[$0] }) else { return false }
        return node.isContested(seen.wanted)
    }

    /// How many nodes there are, bindings that were seen, and choices that are not seen yet.
    package var figures: (nodes: Int, bindings: Int, pending: Int) { (nodes.count, seen.count, assumed.count) }

    // MARK: - Counting

    /// Changes what is known of the binding `key`, and counts it anew.
    private mutating func changing(_ key: ObjectKey, _ change: (inout Self) -> Void) {
        for (node, holds) in places(of: key) {
            for hold in holds { nodes[node]?.remove(hold) }
            figuresOfNodes[node] = nodes[node]?.figures
            onNode[node]?.remove(key)
            if onNode[node]?.isEmpty == true { onNode[node] = nil }
        }
        if let pod = seen[key]?.pod {
            seenOf[pod]?.remove(key)
            if seenOf[pod]?.isEmpty == true { seenOf[pod] = nil }
        }
        change(&self)
        for (node, holds) in places(of: key) {
            for hold in holds { nodes[node]?.add(hold) }
            figuresOfNodes[node] = nodes[node]?.figures
            onNode[node, default: []].insert(key)
        }
        if let pod = seen[key]?.pod { seenOf[pod, default: []].insert(key) }
    }

    /// Where the binding `key` counts, and what.
    private func places(of key: ObjectKey) -> [(node: String, holds: [Hold])] {
        var places: [(node: String, holds: [Hold])] = []
        if let seen = seen[key], let node = seen.node { places.append((node, seen.holds)) }
        if let choice = assumed[key] { places.append((choice.node, [choice.hold])) }
        return places
    }

    private func holds(of key: ObjectKey, on node: String) -> [Hold] {
        places(of: key).filter { $0.node == node }.flatMap(\.holds)
    }
}
