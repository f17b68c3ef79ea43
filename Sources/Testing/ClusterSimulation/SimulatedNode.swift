import KubernetesClient
import Ledger
import Machine
import NodeAgent

/// A machine of the cluster: its daemon, its kubelet with the containers, and its agent.
final class SimulatedNode {
    unowned let world: ClusterSimulation
    let index: Int
    private(set) var name: String
    var daemon: SimulatedDaemon
    var agent: SimulatedAgent?
    private(set) var isPartitioned = false
    /// Whether it is to have a Node.
    private var isRegistered = false

    /// The containers of a pod.
    private struct PodRun {
        let key: ServerKey
        /// By name; nil for one that has ended.
        var ids: [String: String?]
        var isFinished = false
        var isEnding = false
    }

    private var runs: [String: PodRun] = [:]
    private var pods: WatchedCopy<Pod>?
    private var containers = 0
    private var names = 0
    /// When a container was started last, which the daemon has to see first.
    private(set) var lastStart = 0
    /// When the server was last told of a pod without a container that runs, by its id: a report that was late.
    private(set) var leftOut: [String: Int] = [:]

    init(_ world: ClusterSimulation, index: Int, _ machine: Machine) {
        (self.world, self.index) = (world, index)
        name = "node-\(index)"
        daemon = SimulatedDaemon(machine)
    }

    /// Begins once the world knows it.
    func boot() {
        register()
        startKubelet()
        beat()
        startAgent()
    }

    func startAgent() {
        agent?.end()
        agent = SimulatedAgent(self)
    }

    // MARK: - Faults

    func setPartitioned(_ isPartitioned: Bool) {
        guard self.isPartitioned != isPartitioned else { return }
        self.isPartitioned = isPartitioned
        world.note("\(name) is \(isPartitioned ? "cut off" : "reachable")")
    }

    /// The daemon ends, and comes back.
    func restartDaemon(after pause: Int) {
        world.note("\(name): berthd restarts")
        daemon.isRunning = false
        daemon.run += 1
        let run = daemon.run
        world.after(pause) { [unowned self] in
            guard daemon.run == run else { return }
            daemon.isRunning = true
            agent?.heard(daemon.recover())
            agent?.follow()
        }
    }

    /// The machine restarts, perhaps with other CPUs.
    func reboot(_ machine: Machine? = nil) {
        world.note("\(name) reboots")
        for id in daemon.cgroups.keys { daemon.end(container: id) }
        if let machine {
            daemon = SimulatedDaemon(machine)
        }
        runs = [:]
        restartDaemon(after: 1_000)
        pods?.end()
        startKubelet()
        startAgent()
    }

    /// The machine comes back under another name, and somebody deletes the Node of the old one.
    func rename() {
        world.remove(.nodes, ServerKey(name: name))
        names += 1
        let old = name
        name = "node-\(index)-\(names)"
        world.note("\(old) is now \(name)")
        reboot()
    }

    func restartKubelet() {
        world.note("\(name): the kubelet restarts")
        pods?.end()
        startKubelet()
        endForgotten()
    }

    /// Ends the containers of pods that are gone since.
    private func endForgotten() {
        world.after(2_000) { [unowned self] in
            guard let pods, pods.hasSynced else { return endForgotten() }
            let known = Set(pods.sorted.map(\.metadata.uid))
            for uid in runs.keys.sorted() where !known.contains(uid) { forget(uid) }
        }
    }

    func restartContainer() {
        guard let uid = runs.keys.sorted().randomElement(using: &world.random), let run = runs[uid], !run.isFinished,
            let name = run.ids.keys.sorted().randomElement(using: &world.random)
        else { return }
        if let id = run.ids[name] ?? nil { stop(id) }
        runs[uid]?.ids[name] = .some(nil)
        world.note("\(self.name): container \(name) of \(run.key) restarts")
        report(uid)
        world.after(world.chance(5_000)) { [unowned self] in
            guard runs[uid]?.isFinished == false, runs[uid]?.isEnding == false, runs[uid]?.ids[name] == .some(nil)
            else {
                return
            }
            runs[uid]?.ids[name] = start(uid)
            report(uid)
        }
    }

    func finishPod() {
        guard let uid = runs.keys.sorted().randomElement(using: &world.random), runs[uid]?.isFinished == false else {
            return
        }
        world.note("\(name): \(runs[uid]?.key.description ?? "") finishes")
        end(uid)
        runs[uid]?.isFinished = true
        report(uid)
    }

    // MARK: - The Node

    private func register() {
        isRegistered = true
        let node: JSONValue = [
            "metadata": ["name": .string(name)],
            "status": [
                "conditions": [["type": "Ready", "status": "True"]],
                "addresses": [["type": "InternalIP", "address": .string("10.0.0.\(index)")]],
            ],
        ]
        _ = try? world.server.create(.nodes, node, now: world.serverTime)
    }

    /// Every 10 seconds the kubelet says that it lives; the cluster notices within 40 that it does not.
    private func beat() {
        let isHeard = world.isReachable(from: index)
        let key = ServerKey(name: name)
        if isHeard {
            if world.server[.nodes, key] == nil { register() }
            lastBeat = world.now
        }
        if world.now >= world.downUntil {
            let isReady = world.now - lastBeat < 40_000
            let before = world.server.writes
            _ = try? world.server.patch(
                .nodes, key,
                .merge([
                    "status": ["conditions": [["type": "Ready", "status": .string(isReady ? "True" : "Unknown")]]]
                ]), status: true)
            world.server.writes = before
        }
        world.after(10_000) { [unowned self] in beat() }
    }

    private var lastBeat = 0

    // MARK: - The kubelet

