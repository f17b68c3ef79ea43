import HostClient
import KubernetesClient
import Logging
import Synchronization

extension NodeAgent {
    /// Makes the claim of a pod what it is to be, and reports.
    ///
    /// - Throws: where the daemon or the server does not answer: the pod is to be looked at again.
    func reconcile(_ pod: ObjectKey) async throws {
        let call = pinnings.begin(pod)
        do {
            let outcome = try await settle(pod, call)
            if let call {
                // What a binding says ends with the binding, and a call does not outlive it: an Apply beside it never counts,
                // a Remove always does, although the pod keeps the CPUs of the binding.
                let isBound = situation(of: pod, nil, nil).leading != nil
                let counts = isBound ? call.demand == .remove : outcome == nil
                pinnings.finish(call, failure: outcome, counts: counts)
            }
        } catch {
            // The caller hears that it failed, and may ask again: it is not carried out later.
            if let call { pinnings.finish(call, failure: "\(error)", counts: false) }
            throw error
        }
    }

    /// - Returns: why the call was not carried out; nil where it was, or there is none.
    private func settle(_ pod: ObjectKey, _ call: Pinnings.Call?) async throws -> String? {
        var known: HeldClaim??
        // Each round asks the daemon for one change; no pod needs more than a release and a claim.
        for _ in 0..<4 {
            var situation: PodSituation
            do throws(BerthError) {
                let held: HeldClaim?
                if let known { held = known } else { held = try await host.claim(of: pod) }
                situation = self.situation(of: pod, held, call)
            } catch {
                let unanswered = self.situation(of: pod, nil, call).reports(whileUnanswered: error.description)
                try await write(unanswered)
                throw error
            }
            note(situation.held, of: pod)
            let decision = situation.decide()
            try await write(decision.reports)
            guard let request = decision.request else { return outcome(of: call, situation) }
            known = try await carryOut(request, for: pod)
        }
        return "the claim of the pod changes all the time"
    }

    private func situation(of pod: ObjectKey, _ held: HeldClaim?, _ call: Pinnings.Call?) -> PodSituation {
        state.withLock { state in
            PodSituation(
                of: pods[pod], on: node, bindings: bindings.objects(by: .pod, pod.description),
                pinning: call?.demand.state ?? pinnings[pod], held: held, refusal: state.refusals[pod],
                written: state.written)
        }
    }

    /// Notes whether the daemon has a claim for the pod.
    private func note(_ held: HeldClaim?, of pod: ObjectKey) {
        let isKnown = pods[pod] != nil
        state.withLock { state in
            if held == nil { state.claimed.remove(pod) } else { state.claimed.insert(pod) }
        }
        if held == nil, !isKnown { pinnings.forget(pod) }
    }

    /// Asks the daemon for a change.
    ///
    /// - Returns: the claim that it has then; the outer nil where it is to be read.
    /// - Throws: ``BerthError`` where it does not say.
    private func carryOut(_ request: PodDecision.Request, for pod: ObjectKey) async throws(BerthError) -> HeldClaim?? {
        switch request {
        case .release:
            try await host.release(pod)
            state.withLock { $0.refusals.forget(pod) }
            log.info("released", metadata: ["pod": "\(pod)"])
            return .some(nil)
        case .put(let wish):
            let changes = state.withLock { $0.refusals.changes }
            do throws(BerthError) {
                let held = try await host.put(wish, for: pod)
                state.withLock { $0.refusals.forget(pod) }
                log.info(
                    "claimed", metadata: ["pod": "\(pod)", "cpus": "\(wish.cpus)", "level": "\(wish.level.rawValue)"])
                return held
            } catch {
                guard let problem = error.problem, problem.isRefusal else { throw error }
                if problem.asksForRelease {
                    try await host.release(pod)
                    return .some(nil)
                }
                let (isNews, delay) = state.withLock {
                    $0.refusals.note(
                        .init(wish, reason: problem.text), of: pod, asked: changes, isOfKernel: problem.isOfKernel)
                }
                log.log(
                    level: isNews ? .warning : .debug, "refused",
                    metadata: ["pod": "\(pod)", "reason": "\(problem.text)"])
                if let delay { queue.add(.retry(pod), after: delay) }
                return nil
            }
        }
    }

    /// What the call has come to: nil where it was carried out.
    private func outcome(of call: Pinnings.Call?, _ situation: PodSituation) -> String? {
        guard let call else { return nil }
        let leading = situation.leading.flatMap { binding in binding.claim.map { (binding.key, $0.cpus) } }
        switch call.demand {
        case .remove:
            guard let (key, cpus) = leading else { return nil }
            return "the pod has the CPUs \(cpus) of the binding \(key)"
        case .apply(let pinning):
            if let (key, cpus) = leading, !CPUNumbers.areSame(cpus, pinning.cpus) {
                return "the pod has the CPUs \(cpus) of the binding \(key)"
            }
            guard let wish = situation.wish else { return "the pod is not on this node any more" }
            guard let held = situation.held, held.meets(wish) else {
                return situation.refusal?.reason ?? "the CPUs are being changed"
            }
            if let failure = held.failure { return failure }
            return held.containers.first { !$0.isConfined }.map { container in
                "failed to update cpu set for container \(container.name) in pod \(call.pod): its cgroup was not found"
            }
        }
    }

    // MARK: - Reports

    private func write(_ reports: [ObjectKey: PodCPUBinding.NodeReport]) async throws(KubernetesError) {
        for (key, report) in reports.sorted(by: { $0.key < $1.key }) {
            guard let binding = bindings[key] else { continue }
            do throws(KubernetesError) {
                _ = try await client.resources(PodCPUBinding.self).patch(
                    key.name, namespace: key.namespace, PodCPUBinding.patch(reporting: report),
                    subresource: "status")
            } catch {
                // It is gone: the watch will say so.
                guard error.reason == .notFound else { throw error }
                continue
            }
            state.withLock { $0.written.note(report, of: binding) }
        }
    }
}

extension Problem {
    /// Why it is refused, and who has what is missing.
    fileprivate var text: String {
        let holders = heldBy.map { "\($0.holder) has CPUs \($0.cpus)" }
        return holders.isEmpty ? detail : "\(detail): \(holders.joined(separator: ", "))"
    }

    /// Whether the daemon has decided against the request; else it could not decide.
    fileprivate var isRefusal: Bool {
        (400..<500).contains(status) && status != 408 && status != 429 && code != "changing"
    }

    /// Whether the daemon has agreed, and the kernel has not.
    fileprivate var isOfKernel: Bool { code == "not_enforceable" }

    /// Whether the claim must be released before it can be what was asked for.
    fileprivate var asksForRelease: Bool { code == "enforced" || code == "recorded" }
}
