import KubernetesClient
import Ledger
import Machine
import NodeAgent

/// The program `berth-node`: follows the bindings and pods of its node, and asks the daemon for their claims.
final class SimulatedAgent {
    private enum Work: Hashable {
        case pod(ServerKey)
        case topology
    }

    /// As the agent that ships gathers changes of other holders.
    private static let gathering = Duration.milliseconds(500)

    private unowned let node: SimulatedNode
    private var world: ClusterSimulation { node.world }
    private(set) var isOver = false
    private var queue: WorkQueueCore<Work>
    private var working = 0
    private var alarm: Int?
    private var refusals = Refusals()
    private var written = WrittenReports()
    private var claimed: Set<ServerKey> = []
    private var isFollowing = false
    private var bindings: WatchedCopy<PodCPUBinding>?
    private var pods: WatchedCopy<Pod>?
    private var topologies: WatchedCopy<NodeCPUTopology>?
    private var nodes: WatchedCopy<KubernetesClient.Node>?

    init(_ node: SimulatedNode) {
        self.node = node
        var limits = WorkQueueLimits()
        limits.first = .milliseconds(50)
        limits.longest = .seconds(30)
        queue = WorkQueueCore(limits)
        let (world, name, place) = (node.world, node.name, node.index)
        bindings = WatchedCopy(world, .bindings, place: place, indexers: [.pod], transform: { $0.kept(onNode: name) }) {
            [unowned self] change in
            var pods: Set<ServerKey> = []
            if case .updated(let old, _) = change, let pod = old.pod { pods.insert(pod) }
            if let pod = change.object.pod { pods.insert(pod) }
            if case .deleted = change { written.forget(change.key) }
            for pod in pods.sorted() { queue.add(.pod(pod)) }
            work()
        }
        pods = WatchedCopy(
            world, .pods, place: place, selects: { $0.nodeName == name }, transform: \.kept
        ) { [unowned self] change in
            guard
                claimed.contains(change.key)
                    || bindings?.store.objects(by: "pod", change.key.description).isEmpty == false
            else { return }
            queue.add(.pod(change.key))
            work()
        }
        topologies = WatchedCopy(
            world, .topologies, place: place, transform: { $0.kept(ofNode: name) }
        ) { [unowned self] _ in
            queue.add(.topology)
            work()
        }
        nodes = WatchedCopy(world, .nodes, place: place, selects: { $0.metadata.name == name }) { [unowned self] _ in
            queue.add(.topology)
            work()
        }
    }

    func end() {
        isOver = true
        for copy in [pods, bindings, topologies, nodes] as [(any Pokable)?] { copy?.end() }
    }

    private var time: Duration { .milliseconds(world.now) }

    // MARK: - The daemon

    /// Whenever the daemon answers anew, everything is looked at once.
    func follow() {
        guard !isOver, node.daemon.isRunning, bindings?.hasSynced == true, pods?.hasSynced == true else { return }
        isFollowing = true
        for claim in node.daemon.ledger.sortedClaims { if let pod = claim.holder.pod { claimed.insert(pod) } }
        askAgain(except: [])
        var all = claimed
        for binding in bindings?.sorted ?? [] { if let pod = binding.pod { all.insert(pod) } }
        for pod in all.sorted() { queue.add(.pod(pod)) }
        queue.add(.topology)
        work()
    }

    /// Claims have changed.
    func heard(_ holders: [Holder]) {
        guard !holders.isEmpty, !isOver else { return }
        world.after(1 + world.chance(30)) { [weak self] in
            guard let self, !isOver else { return }
            let pods = Set(holders.compactMap(\.pod))
            for pod in pods.sorted() {
                claimed.insert(pod)
                queue.add(.pod(pod))
            }
            if pods.count < Set(holders).count {
                queue.add(.topology, at: time + Self.gathering, now: time)
            }
            askAgain(except: pods)
            work()
        }
    }

    private func askAgain(except pods: Set<ServerKey>) {
        for (pod, delay) in refusals.outdate(except: pods) { queue.add(.pod(pod), at: time + delay, now: time) }
    }

    // MARK: - Work

    private func work() {
        guard !isOver, bindings?.hasSynced == true, pods?.hasSynced == true else {
            if alarm == nil, !isOver {
                alarm = world.now
                world.after(100) { [weak self] in
                    self?.alarm = nil
                    self?.work()
                }
            }
            return
        }
        if !isFollowing { follow() }
        while working < 4 {
            switch queue.next(now: time) {
            case .work(.pod(let pod)):
                working += 1
                settle(pod, rounds: 4, known: nil)
            case .work(.topology):
                working += 1
                publish()
            case .wait(let until):
                guard let until else { return }
                let at = until.milliseconds + 1
                guard alarm.map({ at < $0 || $0 <= world.now }) ?? true else { return }
                alarm = at
                return world.after(at - world.now) { [weak self] in
                    self?.alarm = nil
                    self?.work()
                }
            case .ended: return
            }
        }
    }

