import Machine

extension BindingSnapshot {
    /// What is to be done for the binding now.
    ///
    /// Who carries the action out writes the status with the resource version that the snapshot was read at, and decides
    /// again when something of ``BindingAction/waits`` changed. Before it deletes a binding it reads the pod once more
    /// from the API server, since a cache may be behind.
    package func decide() -> BindingAction {
        var action = BindingAction()
        guard let binding else {
            if claim.held != nil { action.claim = .release }
            return action
        }
        if binding.isBeingDeleted { return finish(binding) }
        // 1. The finalizer comes before anything that has to be given back.
        guard binding.hasFinalizer else {
            action.finalizer = .add
            return action
        }
        // 2. A pod that is bound to a node, and goes on. An edit may name another pod: then the binding begins anew, and
        // what the pod before had is given back.
        if !binding.isObserved, let uid = binding.status?.podUID, uid != pod?.uid {
            var renewed = self
            renewed.binding?.status?.podUID = nil
            return renewed.decide()
        }
        guard let pod = pod.flatMap({ (binding.podUID ?? $0.uid) == $0.uid ? $0 : nil }) else {
            return podMissing(binding, .podNotFound, "pod \(binding.pod) not found")
        }
        if pod.isOver { return podMissing(binding, .podFinished, "pod \(binding.pod) has finished") }
        guard let nodeName = pod.node else {
            return pending(binding, .podNotScheduled, "pod \(binding.pod) is not scheduled yet", [.pod])
        }
        let isHolder = isHolder(binding, pod)
        if pod.isBeingDeleted && !isHolder && binding.held.isEmpty {
            return pending(binding, .podTerminating, "pod \(binding.pod) is being deleted", [.pod])
        }
        // 3. CPUs that the node has, and that the binding may have.
        guard let node else {
            if isHolder {
                action.waits = [.topology, .pod, .claim]
                return action
            }
            return pending(
                binding, .nodeTopologyNotFound, "the topology of node \(nodeName) is not known", [.pod, .topology])
        }
        let contention = Contention(node: node, rivals: others)
        if let refusal = contention.defect(of: binding)
            ?? contention.refusal(of: binding, isHolder: isHolder, isClaimed: claim.held != nil || claim == .unknown)
        {
            let message = refusal.message(for: binding, on: node)
            if refusal.status == .pending {
                return pending(binding, refusal.reason, message, [.pod, .topology, .bindings])
            }
            return refuse(binding, refusal.status, refusal.reason, message, holders: refusal.holders)
        }
        // 4. The claim.
        let wanted = PodClaim(
            pod: binding.pod, podUID: pod.uid, cpus: binding.cpus, level: binding.level,
            exclusive: node.topology.exclusive(binding.cpus, binding.level),
            memoryNodes: node.topology.memoryNodes(of: binding.cpus))
        if case .refused(wanted, let reason, _) = claim {
            return refuse(binding, .failed, .refused, "Failed to apply CPU pinning: \(reason)")
        }
        return isHolder ? apply(wanted, binding, pod) : validate(binding, pod, node)
    }

    /// Whether the binding was validated with the present spec for the present pod, and nothing took that back.
    private func isHolder(_ binding: Binding, _ pod: PodFacts) -> Bool {
        guard let status = binding.status else { return false }
        return status.resourceStatus.holds && binding.isObserved && status.nodeName == pod.node
            && binding.held.contains(binding.wanted)
    }

    // MARK: - Deletion

    /// A binding that is being deleted goes once its CPUs are given back.
    private func finish(_ binding: Binding) -> BindingAction {
        var action = BindingAction()
        if claim.held != nil {
            action.claim = .release
            action.waits = [.claim]
            return action
        }
        guard binding.hasFinalizer else { return givenBack(binding) }
        // A node that does not answer keeps the CPUs only while its pod may run. It gives them back when it answers again,
        // and grants them to nobody before.
        let podIsThere = pod.map { (binding.podUID ?? $0.uid) == $0.uid && !$0.isFinished } ?? false
        if isUnanswered && !binding.held.isEmpty && podIsThere {
            return pending(binding, .nodeNotAnswering, unanswered(binding), [.claim, .pod], warns: true)
        }
        action.finalizer = .remove
        if !binding.held.isEmpty {
            action.event = .init(reason: "CPUPinningRemoved", message: "CPU pinning removed")
        }
        return action
    }

