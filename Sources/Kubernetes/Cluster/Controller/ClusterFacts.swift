package import Bindings
package import KubernetesClient

/// What the controller knows of a cluster, found by node and by pod, so that a decision looks at the bindings that it depends
/// on and at no others, and a change brings up only what waits for it.
package struct ClusterFacts: Sendable {
    /// A binding, and what was decided about it.
    struct Entry: Sendable {
        var object: PodCPUBinding
        var binding: Binding
        /// What the last decision waits for; nil before the first, and while one is made.
        var waits: Set<BindingAction.Wait>?
        /// The nodes that it is found by.
        var nodes: Set<String> = []
    }

    /// What there is to decide, and the object that a change of it is to be based on.
    package struct Question: Sendable {
        /// The snapshot.
        package var snapshot: BindingSnapshot
        /// The object.
        package var object: PodCPUBinding
    }

    private(set) var entries: [Bindings.ObjectKey: Entry] = [:]
    private(set) var pods: [Bindings.ObjectKey: PodFacts] = [:]
    /// Whether nodes are ready.
    private var nodes: [String: Bool] = [:]
    private var topologies: [String: NodeFacts] = [:]
    private var shapes: [NodeTopology] = []
    private var bindingsOfPod: [Bindings.ObjectKey: Set<Bindings.ObjectKey>] = [:]
    private var bindingsOnNode: [String: Set<Bindings.ObjectKey>] = [:]

    /// A cluster of which nothing is known.
    package init() {}

    // MARK: - Decisions

    /// What there is to decide about a binding; nil where there is none. From now on every change counts until
    /// ``decided(_:waits:)``.
    package mutating func question(about key: Bindings.ObjectKey) -> Question? {
        guard let entry = entries[key] else { return nil }
        entries[key]?.waits = nil
        let binding = entry.binding
        let pod = pods[binding.pod]
        let nodeName = node(of: binding)
        var others = bindingsOfPod[binding.pod] ?? []
        if let node = pod?.node { others.formUnion(bindingsOnNode[node] ?? []) }
        others.remove(key)
        return Question(
            snapshot: BindingSnapshot(
                binding: binding, pod: pod, node: pod?.node.flatMap { topologies[$0] },
                nodeExists: nodeName.map { nodes[$0] != nil } ?? false, others: others.compactMap { rival($0) },
                claim: ClaimState(
                    entry.object, pod: binding.pod, nodeAnswers: nodeName.map { nodes[$0] == true } ?? true)),
            object: entry.object)
    }

    /// Takes note of what a decision waits for.
    package mutating func decided(_ key: Bindings.ObjectKey, waits: Set<BindingAction.Wait>) {
        entries[key]?.waits = waits
    }

    /// The node that has, or will have, the claim of a binding.
    private func node(of binding: Binding) -> String? {
        binding.status.flatMap { $0.nodeName.isEmpty ? nil : $0.nodeName } ?? pods[binding.pod]?.node
    }

    private func rival(_ key: Bindings.ObjectKey) -> Rival? {
        entries[key].map { Rival($0.binding, pod: pods[$0.binding.pod]) }
    }

    // MARK: - Changes; each returns the bindings that are to be decided again

    /// The keys of all bindings, in order.
    package var keys: [Bindings.ObjectKey] { entries.keys.sorted() }

    /// A binding is now like this; nil where it is gone, or where its level is not known.
    package mutating func set(_ key: Bindings.ObjectKey, _ object: PodCPUBinding?) -> Set<Bindings.ObjectKey> {
        let binding = object.flatMap { Binding($0) }
        if let object, let known = entries[key]?.object, object.isOlder(than: known) { return [] }
        var affected = changing([key]) { facts in
            if let object, let binding {
                facts.entries[key] = Entry(object: object, binding: binding, waits: facts.entries[key]?.waits)
            } else {
                facts.entries[key] = nil
            }
        }
        if binding != nil { affected.insert(key) } else { affected.remove(key) }
        return affected
    }

    /// A binding was changed by this controller, and is now like this. That is known before a watch says so.
    package mutating func changed(_ object: PodCPUBinding) -> Set<Bindings.ObjectKey> {
        let key = ObjectKey(object.key)
        // It may be gone already.
        guard let known = entries[key]?.object, known.metadata.uid == object.metadata.uid else { return [] }
        return set(key, object)
    }

    /// A pod is now like this; nil where it is gone.
    package mutating func set(pod key: Bindings.ObjectKey, _ pod: PodFacts?) -> Set<Bindings.ObjectKey> {
        guard pods[key] != pod else { return [] }
        let own = bindingsOfPod[key] ?? []
        let affected = changing(own) { $0.pods[key] = pod }
        return affected.union(own.filter { isWaiting($0, for: .pod) })
    }

    /// Whether a node is ready now; nil where it is gone.
    package mutating func set(node name: String, isReady: Bool?) -> Set<Bindings.ObjectKey> {
        guard nodes[name] != isReady else { return [] }
        nodes[name] = isReady
        return waiting(on: name, for: .claim)
    }

    /// The topology of a node is now this; nil where it is not known, or not fresh.
    package mutating func set(topologyOf name: String, _ facts: NodeFacts?) -> Set<Bindings.ObjectKey> {
        guard topologies[name] != facts else { return [] }
        var facts = facts
        if let topology = facts?.topology { facts?.topology = shared(topology) }
        topologies[name] = facts
        return waiting(on: name, for: .topology)
    }

    private func waiting(on node: String, for wait: BindingAction.Wait) -> Set<Bindings.ObjectKey> {
        (bindingsOnNode[node] ?? []).filter { isWaiting($0, for: wait) }
    }

    private func isWaiting(_ key: Bindings.ObjectKey, for wait: BindingAction.Wait) -> Bool {
        guard let entry = entries[key] else { return false }
        return entry.waits?.contains(wait) ?? true
    }

    /// Topologies that are the same share their memory.
    private mutating func shared(_ topology: NodeTopology) -> NodeTopology {
        if let known = shapes.first(where: { $0 == topology }) { return known }
        if shapes.count >= 64 { shapes = [] }
        shapes.append(topology)
        return topology
    }

    // MARK: - Bindings that depend on each other

    /// Changes bindings or their pods, and finds the bindings whose decisions depend on what that changed.
    private mutating func changing(
        _ keys: Set<Bindings.ObjectKey>, _ change: (inout Self) -> Void
    ) -> Set<Bindings.ObjectKey> {
        let before = keys.map { rival($0).map { Stake($0) } }
        for key in keys { index(key, isThere: false) }
        change(&self)
        for key in keys { index(key, isThere: true) }
        var affected: Set<Bindings.ObjectKey> = []
        for (key, old) in zip(keys, before) {
            let new = rival(key).map { Stake($0) }
            guard old != new else { continue }
            for node in (old?.nodes ?? []).union(new?.nodes ?? []) {
                for other in bindingsOnNode[node] ?? [] where other != key && !affected.contains(other) {
                    guard isWaiting(other, for: .bindings) else { continue }
                    if mayMatter(old, new, for: other, on: node) { affected.insert(other) }
                }
            }
            // A pod has one binding.
            for pod in Set([old?.pod, new?.pod].compactMap { $0 }) {
                affected.formUnion((bindingsOfPod[pod] ?? []).filter { $0 != key && isWaiting($0, for: .bindings) })
            }
        }
        return affected
    }

    private func mayMatter(_ old: Stake?, _ new: Stake?, for key: Bindings.ObjectKey, on node: String) -> Bool {
        guard let entry = entries[key], let facts = topologies[node] else { return true }
        return Stake.mayMatter(from: old, to: new, for: entry.binding, on: facts)
    }

    /// Finds a binding by its pod and nodes, or not any more.
    private mutating func index(_ key: Bindings.ObjectKey, isThere: Bool) {
        guard let entry = entries[key] else { return }
        let binding = entry.binding
        if isThere {
            let nodes = Set(
                [binding.status?.nodeName, pods[binding.pod]?.node].compactMap { $0 }.filter { !$0.isEmpty })
            entries[key]?.nodes = nodes
            bindingsOfPod[binding.pod, default: []].insert(key)
            for node in nodes { bindingsOnNode[node, default: []].insert(key) }
        } else {
            bindingsOfPod[binding.pod]?.remove(key)
            if bindingsOfPod[binding.pod]?.isEmpty == true { bindingsOfPod[binding.pod] = nil }
            for node in entry.nodes {
                bindingsOnNode[node]?.remove(key)
                if bindingsOnNode[node]?.isEmpty == true { bindingsOnNode[node] = nil }
            }
        }
    }
}

extension PodCPUBinding {
    /// Whether this is an earlier state of the same object. Versions are numbers that grow, though that is not promised: a
    /// server where they are something else only has its own changes shown twice.
    fileprivate func isOlder(than other: PodCPUBinding) -> Bool {
        guard metadata.uid == other.metadata.uid, let own = UInt64(metadata.resourceVersion),
            let others = UInt64(other.metadata.resourceVersion)
        else { return false }
        return own < others
    }
}
