import Bindings
import KubernetesClient
import Ledger
import Machine
import TestSupport

extension ClusterSimulation {
    /// The cluster as it is at the start.
    func begin() {
        for index in 0..<shape.nodes { nodes.append(SimulatedNode(self, index: index, machine())) }
        for node in nodes { node.boot() }
        controllers = ["controller-a", "controller-b"].map {
            SimulatedController(self, name: $0, skew: shape.hasFaults ? chance(7_200) - 3_600 : 0)
        }
        controllers[0].lead()
        extender = SimulatedExtender(self, arguments)
        scheduler = SimulatedScheduler(self)
        for _ in 0..<shape.actions { after(chance(shape.seconds * 1_000)) { [unowned self] in act() } }
        upkeep()
    }

    private func machine() -> Machine {
        let shape = CapturedFiles.Shape(
            packages: 1 + chance(2), coresPerNode: 2 + chance(3), threadsPerCore: 1 + chance(2))
        do { return try MachineReader(files: CapturedFiles(shape)).read() } catch {
            preconditionFailure("a regular machine cannot be read: \(error)")
        }
    }

    /// Everything works again, and nothing more happens.
    func heal() {
        note("everything works again")
        isHealed = true
        downUntil = now
        for node in nodes { node.setPartitioned(false) }
        controllers[1].resign()
        controllers[0].lead()
    }

    /// What the cluster does by itself: pods of nodes that are gone, or silent for five minutes, are deleted.
    private func upkeep() {
        after(20_000) { [unowned self] in upkeep() }
        guard now >= downUntil else { return }
        for pod in server.list(.pods).map({ Pod(json: $0) }) {
            guard let name = pod.nodeName else { continue }
            let node = server[.nodes, ServerKey(name: name)].map { Node(json: $0) }
            if node?.isReady == true {
                silent[pod.metadata.uid] = nil
                continue
            }
            let since = silent[pod.metadata.uid] ?? now
            silent[pod.metadata.uid] = since
            if node == nil, now - since >= 40_000 {
                remove(.pods, pod.key, isForced: true)
            } else if node != nil, now - since >= 300_000, !pod.metadata.isBeingDeleted {
                remove(.pods, pod.key)
            }
        }
        watchOver()
        watchHolds()
    }

    func remove(_ kind: ModelServer.Kind, _ key: ServerKey, isForced: Bool = false) {
        note("\(key) is deleted\(isForced ? " by force" : "")")
        try? server.delete(kind, key, isForced: isForced, now: serverTime)
    }

    // MARK: - What happens

    private func act() {
        watchOver()
        // A server that is down takes nothing from people either.
        let isUp = now >= downUntil
        switch chance(100) {
        case 0..<22: if isUp { createPod(isOurs: true) }
        case 22..<32: if isUp { createPod(isOurs: false) }
        case 32..<44: if isUp { writeBinding() }
        case 44..<50: if isUp { editBinding() }
        case 50..<54: if isUp { deleteBinding() }
        case 54..<64: if isUp, let pod = anyPod { remove(.pods, pod.key, isForced: shape.hasFaults && isLucky(20)) }
        case 64..<68: anyNode.finishPod()
        case 68..<74: anyNode.restartContainer()
        case 74..<80: claimForHost()
        default: if shape.hasFaults { fail() }
        }
    }

    private func fail() {
        let node = anyNode
        switch chance(26) {
        case 0..<2: controllers[chance(2)].restart()
        case 2..<5: changeLeader()
        case 5..<7: restartExtender()
        case 7..<9:
            note("\(node.name): berth-node restarts")
            node.startAgent()
        case 9..<11: node.restartDaemon(after: chance(20_000))
        case 11: node.reboot(isLucky(50) ? machine() : nil)
        case 12..<15:
            node.setPartitioned(true)
            after(chance(isLucky(25) ? 600_000 : 60_000)) { [unowned self] in
                if !isHealed { node.setPartitioned(false) }
            }
        case 15:
            if isLucky(50) { node.setPartitioned(true) }
            remove(.nodes, ServerKey(name: node.name))
            after(chance(120_000)) { [unowned self] in if !isHealed { node.setPartitioned(false) } }
        case 16..<18:
            downUntil = now + chance(20_000)
            note("the server is down")
        case 18:
            guard isLucky(30) else { return }
            downUntil = now + 3_600_000
            note("the server is down for an hour")
        case 19..<21: server.compact()
        case 21..<23:
            note("the scheduler restarts")
            scheduler?.end()
            scheduler = SimulatedScheduler(self)
        case 23:
            if isLucky(50), now >= downUntil { node.rename() } else { node.restartKubelet() }
        default: clockStep += chance(7_200) - 3_600
        }
    }