    private func startKubelet() {
        pods = WatchedCopy(world, .pods, place: index, selects: { [name] in $0.nodeName == name }) {
            [unowned self] change in
            switch change {
            case .deleted(let pod): forget(pod.metadata.uid)
            case .added(let pod): sync(pod)
            case .updated(let old, let pod):
                if old.metadata.uid != pod.metadata.uid { forget(old.metadata.uid) }
                sync(pod)
            }
        }
    }

    private func sync(_ pod: Pod) {
        let uid = pod.metadata.uid
        if pod.metadata.isBeingDeleted { return terminate(pod.key, uid) }
        if let run = runs[uid] {
            // A report that was carried out late has put an earlier state in place of a later one.
            guard pod.json["status"]?["containerStatuses"] != .array(statuses(run)) else { return }
            return world.after(1_000) { [unowned self] in report(uid) }
        }
        guard !pod.isFinished else { return }
        let names = pod.containers.map(\.name)
        runs[uid] = PodRun(key: pod.key, ids: Dictionary(uniqueKeysWithValues: names.map { ($0, nil) }))
        for name in names {
            world.after(200 + world.chance(3_000)) { [unowned self] in
                guard runs[uid]?.isEnding == false, runs[uid]?.isFinished == false, runs[uid]?.ids[name] == .some(nil)
                else { return }
                runs[uid]?.ids[name] = start(uid)
                report(uid)
            }
        }
    }

    private func start(_ uid: String) -> String {
        containers += 1
        let digits = String(containers, radix: 16)
        let id = "\(index)" + String(repeating: "0", count: 63 - digits.count) + digits
        daemon.start(container: id, of: uid)
        lastStart = world.now
        look()
        return id
    }

    private func stop(_ id: String) {
        daemon.end(container: id)
        look()
    }

    /// The daemon sees that cgroups came or went.
    private func look() {
        world.after(5 + world.chance(100)) { [unowned self] in
            guard daemon.isRunning else { return }
            let changed = daemon.check()
            if !changed.isEmpty { agent?.heard(changed) }
        }
    }

    private func end(_ uid: String) {
        for name in (runs[uid]?.ids.keys.sorted() ?? []) {
            if let id = runs[uid]?.ids[name] ?? nil { stop(id) }
            runs[uid]?.ids[name] = .some(nil)
        }
    }

    private func forget(_ uid: String) {
        end(uid)
        runs[uid] = nil
    }

    private func terminate(_ key: ServerKey, _ uid: String) {
        guard runs[uid]?.isEnding != true else { return }
        if runs[uid] == nil { runs[uid] = PodRun(key: key, ids: [:]) }
        runs[uid]?.isEnding = true
        world.after(world.chance(4_000)) { [unowned self] in
            end(uid)
            remove(key, uid)
        }
    }

    private func remove(_ key: ServerKey, _ uid: String) {
        world.call(from: index) { [world] () throws(ModelServer.Failure) in
            try world.server.delete(.pods, key, uid: uid, isForced: true, now: world.serverTime)
        } then: { [weak self] result in
            guard let self else { return }
            switch result {
            case .success, .failure(.notFound), .failure(.conflict): forget(uid)
            case .failure: world.after(2_000) { [weak self] in self?.remove(key, uid) }
            }
        }
    }

    private func statuses(_ run: PodRun) -> [JSONValue] {
        run.ids.sorted { $0.key < $1.key }.map { name, id in
            guard let id else {
                return ["name": .string(name), "state": [run.isFinished ? "terminated" : "waiting": [:]]]
            }
            return ["name": .string(name), "containerID": .string("containerd://\(id)"), "state": ["running": [:]]]
        }
    }

    /// Says what the containers do, until it is heard.
    private func report(_ uid: String) {
        guard let run = runs[uid], !run.isEnding else { return }
        let statuses = statuses(run)
        let phase = run.isFinished ? "Succeeded" : run.ids.values.contains { $0 != nil } ? "Running" : "Pending"
        world.call(from: index) { [world] () throws(ModelServer.Failure) in
            guard world.server[.pods, run.key]?["metadata"]?["uid"]?.string == uid else { throw .notFound }
            _ = try world.server.patch(
                .pods, run.key, .merge(["status": ["phase": .string(phase), "containerStatuses": .array(statuses)]]),
                status: true)
            for id in self.runs[uid]?.ids.values.compactMap({ $0 }) ?? [] where !run.ids.values.contains(id) {
                self.leftOut[id] = world.now
            }
        } then: { [weak self] result in
            guard let self else { return }
            guard case .failure(let failure) = result, failure != .notFound else { return }
            // What is true then.
            world.after(1_000) { [weak self] in self?.report(uid) }
        }
    }

    /// The cgroups of the containers of a pod that run.
    func cpus(of uid: String) -> [CPUSet] {
        daemon.cgroups.filter { $0.value.podUID == uid }.sorted { $0.key < $1.key }.map(\.value.cpus)
    }

    /// Whether all containers of a pod run.
    func isRunning(_ uid: String) -> Bool {
        runs[uid].map { !$0.isEnding && !$0.isFinished && $0.ids.values.allSatisfy { $0 != nil } } ?? false
    }

    var nodeMachine: NodeMachine {
        NodeMachine(
            online: Array(daemon.machine.online), cores: daemon.machine.cores.map { Array($0) },
            packages: daemon.machine.packages.map { Array($0.cpus) },
            nodes: daemon.machine.nodes.map { ($0.id, Array($0.cpus)) }, reserved: Array(daemon.housekeeping))
    }

    /// The CPUs that holders other than pods have.
    var cpusOfOthers: [Int] {
        Array(
            daemon.ledger.sortedClaims.reduce(into: CPUSet()) {
                if $1.holder.kind != .pod { $0.formUnion($1.allCPUs) }
            })
    }
}
