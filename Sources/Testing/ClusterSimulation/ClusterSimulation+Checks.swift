import Bindings
import Cluster
import KubernetesClient
import Ledger
import Machine
import NodeAgent

extension ClusterSimulation {
    /// What must hold once everything works again and nothing changes.
    func check() {
        var facts = ClusterFacts()
        for node in server.list(.nodes).map({ Node(json: $0) }) {
            _ = facts.set(node: node.metadata.name, isReady: node.isReady)
        }
        for topology in server.list(.topologies).map({ NodeCPUTopology(json: $0) }) {
            _ = facts.set(topologyOf: topology.nodeName, NodeFacts(topology))
        }
        for pod in server.list(.pods).map({ Pod(json: $0) }) {
            _ = facts.set(pod: ObjectKey(pod.key), PodFacts(pod.trimmed))
            if pod.metadata.isBeingDeleted { complain("pod \(pod.key) is still being deleted") }
        }
        let bindings = server.list(.bindings).map { PodCPUBinding(json: $0) }
        for binding in bindings { _ = facts.set(ObjectKey(binding.key), binding) }
        for binding in bindings { check(binding, &facts) }
        for node in nodes {
            check(node, bindings)
            checkHolds(on: node, bindings)
        }
        checkPods(bindings)
    }

    /// Nothing is left to do for a binding, which says how it is with it.
    private func check(_ binding: PodCPUBinding, _ facts: inout ClusterFacts) {
        let key = binding.key
        if binding.metadata.isBeingDeleted { return complain("binding \(key) is still being deleted") }
        guard let question = facts.question(about: ObjectKey(key)) else {
            return complain("binding \(key) is unreadable")
        }
        let action = question.snapshot.decide()
        let reason = question.snapshot.binding?.status?.reason
        let text = "\(binding.resourceStatus?.rawValue ?? "no status") (\(reason?.rawValue ?? "no reason"))"
        guard action.isEmpty else {
            let next = action.status.map { "\($0.resourceStatus.rawValue) (\($0.message))" } ?? "\(action)"
            return complain("binding \(key) is stuck as \(text), and should be \(next)")
        }
        switch (binding.resourceStatus, reason) {
        case (.applied?, _):
            let pod = server[.pods, ServerKey(namespace: key.namespace, name: binding.podName)].map { Pod(json: $0) }
            guard let pod, let node = nodes.first(where: { $0.name == pod.nodeName }) else {
                return complain("binding \(key) is Applied without a pod")
            }
            let cpus = CPUSet(binding.cpuSet)
            guard !cpus.isEmpty, node.isRunning(pod.metadata.uid) else { return }
            let found = node.cpus(of: pod.metadata.uid)
            guard let wrong = found.first(where: { $0 != cpus }) ?? (found.isEmpty ? CPUSet() : nil) else { return }
            complain("binding \(key) is Applied with \(cpus.list), and the pod's cgroup has \(wrong.list)")
        case (.pending?, .podNotScheduled?), (.pending?, .earlierBinding?), (.podNotFound?, _), (.invalidCPUSet?, _),
            (.cpuSetAllocationFailed?, _), (.failed?, _):
            break
        default: complain("binding \(key) is stuck as \(text): \(question.snapshot.binding?.status?.message ?? "")")
        }
    }

    /// No two bindings hold what only one may use.
    private func checkHolds(on node: SimulatedNode, _ bindings: [PodCPUBinding]) {
        for text in conflicts(on: node, bindings) { complain(text) }
    }

    private func conflicts(on node: SimulatedNode, _ bindings: [PodCPUBinding]) -> [String] {
        let topology = NodeTopology(node.nodeMachine.topology)
        let holders = bindings.filter { $0.nodeName == node.name }.compactMap { Bindings.Binding($0) }
        var texts: [String] = []
        for (index, one) in holders.enumerated() {
            for other in holders[(index + 1)...] {
                for (own, others) in (one.status?.holds ?? []).flatMap({ own in
                    (other.status?.holds ?? []).map { (own, $0) }
                }) {
                    let (mine, its) = (
                        topology.exclusive(own.cpus, own.level), topology.exclusive(others.cpus, others.level)
                    )
                    let common = mine.intersection(its.union(others.cpus)).union(its.intersection(own.cpus))
                    if common.isEmpty { continue }
                    texts.append("\(one.key) and \(other.key) both hold \(common.list) of \(node.name)")
                }
            }
        }
        return texts
    }

    // MARK: - While things fail