    private func changeLeader() {
        let new = controllers[0].leads ? 1 : 0
        let old = controllers[1 - new]
        // The old one may believe for a while that it leads.
        if isLucky(50) { controllers[new].lead() } else { old.resign() }
        after(chance(8_000)) { [unowned self] in
            guard !isHealed else { return }
            old.resign()
            controllers[new].lead()
        }
    }

    private func restartExtender() {
        note("the extender restarts")
        if let extender {
            extender.end()
            ended.append(extender)
        }
        extender = SimulatedExtender(self, arguments)
    }

    // MARK: - People and hosts

    private var anyNode: SimulatedNode { nodes[chance(nodes.count)] }
    private var anyPod: Pod? { server.list(.pods).randomElement(using: &random).map { Pod(json: $0) } }
    private var anyBinding: PodCPUBinding? {
        server.list(.bindings).randomElement(using: &random).map { PodCPUBinding(json: $0) }
    }

    private func createPod(isOurs: Bool) {
        // Few names, so that pods are created again under the same.
        let name = "\(isOurs ? "work" : "plain")-\(chance(10))"
        var labels: JSONValue = .object([])
        if isLucky(80), let family = WorkloadFamily.allCases.randomElement(using: &random) {
            labels[WorkloadFamily.label] = .string(family.rawValue)
        }
        let containers: [JSONValue] = (0..<(1 + chance(2))).map { number in
            ["name": .string("c\(number)"), "resources": ["requests": ["cpu": .string("\(1 + chance(2))")]]]
        }
        let pod: JSONValue = [
            "metadata": ["name": .string(name), "namespace": "default", "labels": labels],
            "spec": [
                "schedulerName": .string(isOurs ? "maestro" : "default-scheduler"), "containers": .array(containers),
            ],
        ]
        guard (try? server.create(.pods, pod, now: serverTime)) != nil else { return }
        tampered.remove(ServerKey(namespace: "default", name: "\(name)-pcb"))
        note("pod \(name) is created")
    }

    private func numbers() -> [Int] {
        if isLucky(12) { return [[-1], [0, 0], [9_999], [], Array(0..<200)].randomElement(using: &random) ?? [] }
        let first = chance(8)
        return Array(first..<(first + 1 + chance(3)))
    }

    private func writeBinding() {
        names += 1
        var binding = PodCPUBinding(name: "hand-\(names)", namespace: "default")
        binding.podName = isLucky(80) ? "plain-\(chance(10))" : isLucky(50) ? "work-\(chance(10))" : "nobody"
        binding.cpuSet = numbers()
        binding.exclusivenessLevel = PodCPUBinding.ExclusivenessLevel.allCases.randomElement(using: &random)
        note(
            "\(binding.key) for \(binding.podName): \(binding.cpuSet.prefix(5)) \(binding.exclusivenessLevel?.rawValue ?? "")"
        )
        _ = try? server.create(.bindings, binding.json, now: serverTime)
    }

    private func editBinding() {
        guard let binding = anyBinding else { return }
        tampered.insert(binding.key)
        let cpus = numbers()
        let level = PodCPUBinding.ExclusivenessLevel.allCases.randomElement(using: &random) ?? .cpu
        note("\(binding.key) is edited: \(cpus.prefix(5)) \(level.rawValue)")
        _ = try? server.patch(
            .bindings, binding.key,
            .merge([
                "spec": [
                    "cpuSet": .array(cpus.map { ["cpuID": JSONValue($0)] }),
                    "exclusivenessLevel": .string(level.rawValue),
                ]
            ]))
    }

    private func deleteBinding() {
        guard let binding = anyBinding else { return }
        tampered.insert(binding.key)
        remove(.bindings, binding.key)
    }

    private func claimForHost() {
        let node = anyNode
        guard node.daemon.isRunning else { return }
        let holder = isLucky(50) ? Holder.service("db-\(chance(3))") : Holder(kind: .run, name: "run-\(chance(3))")
        let request: Request
        if node.daemon.ledger[holder] != nil {
            request = .release(holder)
        } else {
            let cpus = CPURequest(.count(1 + chance(3)), pool: Pool.ordinary, onlineOnly: true)
            request = .claim(ClaimRequest(holder: holder, cpus: cpus, isComplete: true))
        }
        let changed = (try? node.daemon.submit(request)) ?? []
        note("\(node.name): \(holder.fullName) has \(node.daemon.ledger[holder]?.cpus.list ?? "nothing")")
        node.agent?.heard(changed)
    }
}