    /// All is given back, and somebody else's finalizer keeps the object, whose status still says what it had.
    private func givenBack(_ binding: Binding) -> BindingAction {
        guard let status = binding.status, status.resourceStatus.holds || !status.nodeName.isEmpty else {
            return BindingAction()
        }
        let message = "its CPUs are given back; the binding stays until somebody else's finalizer is gone"
        return write(binding, BindingStatus(.pending, reason: .released, message: message))
    }

    /// The binding's pod is gone, or over. A binding that was for it goes too; one that waits for its pod stays.
    private func podMissing(_ binding: Binding, _ reason: BindingStatus.Reason, _ message: String) -> BindingAction {
        if binding.status?.podUID != nil {
            var action = BindingAction()
            action.deletesBinding = true
            action.waits = [.pod, .claim]
            return action
        }
        return refuse(binding, .podNotFound, reason, message)
    }

    // MARK: - Validation

    /// The spec is good: it is held from now on, beside what was held before.
    private func validate(_ binding: Binding, _ pod: PodFacts, _ node: NodeFacts) -> BindingAction {
        let before = binding.status?.nodeName == node.name ? binding.held.filter { $0 != binding.wanted } : []
        var action = write(
            binding,
            BindingStatus(
                .validated, nodeName: node.name, reason: before.isEmpty ? .claiming : .moving,
                message: "CPU binding is validated", podUID: pod.uid, holds: [binding.wanted] + before),
            event: .init(reason: "Validated", message: "CPU binding is validated"))
        action.waits = [.pod, .topology, .bindings, .claim]
        return action
    }

    /// The binding cannot have its CPUs. What it has is given back first, so that nobody gets CPUs that its pod still uses.
    ///
    /// - Parameter holders: what the status says beyond the message.
    private func refuse(
        _ binding: Binding, _ status: BindingStatus.ResourceStatus, _ reason: BindingStatus.Reason, _ message: String,
        holders: String = ""
    ) -> BindingAction {
        let waits: Set<BindingAction.Wait> = [.pod, .topology, .bindings, .claim]
        if let held = claim.held {
            var action = pending(
                binding, .releasing, "\(message); its CPUs are being given back", waits,
                holding: binding.held.isEmpty ? [Hold(cpus: held.cpus, level: held.level)] : nil)
            action.claim = .release
            return action
        }
        if isUnanswered && !binding.held.isEmpty {
            return pending(binding, .nodeNotAnswering, "\(message); \(unanswered(binding))", waits, warns: true)
        }
        var action = write(
            binding, BindingStatus(status, reason: reason, message: message + holders),
            event: .init(isWarning: true, reason: status.rawValue, message: message))
        action.waits = waits
        return action
    }

    // MARK: - The claim

    /// The binding is validated: its claim is made, and the status says how far that is.
    private func apply(_ wanted: PodClaim, _ binding: Binding, _ pod: PodFacts) -> BindingAction {
        guard !wanted.cpus.isEmpty else { return applyNothing(binding, pod) }
        var action: BindingAction
        switch claim {
        case .enforced(wanted, let containers):
            return applied(wanted, binding, pod, containers)
        case .beingMade(wanted, let problem):
            action = validated(
                binding, pod, .claiming,
                problem.isEmpty ? "the node pins the containers" : "the node cannot pin the containers yet: \(problem)")
        case .unknown:
            action = unansweredHolder(binding, pod)
        case .none, .refused(_, _, nil):
            action = validated(binding, pod, .claiming, "CPU binding is validated")
            action.claim = .make(wanted)
        case .beingMade, .enforced, .refused:
            action = validated(binding, pod, .moving, "the pod moves to its new CPUs")
            action.claim = .change(wanted)
        }
        action.waits = [.pod, .topology, .bindings, .claim]
        return action
    }

