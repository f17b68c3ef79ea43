import Machine

/// The binding that the extender makes for a pod.
package struct BindingChoice: Sendable, Equatable {
    /// The name of the binding.
    package var binding: ObjectKey
    /// The pod.
    package var pod: ObjectKey
    /// Its uid, for the owner reference.
    package var podUID: String
    /// The node, which the extender notes in the binding: the pod may not be bound yet when somebody reads it.
    package var node: String
    /// The CPUs.
    package var cpus: CPUSet
    /// The level.
    package var level: ExclusivenessLevel

    var hold: Hold { Hold(cpus: cpus, level: level) }
}

/// What to do before a pod is bound to its node. Both count at once; a failure is told to
/// ``ClusterCPUs/takeBack(_:podUID:)``.
package enum BindPlan: Sendable, Equatable {
    /// Create the binding.
    case create(BindingChoice)
    /// Nothing: the binding is there, from an earlier try.
    case reuse(BindingChoice)

    /// The binding.
    package var choice: BindingChoice {
        switch self {
        case .create(let choice), .reuse(let choice): choice
        }
    }
}

/// Why a pod cannot be bound.
package enum BindRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    /// It does not fit any more.
    case doesNotFit(FilterRefusal)
    /// The name of its binding is taken: by a binding for something else, for another node, or for CPUs that it cannot have.
    case bindingExists(ObjectKey)
    /// Somebody made a binding for it already.
    case podHasBinding(ObjectKey)

    /// The text for the answer, which becomes an event of the pod.
    package var description: String {
        switch self {
        case .doesNotFit(let refusal): "failed to create pod cpu binding: \(refusal)"
        case .bindingExists(let key):
            "failed to create pod cpu binding: podcpubindings.cslab.ece.ntua.gr \"\(key.name)\" already exists"
                + " and is not this pod's"
        case .podHasBinding(let key):
            "failed to create pod cpu binding: the pod has the binding \"\(key.name)\" already"
        }
    }
}

extension ClusterCPUs {
    /// What a filter answers.
    package struct Filtered: Sendable, Equatable {
        /// The nodes that have CPUs for the pod, in the order of the question.
        package var fitting: [String] = []
        /// The others, with the reasons.
        package var refused: [Refused] = []

        /// No nodes.
        package init() {}

        /// A node that does not fit.
        package struct Refused: Sendable, Equatable {
            /// The node.
            package var node: String
            /// Why.
            package var reason: FilterRefusal
        }
    }

    /// Which of `candidates` have CPUs for a pod.
    package func filter(_ pod: PodRequest, _ candidates: [String]) -> Filtered {
        var answer = Filtered()
        guard let demand = Demand(pod, args) else {
            let reason = FilterRefusal.unknownFamily(pod.familyLabel ?? "")
            answer.refused = candidates.map { .init(node: $0, reason: reason) }
            return answer
        }
        // Where an earlier try chose CPUs for the pod, it has them; and nowhere else, once a request of that try may bind it.
        let own = choice(for: pod)?.node
        let chosen = nodeOfBinding(of: pod)
        answer.fitting.reserveCapacity(candidates.count)
        for name in candidates {
            if let chosen, name != chosen {
                answer.refused.append(.init(node: name, reason: .chosen(node: chosen)))
                continue
            }
            guard let node = figuresOfNodes[name] else {
                answer.refused.append(.init(node: name, reason: .noTopology))
                continue
            }
            if name != own, let reason = node.refusal(of: demand, starves: { nodes[name]?.starves(demand) ?? true }) {
                answer.refused.append(.init(node: name, reason: reason))
            } else {
                answer.fitting.append(name)
            }
        }
        return answer
    }

    /// The scores of `candidates` for a pod in their order, from 0 for the worst to `scale` for the best; all 0 where they
    /// are equal. An extender's scale is 10, that of a scheduler's plugin 100.
    package func prioritize(_ pod: PodRequest, _ candidates: [String], scale: Int = 10) -> [Int] {
        guard let demand = Demand(pod, args) else { return candidates.map { _ in 0 } }
        let scores = candidates.map { figuresOfNodes[$0]?.score(of: demand, args.policy) }
        let known = scores.compactMap { $0 }
        guard let least = known.min(), let most = known.max(), least < most else { return candidates.map { _ in 0 } }
        return scores.map { score in score.map { scaled($0 - least, most - least, scale) } ?? 0 }
    }

    /// `part` of `whole`, as a figure of `0...scale`.
    private func scaled(_ part: Int, _ whole: Int, _ scale: Int) -> Int {
        let (product, overflow) = part.multipliedReportingOverflow(by: scale)
        return overflow ? Int(Double(part) / Double(whole) * Double(scale)) : product / whole
    }

    /// Chooses CPUs of `node` for a pod, on what is known now, and counts them at once. The same question gets the same
    /// answer until its binding is seen.
    package mutating func bind(_ pod: PodRequest, to node: String) throws(BindRefusal) -> BindPlan {
        guard let demand = Demand(pod, args) else { throw .doesNotFit(.unknownFamily(pod.familyLabel ?? "")) }
        let key = pod.binding
        if let earlier = assumed[key] {
            if earlier.podUID == pod.uid && earlier.node == node { return .create(earlier) }
            takeBack(key, podUID: earlier.podUID)
        }
        if let other = bindings(of: pod.pod).first(where: { $0 != key }) { throw .podHasBinding(other) }
        if seen[key] != nil {
            guard nodeOfBinding(of: pod) == node, let choice = choice(for: pod) else { throw .bindingExists(key) }
            return .reuse(choice)
        }
        guard let cpus = nodes[node] else { throw .doesNotFit(.noTopology) }
        let choice: BindingChoice
        do throws(FilterRefusal) {
            choice = BindingChoice(
                binding: key, pod: pod.pod, podUID: pod.uid, node: node, cpus: try cpus.allocate(demand),
                level: demand.level)
        } catch {
            throw .doesNotFit(error)
        }
        assume(choice)
        return .create(choice)
    }

    /// The node of the pod's own binding, where that was seen.
    private func nodeOfBinding(of pod: PodRequest) -> String? {
        guard let seen = seen[pod.binding], seen.podUID == pod.uid, seen.pod == pod.pod else { return nil }
        return seen.node
    }

    /// The CPUs that were chosen for the pod before.
    private func choice(for pod: PodRequest) -> BindingChoice? {
        let key = pod.binding
        if let choice = assumed[key] { return choice.podUID == pod.uid ? choice : nil }
        guard let node = nodeOfBinding(of: pod), let seen = seen[key], seen.holds.contains(seen.wanted) else {
            return nil
        }
        return BindingChoice(
            binding: key, pod: pod.pod, podUID: pod.uid, node: node, cpus: seen.wanted.cpus, level: seen.wanted.level)
    }
}