    /// What must hold at any time: no CPU is exclusive to two, nobody runs on another's exclusive CPUs, and containers of which
    /// a binding says that it is applied run where it says.
    func watchOver() {
        for node in nodes {
            if let problem = node.daemon.problem() { complain("\(node.name): \(problem)") }
            // What starts runs anywhere until the daemon has seen it, and the daemon has to be there.
            guard node.daemon.isRunning, now - node.lastStart > 200 else { continue }
            if let problem = node.daemon.intruder() { complain("\(node.name): \(problem)") }
        }
        for binding in server.list(.bindings).map({ PodCPUBinding(json: $0) }) {
            guard binding.resourceStatus == .applied, let claim = binding.claim, !binding.metadata.isBeingDeleted,
                binding.observedGeneration == binding.metadata.generation
            else { continue }
            let key = ServerKey(namespace: binding.key.namespace, name: binding.podName)
            guard let pod = server[.pods, key].map({ Pod(json: $0) }), pod.metadata.uid == claim.podUID,
                !pod.metadata.isBeingDeleted, let node = nodes.first(where: { $0.name == pod.nodeName })
            else { continue }
            let cpus = CPUSet(binding.cpuSet)
            let running = Set(pod.live.containers.map(\.id))
            for id in binding.containers where running.contains(id) {
                let digits = id.split(separator: "/").last.map { String($0) } ?? id
                if let time = node.leftOut[digits], now - time < 120_000 { continue }
                guard let found = node.daemon.cgroups[digits]?.cpus, found != cpus else { continue }
                complain("binding \(binding.key) is Applied with \(cpus.list), and its container runs on \(found.list)")
            }
        }
    }

    /// Controllers that believe both to lead may give CPUs to two bindings, which the node's daemon does not let happen; soon
    /// one of the two has to give way, where node and server answer.
    func watchHolds() {
        let bindings = server.list(.bindings).map { PodCPUBinding(json: $0) }
        var found: [String: Int] = [:]
        for node in nodes where !node.isPartitioned && node.daemon.isRunning {
            for text in conflicts(on: node, bindings) {
                found[text] = conflicts[text] ?? now
                if now - (conflicts[text] ?? now) >= 300_000 { complain("for five minutes \(text)") }
            }
        }
        conflicts = found
    }

    /// The node has what bindings say and nothing else, says what it is, and has nothing left to do.
    private func check(_ node: SimulatedNode, _ bindings: [PodCPUBinding]) {
        if let problem = node.daemon.problem() { complain("\(node.name): \(problem)") }
        for claim in node.daemon.ledger.sortedClaims {
            guard let pod = claim.holder.pod else { continue }
            let isFor = bindings.contains {
                $0.nodeName == node.name && $0.claim != nil && $0.key.namespace == pod.namespace
                    && $0.podName == pod.name
            }
            if !isFor { complain("\(node.name): the claim of \(pod) was not given back") }
        }
        let topologies = server.list(.topologies).map { NodeCPUTopology(json: $0) }.filter { $0.nodeName == node.name }
        let publication = TopologyPublication(
            machine: node.nodeMachine, others: node.cpusOfOthers, address: "10.0.0.\(node.index)")
        if let topology = NodeCPUTopology.effective(topologies) {
            if publication.specPatch(of: topology) != nil || publication.statusPatch(of: topology) != nil {
                complain("\(node.name): the topology is not what the machine is")
            }
        } else {
            complain("\(node.name) has no topology")
        }
        for binding in bindings where binding.nodeName == node.name {
            guard let claim = binding.claim, binding.nodeReport?.state == .refused, binding.nodeReport?.claim == claim
            else { continue }
            // What is refused cannot be had now either.
            let pod = ServerKey(namespace: binding.key.namespace, name: binding.podName)
            guard let uid = server[.pods, pod]?["metadata"]?["uid"]?.string, uid == claim.podUID else { continue }
            var copy = node.daemon
            let wish = ClaimWish(
                cgroupUID: uid, cpus: claim.cpus, level: claim.exclusivenessLevel, memoryNodes: claim.memoryNodes)
            if (try? copy.submit(SimulatedNode.request(wish, for: pod))) != nil {
                complain("binding \(binding.key) is refused, and could have its CPUs")
            }
        }
    }

    /// Every pod of the extender has its binding, or no node has room for it.
    private func checkPods(_ bindings: [PodCPUBinding]) {
        guard let extender else { return }
        for choice in extender.cpus.pending { complain("the choice for \(choice.pod) is forgotten") }
        var cpus = ClusterCPUs(args: extender.cpus.args)
        for topology in server.list(.topologies).map({ NodeCPUTopology(json: $0) }) {
            if let facts = NodeFacts(topology) { cpus.setNode(facts) }
        }
        let pods = server.list(.pods).map { Pod(json: $0) }
        for object in bindings {
            guard let binding = Bindings.Binding(object) else { continue }
            let pod = pods.first { $0.key.name == binding.podName }
            cpus.see(binding, node: object.chosenNode ?? pod?.nodeName)
        }
        for pod in pods where pod.schedulerName == "maestro" {
            let own = ServerKey(namespace: pod.key.namespace, name: "\(pod.key.name)-pcb")
            let binding = bindings.first { $0.key == own }
            if pod.nodeName == nil {
                let isTaken = bindings.contains { $0.podName == pod.key.name }
                let fitting = cpus.filter(PodRequest(pod), nodes.map(\.name)).fitting
                if !isTaken, let node = fitting.first { complain("pod \(pod.key) waits, and has room on \(node)") }
                if binding != nil { complain("pod \(pod.key) is not bound, and has a binding") }
            } else if binding == nil, !tampered.contains(own), !pod.isFinished {
                complain("pod \(pod.key) is bound, and has no binding")
            }
        }
    }
}