    private func done(_ work: Work, failed: Bool) {
        working -= 1
        if failed { queue.addRateLimited(work, now: time) } else { queue.forget(work) }
        queue.done(work)
        self.work()
    }

    /// - Parameter known: what the daemon has, where it has just said so.
    private func settle(_ pod: ServerKey, rounds: Int, known: HeldClaim??) {
        guard !isOver else { return }
        guard rounds > 0 else { return done(.pod(pod), failed: false) }
        guard known != nil || node.daemon.isRunning else {
            let reports = situation(of: pod, nil).reports(whileUnanswered: "berthd does not answer")
            return write(reports.sorted { $0.key < $1.key }[...]) { [weak self] _ in self?.done(.pod(pod), failed: true)
            }
        }
        let held: HeldClaim? = known ?? node.daemon.ledger[Holder(pod)].map { HeldClaim(held: $0) }
        if held == nil { claimed.remove(pod) } else { claimed.insert(pod) }
        let decision = situation(of: pod, held).decide()
        write(decision.reports.sorted { $0.key < $1.key }[...]) { [weak self] isWritten in
            guard let self, !isOver else { return }
            guard isWritten else { return done(.pod(pod), failed: true) }
            guard let request = decision.request else { return done(.pod(pod), failed: false) }
            carryOut(request, for: pod, rounds: rounds)
        }
    }

    private func situation(of pod: ServerKey, _ held: HeldClaim?) -> PodSituation {
        PodSituation(
            of: pods?[pod], on: node.name, bindings: bindings?.store.objects(by: "pod", pod.description) ?? [],
            held: held, refusal: refusals[pod], written: written)
    }

    private func write(
        _ reports: ArraySlice<(key: ServerKey, value: PodCPUBinding.NodeReport)>, then: @escaping (Bool) -> Void
    ) {
        guard let (key, report) = reports.first else { return then(true) }
        guard let binding = bindings?[key] else { return write(reports.dropFirst(), then: then) }
        world.call(from: node.index) { [world] () throws(ModelServer.Failure) in
            _ = try world.server.patch(.bindings, key, PodCPUBinding.patch(reporting: report), status: true)
            world.note("\(key): \(report.state.rawValue) \(report.claim?.cpus ?? "") \(report.message)")
        } then: { [weak self] result in
            guard let self, !isOver else { return }
            switch result {
            case .success:
                written.note(report, of: binding)
                write(reports.dropFirst(), then: then)
            case .failure(.notFound): write(reports.dropFirst(), then: then)
            case .failure: then(false)
            }
        }
    }

    // MARK: - Requests

    private func carryOut(_ request: PodDecision.Request, for pod: ServerKey, rounds: Int) {
        switch request {
        case .release: release(pod, rounds: rounds)
        case .put(let wish):
            let changes = refusals.changes
            node.put(wish, for: pod) { [weak self] result in
                guard let self, !isOver else { return }
                switch result {
                case .success(let held):
                    refusals.forget(pod)
                    settle(pod, rounds: rounds - 1, known: .some(held))
                case .failure(.noAnswer): done(.pod(pod), failed: true)
                case .failure(.refused(let refusal)):
                    switch refusal.reason {
                    case .changing: return done(.pod(pod), failed: true)
                    case .enforced, .recorded: return release(pod, rounds: rounds)
                    default: break
                    }
                    world.note("\(node.name) refuses \(pod): \(refusal.reason)")
                    let delay = refusals.note(.init(wish, reason: "\(refusal.reason)"), of: pod, asked: changes).retry
                    if let delay { queue.add(.pod(pod), at: time + delay, now: time) }
                    settle(pod, rounds: rounds - 1, known: nil)
                }
            }
        }
    }

    private func release(_ pod: ServerKey, rounds: Int) {
        node.release(pod) { [weak self] isDone in
            guard let self, !isOver else { return }
            guard isDone else { return done(.pod(pod), failed: true) }
            refusals.forget(pod)
            settle(pod, rounds: rounds - 1, known: .some(nil))
        }
    }

    // MARK: - The topology

    private func publish() {
        let own = topologies?.store.all ?? []
        guard let topology = NodeCPUTopology.effective(own), let address = nodes?[ServerKey(name: node.name)] else {
            return done(.topology, failed: false)
        }
        guard node.daemon.isRunning else { return done(.topology, failed: true) }
        let publication = TopologyPublication(
            machine: node.nodeMachine, others: node.cpusOfOthers, address: address.internalIP)
        guard let patch = publication.specPatch(of: topology) else { return publish(publication, topology) }
        world.call(from: node.index) { [world] () throws(ModelServer.Failure) in
            NodeCPUTopology(json: try world.server.patch(.topologies, topology.key, patch))
        } then: { [weak self] result in
            guard let self, !isOver else { return }
            guard case .success(let stored) = result else { return done(.topology, failed: true) }
            publish(publication, stored)
        }
    }

