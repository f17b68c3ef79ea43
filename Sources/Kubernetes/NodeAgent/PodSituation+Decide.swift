import KubernetesClient

/// What the agent does next for a pod.
package struct PodDecision: Equatable, Sendable {
    /// What the host is asked for.
    package enum Request: Equatable, Sendable {
        /// To make the claim this, in one step.
        case put(ClaimWish)
        /// To give everything back.
        case release
    }

    /// nil where there is nothing to ask for.
    package var request: Request?
    /// What the bindings are to say of the node, where that differs from what they say.
    package var reports: [ObjectKey: PodCPUBinding.NodeReport]

    package init(request: Request? = nil, reports: [ObjectKey: PodCPUBinding.NodeReport] = [:]) {
        self.request = request
        self.reports = reports
    }
}

extension PodSituation {
    /// The binding that the claim follows: of several that have CPUs, which the controller does not let happen, the oldest.
    package var leading: Binding? {
        bindings.filter { $0.claim != nil }.min { one, other in
            guard one.created == other.created else {
                return (one.created?.description ?? "") < (other.created?.description ?? "")
            }
            return one.uid < other.uid
        }
    }

    /// What the claim is to be; nil for none.
    package var wish: ClaimWish? {
        if let claim = leading?.claim { return wish(for: claim) }
        guard let pod, !pod.isFinished else { return nil }
        switch pinning {
        case .wanted(let pinning) where pinning.podUID == pod.uid:
            return ClaimWish(
                cgroupUID: pod.cgroupUID, cpus: pinning.cpus, level: pinning.level, memoryNodes: pinning.memoryNodes,
                containers: pod.containers, isPinning: true)
        case .unknown:
            // Made by a call before the agent was started.
            guard let held, held.isPinning, held.cgroupUID == pod.cgroupUID, let level = held.level else { return nil }
            return ClaimWish(
                cgroupUID: pod.cgroupUID, cpus: held.cpus, level: level, memoryNodes: held.memoryNodes,
                containers: pod.containers, isPinning: true)
        case .wanted, .removed: return nil
        }
    }

    private func wish(for claim: PodCPUBinding.Claim) -> ClaimWish {
        // Another pod of the same name is not what the CPUs are for.
        let pod = pod?.uid == claim.podUID ? pod : nil
        return ClaimWish(
            cgroupUID: pod?.cgroupUID ?? claim.podUID, cpus: claim.cpus, level: claim.exclusivenessLevel,
            memoryNodes: claim.memoryNodes, containers: pod?.containers ?? [])
    }

    /// What to do next. After the host was asked it is decided again, on what the host then has.
    package func decide() -> PodDecision {
        var decision = PodDecision()
        let wish = wish
        let isMet = wish.map { held?.meets($0) ?? false } ?? (held == nil)
        if !isMet { decision.request = request(wish) }
        if let binding = leading, let claim = binding.claim, let wish {
            report(binding, state(of: claim, wish, isMet: isMet), &decision)
        }
        for binding in bindings where binding.key != leading?.key {
            if binding.claim != nil {
                let message = "The pod has the CPUs of the binding \(leading?.key.description ?? "")"
                report(binding, .init(.refused, claim: binding.claim, message: message), &decision)
            } else if let last = binding.report, last.state != .released, isMet {
                report(binding, .init(.released), &decision)
            }
        }
        return decision
    }

    /// What the host is to be asked for, whose claim is not what was wished for.
    private func request(_ wish: ClaimWish?) -> PodDecision.Request? {
        if let held, !held.isActive { return nil }
        guard let wish else { return .release }
        // One that was recorded for no pod confines nobody, and is in the way.
        if let held, held.cgroupUID == nil { return .release }
        // A binding that was asked to give its CPUs back does so before another one takes CPUs.
        let isAwaited = bindings.contains { binding in
            binding.claim == nil && binding.report.map { $0.state != .released } ?? false
        }
        if held != nil, isAwaited { return .release }
        return refusal?.wish == wish ? nil : .put(wish)
    }

    /// What the node says of the claim of the binding; nil where that stays what it is.
    private func state(
        of claim: PodCPUBinding.Claim, _ wish: ClaimWish, isMet: Bool
    ) -> PodCPUBinding.NodeReport? {
        if isMet, let held {
            guard held.isActive else { return nil }
            return .init(
                held.failure == nil ? .enforced : .claiming, claim: claim, containers: held.confined,
                message: held.failure ?? "")
        }
        guard let refusal, refusal.wish == wish else { return nil }
        return .init(
            .refused, claim: claim, held: held.flatMap { self.claim($0, claim, wish) },
            containers: held?.confined ?? [], message: refusal.reason)
    }

    /// What is held, as the claim of a binding says it.
    private func claim(
        _ held: HeldClaim, _ claim: PodCPUBinding.Claim, _ wish: ClaimWish
    ) -> PodCPUBinding.Claim? {
        PodCPUBinding.Claim(
            podUID: held.cgroupUID == wish.cgroupUID ? claim.podUID : held.cgroupUID ?? "", cpus: held.cpus,
            exclusivenessLevel: held.level ?? .cpu, exclusive: held.exclusive, memoryNodes: held.memoryNodes)
    }

    private func report(
        _ binding: Binding, _ report: PodCPUBinding.NodeReport?, _ decision: inout PodDecision
    ) {
        if let report, report != binding.report { decision.reports[binding.key] = report }
    }

    /// What the bindings are to say while the host does not answer: those whose claim it has not answered wait for it.
    package func reports(whileUnanswered reason: String) -> [ObjectKey: PodCPUBinding.NodeReport] {
        var decision = PodDecision()
        for binding in bindings {
            guard let claim = binding.claim else { continue }
            let last = binding.report
            if last?.claim == claim, last?.state == .enforced || last?.state == .refused { continue }
            let held = last?.held ?? (last?.state == .enforced ? last?.claim : nil)
            report(
                binding,
                .init(.claiming, claim: claim, held: held, containers: last?.containers ?? [], message: reason),
                &decision)
        }
        return decision.reports
    }
}