    private func applied(
        _ wanted: PodClaim, _ binding: Binding, _ pod: PodFacts, _ containers: Set<String>
    ) -> BindingAction {
        var action: BindingAction
        if !pod.hasStarted {
            action = validated(binding, pod, .containersStarting, "waiting for the pod's containers to start")
        } else if !containers.isSuperset(of: pod.running) {
            action = validated(binding, pod, .containersStarting, "the node pins the pod's new containers")
        } else {
            let message =
                "Applied CPUSet \(numberList(wanted.cpus)) MemSet \(numberList(wanted.memoryNodes))"
            let repeats = binding.status.map { $0.resourceStatus == .applied || $0.reason == .repinning } ?? false
            action = write(
                binding,
                BindingStatus(
                    .applied, nodeName: pod.node ?? "", reason: .applied, message: message, podUID: pod.uid,
                    holds: [binding.wanted], containers: containers.intersection(pod.running).sorted()),
                event: repeats ? nil : .init(reason: "Applied", message: message))
        }
        action.waits = [.pod, .topology, .bindings, .claim]
        return action
    }

    /// An empty set confines nobody and withdraws nothing, as with actimanager; the status says so.
    private func applyNothing(_ binding: Binding, _ pod: PodFacts) -> BindingAction {
        let message = "Applied CPUSet [] MemSet []: nothing is pinned"
        if claim.held != nil {
            var action = validated(binding, pod, .moving, "the pod's CPUs are being given back")
            action.claim = .release
            action.waits = [.pod, .claim]
            return action
        }
        if isUnanswered, binding.held.contains(where: { !$0.cpus.isEmpty }) {
            var action = validated(binding, pod, .nodeNotAnswering, unanswered(binding))
            action.waits = [.pod, .bindings, .claim]
            return action
        }
        var action = write(
            binding,
            BindingStatus(
                .applied, nodeName: pod.node ?? "", reason: .applied, message: message, podUID: pod.uid,
                holds: [binding.wanted]),
            event: binding.status?.resourceStatus == .applied
                ? nil : .init(reason: "Applied", message: message))
        action.waits = [.pod, .bindings, .claim]
        return action
    }

    /// The status of a binding whose claim is not enforced in every container yet. What was Applied before is said to be
    /// pinned again, so that a restart of a container emits no events.
    private func validated(
        _ binding: Binding, _ pod: PodFacts, _ reason: BindingStatus.Reason, _ message: String
    ) -> BindingAction {
        let previous = binding.status
        let isAgain = previous.map { $0.resourceStatus == .applied || $0.reason == .repinning } ?? false
        return write(
            binding,
            BindingStatus(
                .validated, nodeName: pod.node ?? "", reason: isAgain ? .repinning : reason, message: message,
                podUID: pod.uid, holds: binding.held))
    }

    private func unansweredHolder(_ binding: Binding, _ pod: PodFacts) -> BindingAction {
        // What was applied is so as far as anybody knows.
        if binding.status?.resourceStatus == .applied { return BindingAction() }
        return validated(binding, pod, .nodeNotAnswering, unanswered(binding))
    }

    // MARK: - Statuses

    private var isUnanswered: Bool { claim == .unknown && nodeExists }

    private func unanswered(_ binding: Binding) -> String {
        "node \(pod?.node ?? binding.status?.nodeName ?? "") does not answer"
    }

    /// The binding waits, and keeps what it holds.
    private func pending(
        _ binding: Binding, _ reason: BindingStatus.Reason, _ message: String, _ waits: Set<BindingAction.Wait>,
        warns: Bool = false, holding: [Hold]? = nil
    ) -> BindingAction {
        let holds = holding ?? binding.held
        let node = binding.status.flatMap { $0.nodeName.isEmpty ? nil : $0.nodeName } ?? pod?.node ?? ""
        var action = write(
            binding,
            BindingStatus(
                .pending, nodeName: holds.isEmpty ? "" : node, reason: reason, message: message,
                podUID: holds.isEmpty ? nil : binding.status?.podUID, holds: holds),
            event: warns ? .init(isWarning: true, reason: reason.rawValue, message: message) : nil)
        action.waits = waits
        return action
    }

    /// Writes a status where it says something new, with its event.
    private func write(
        _ binding: Binding, _ status: BindingStatus, event: BindingAction.Event? = nil
    ) -> BindingAction {
        var action = BindingAction()
        var status = status
        status.observedGeneration = binding.generation
        guard status != binding.status else { return action }
        action.status = status
        if status.resourceStatus != binding.status?.resourceStatus || status.message != binding.status?.message {
            action.event = event
        }
        return action
    }
}