    private func publish(_ publication: TopologyPublication, _ stored: NodeCPUTopology) {
        guard let patch = publication.statusPatch(of: stored) else { return done(.topology, failed: false) }
        world.call(from: node.index) { [world] () throws(ModelServer.Failure) in
            _ = try world.server.patch(.topologies, stored.key, patch, status: true)
            world.note("\(stored.key) is published, others have \(publication.others)")
        } then: { [weak self] result in
            guard let self, !isOver else { return }
            if case .failure = result { done(.topology, failed: true) } else { done(.topology, failed: false) }
        }
    }
}

extension SimulatedNode {
    /// Asks the daemon to make a claim; it answers once the kernel follows.
    func put(
        _ wish: ClaimWish, for pod: ServerKey, then: @escaping (Result<HeldClaim, SimulatedDaemon.Failure>) -> Void
    ) {
        guard daemon.isRunning else { return world.after(5) { then(.failure(.noAnswer)) } }
        let holder = Holder(pod)
        let changed: [Holder]
        do { changed = try daemon.submit(Self.request(wish, for: pod)) } catch {
            // The answer may come after the news of what happened next.
            return world.after(1 + world.chance(40)) { then(.failure(.refused(error))) }
        }
        agent?.heard(changed)
        awaitKernel(holder) { [unowned self] isDone in
            guard isDone, let claim = daemon.ledger[holder] else { return then(.failure(.noAnswer)) }
            then(.success(HeldClaim(held: claim)))
        }
    }

    /// What a wish is for the ledger.
    static func request(_ wish: ClaimWish, for pod: ServerKey) -> Request {
        var cpus = CPURequest(.list((try? CPUSet(list: wish.cpus)) ?? CPUSet()), pool: Pool.machine, onlineOnly: true)
        cpus.level = Exclusiveness(rawValue: wish.level.rawValue.lowercased()) ?? .cpu
        let reference = PodReference(
            uid: wish.cgroupUID,
            containers: wish.containers.compactMap { PodReference.Container(name: $0.name, id: $0.id) })
        return .claim(
            ClaimRequest(
                holder: Holder(pod), cpus: cpus, memoryNodes: wish.memoryNodes,
                enforcement: EnforcementRequest(minimum: .cpuset, pod: reference), isComplete: true))
    }

    /// Asks the daemon to give everything back.
    func release(_ pod: ServerKey, then: @escaping (Bool) -> Void) {
        guard daemon.isRunning else { return world.after(5) { then(false) } }
        let holder = Holder(pod)
        do { agent?.heard(try daemon.submit(.release(holder))) } catch { return world.after(2) { then(false) } }
        awaitKernel(holder, then: then)
    }

    private func awaitKernel(_ holder: Holder, then: @escaping (Bool) -> Void) {
        let run = daemon.run
        world.after(2 + world.chance(30)) { [unowned self] in
            guard daemon.run == run, daemon.isRunning else { return then(false) }
            agent?.heard(daemon.carryOut(holder))
            then(true)
        }
    }
}

extension Holder {
    /// The holder that a pod is.
    init(_ pod: ServerKey) { self.init(kind: .pod, name: pod.description) }

    /// The pod that it is; nil for another holder.
    var pod: ServerKey? {
        guard kind == .pod else { return nil }
        let parts = name.split(separator: "/", maxSplits: 1)
        return parts.count == 2 ? ServerKey(namespace: String(parts[0]), name: String(parts[1])) : nil
    }
}

extension HeldClaim {
    /// A claim as the daemon's interface shows it.
    init(held claim: Claim) {
        let states = claim.enforcement?.containers ?? []
        let levels = Set(claim.grants.map(\.level))
        self.init(
            cgroupUID: claim.enforcement?.request.pod?.uid, cpus: claim.cpus.list, exclusive: claim.exclusive.list,
            level: levels.count == 1
                ? PodCPUBinding.ExclusivenessLevel.allCases.first { $0.rawValue.lowercased() == levels.first?.rawValue }
                : nil,
            memoryNodes: claim.memoryNodes,
            containers: (claim.enforcement?.request.pod?.containers ?? []).map { container in
                let state = states.first { $0.container == container }?.state
                return Container(name: container.name, id: container.id, isConfined: state == .confined)
            }, isActive: claim.enforcement?.phase == .active, failure: claim.enforcement?.failure)
    }
}
