import Bindings
import Cluster
import KubernetesClient
import Machine

/// The program `berth-cluster extender`: the cluster's CPUs as it knows them, and the steps of a bind.
final class SimulatedExtender {
    private unowned let world: ClusterSimulation
    private(set) var cpus: ClusterCPUs
    private var bindings: WatchedCopy<PodCPUBinding>?
    private var topologies: WatchedCopy<NodeCPUTopology>?
    private var contested: Set<String> = []
    private var confirmed: [ServerKey: String] = [:]
    /// The pods that are worked on.
    private var turns: Set<ServerKey> = []
    private var isOver = false
    private var due: [ServerKey: Int] = [:]
    private static let grace = 60_000
    private static let patience = 20_000

    init(_ world: ClusterSimulation, _ args: WorkloadAwareArgs) {
        self.world = world
        cpus = ClusterCPUs(args: args)
        topologies = WatchedCopy(world, .topologies, indexers: [.node]) { [unowned self] change in
            var names: Set = [change.object.nodeName]
            if case .updated(let old, _) = change { names.insert(old.nodeName) }
            for name in names.sorted() {
                let effective = NodeCPUTopology.effective(topologies?.store.objects(by: "node", name) ?? [])
                if let facts = effective.flatMap({ NodeFacts($0) }) {
                    cpus.setNode(facts)
                } else {
                    cpus.removeNode(name)
                }
            }
        }
        bindings = WatchedCopy(world, .bindings) { [unowned self] change in
            if case .deleted = change { cpus.forget(ObjectKey(change.key)) } else { see(change.object) }
            check(change)
        }
    }

    var isReady: Bool { !isOver && topologies?.hasSynced == true && bindings?.hasSynced == true }

    func end() {
        isOver = true
        topologies?.end()
        bindings?.end()
    }

    private func see(_ object: PodCPUBinding) {
        guard let binding = Binding(object) else { return cpus.forget(ObjectKey(object.key)) }
        let before = cpus.uid(of: binding.key)
        let isAwaited = cpus.pending(binding.key) != nil
        cpus.see(binding, node: object.chosenNode)
        if isAwaited, before != binding.uid, cpus.isContested(binding.key) { contested.insert(binding.uid) }
    }

    func filter(_ pod: PodRequest, _ nodes: [String]) -> [String] { cpus.filter(pod, nodes).fitting }

    func prioritize(_ pod: PodRequest, _ nodes: [String]) -> [Int] { cpus.prioritize(pod, nodes) }

    // MARK: - Bindings without a pod

    private func later(_ key: ServerKey) {
        let at = world.now + Self.grace
        due[key] = at
        world.after(Self.grace) { [weak self] in
            guard let self, !isOver, due[key] == at else { return }
            due[key] = nil
            look(at: key)
        }
    }

    private func soon(_ key: ServerKey) {
        world.after(1_000) { [weak self] in if self?.isOver == false { self?.look(at: key) } }
    }

    private func check(_ change: Change<PodCPUBinding>) {
        let (object, key) = (change.object, change.key)
        if case .deleted = change {
            confirmed[key] = nil
        } else if !object.nodeName.isEmpty {
            confirmed[key] = nil
        } else if object.chosenNode == nil {
            soon(key)
        } else if confirmed[key] != object.metadata.uid {
            later(key)
        }
    }

    private func look(at key: ServerKey) {
        let object = bindings?[key]
        guard let object else {
            guard let choice = cpus.pending(ObjectKey(key)) else { return }
            guard turns.insert(KubernetesClient.ObjectKey(choice.pod)).inserted else { return soon(key) }
            return find(.bindings, key) { [weak self] result in
                guard let self else { return }
                turns.remove(KubernetesClient.ObjectKey(choice.pod))
                guard case .success(let found) = result else { return soon(key) }
                if found == nil { cpus.takeBack(choice.binding, podUID: choice.podUID) } else { later(key) }
            }
        }
        guard !object.metadata.isBeingDeleted else {
            if cpus.pending(ObjectKey(key)) != nil { later(key) }
            return
        }
        guard object.nodeName.isEmpty, confirmed[key] != object.metadata.uid else { return }
        let podKey = ServerKey(namespace: key.namespace, name: object.podName)
        guard turns.insert(podKey).inserted else { return soon(key) }
        // Its pod was tried again since.
        guard object.chosenNode == nil || due[key] == nil else {
            turns.remove(podKey)
            return
        }
        find(.pods, podKey) { [weak self] result in
            guard let self else { return }
            turns.remove(podKey)
            guard case .success(let found) = result else { return soon(key) }
            switch BindingCheck(object, pod: found.map { Pod(json: $0) }) {
            case .none: break
            case .place(let node): cpus.place(ObjectKey(key), uid: object.metadata.uid, on: node)
            case .confirmed: confirmed[key] = object.metadata.uid
            case .takeBack:
                world.note("extender takes \(key) back")
                delete(object) { [weak self] isDone in
                    switch isDone {
                    case true?: break
                    case false?: self?.later(key)
                    case nil: self?.soon(key)
                    }
                }
            }
        }
    }

    // MARK: - Binds

    private struct Bind {
        let request: PodRequest
        let node: String
        var tries = 4
        let then: (String?) -> Void
        var pod: ServerKey { ServerKey(request.pod) }
    }

    /// - Parameter then: is told why the pod is not bound; nil where it is.
    func bind(_ request: PodRequest, to node: String, then: @escaping (String?) -> Void) {
        let pod = ServerKey(request.pod)
        guard turns.insert(pod).inserted else { return world.after(100) { then("it is being bound") } }
        make(
            Bind(request: request, node: node) { [weak self] failure in
                self?.turns.remove(pod)
                then(failure)
            })
    }

    private func make(_ bind: Bind) {
        // Where the extender has ended, its caller hears of nothing.
        guard !isOver else { return bind.then("no answer") }
        var bind = bind
        guard bind.tries > 0 else { return bind.then("it changes too often") }
        bind.tries -= 1
        let plan: BindPlan
        do { plan = try cpus.bind(bind.request, to: bind.node) } catch {
            guard case .bindingExists(let key) = error else { return bind.then("\(error)") }
            return makeWay(ServerKey(key), bind, found: nil)
        }
        let choice = plan.choice
        let key = ServerKey(choice.binding)
        switch plan {
        case .create: create(choice, bind)
        case .reuse:
            find(.bindings, key) { [weak self] result in
                guard let self else { return }
                guard case .success(let json) = result else { return bind.then("the binding cannot be read") }
                let found = json.map { PodCPUBinding(json: $0) }
                guard let found, found.isMade(of: choice), !found.metadata.isBeingDeleted,
                    !cpus.isContested(choice.binding)
                else { return makeWay(key, bind, found: found) }
                countTry(found, bind) { [weak self] in self?.post(choice, $0, bind) }
            }
        }
    }

    private func create(_ choice: BindingChoice, _ bind: Bind) {
        guard !isOver else { return bind.then("no answer") }
        let key = ServerKey(choice.binding)
        world.call { [world] () throws(ModelServer.Failure) in
            let made = try world.server.create(.bindings, PodCPUBinding(choice).json, now: world.serverTime)
            world.note("extender creates \(key) \(choice.cpus.list) on \(choice.node)")
            return PodCPUBinding(json: made)
        } then: { [weak self] result in
            guard let self, !isOver else { return bind.then("no answer") }
            switch result {
            case .success(let binding): made(choice, binding, bind, until: world.now + 2_000)
            case .failure(let failure) where failure == .alreadyExists || failure == .inDoubt:
                find(.bindings, key) { [weak self] answer in
                    guard let self else { return }
                    guard case .success(let json) = answer else {
                        later(key)
                        return bind.then("the binding cannot be read")
                    }
                    let found = json.map { PodCPUBinding(json: $0) }
                    if let found, found.isMade(of: choice), !found.metadata.isBeingDeleted {
                        return countTry(found, bind) { [weak self, world] in
                            self?.made(choice, $0, bind, until: world.now + 2_000)
                        }
                    }
                    if found == nil, failure == .inDoubt {
                        later(key)
                        return bind.then("nobody knows whether the binding is there")
                    }
                    cpus.takeBack(choice.binding, podUID: choice.podUID)
                    makeWay(key, bind, found: found)
                }
            case .failure(let failure):
                cpus.takeBack(choice.binding, podUID: choice.podUID)
                bind.then("the binding cannot be created: \(failure)")
            }
        }
    }

    /// Goes on with the binding of an earlier try, which a late request of that try can take back no more.
    private func countTry(_ found: PodCPUBinding, _ bind: Bind, then: @escaping (PodCPUBinding) -> Void) {
        world.call { [world] () throws(ModelServer.Failure) in
            PodCPUBinding(json: try world.server.patch(.bindings, found.key, found.nextTry))
        } then: { [weak self] result in
            guard let self, !isOver else { return bind.then("no answer") }
            if case .success(let binding) = result { return then(binding) }
            later(found.key)
            switch result {
            case .failure(.conflict), .failure(.notFound): make(bind)
            default: bind.then("the binding cannot be changed")
            }
        }
    }

    /// Waits until the binding is seen, and with it all that were made before.
    private func made(_ choice: BindingChoice, _ binding: PodCPUBinding, _ bind: Bind, until end: Int) {
        guard !isOver else { return bind.then("no answer") }
        let uid = binding.metadata.uid
        if cpus.uid(of: choice.binding) != uid, world.now < end {
            return world.after(20) { [weak self] in
                self?.made(choice, binding, bind, until: end) ?? bind.then("no answer")
            }
        }
        guard contested.remove(uid) != nil else { return post(choice, binding, bind) }
        if binding.tries != 1 { return makeWay(ServerKey(choice.binding), bind, found: nil) }
        takeBack(choice, binding) { [weak self] in
            self?.depart(choice.binding, uid, bind, until: (self?.world.now ?? 0) + 3_000)
        }
    }

    /// Tries again once a binding is seen to be gone, or after a time.
    private func depart(_ key: Bindings.ObjectKey, _ uid: String, _ bind: Bind, until end: Int) {
        if cpus.uid(of: key) == uid, world.now < end, !isOver {
            return world.after(20) { [weak self] in self?.depart(key, uid, bind, until: end) ?? bind.then("no answer") }
        }
        make(bind)
    }

    private func makeWay(_ key: ServerKey, _ bind: Bind, found: PodCPUBinding?) {
        guard let found else {
            return find(.bindings, key) { [weak self] result in
                guard let self else { return }
                guard case .success(let json) = result else { return bind.then("the binding cannot be read") }
                if let json { return makeWay(key, bind, found: PodCPUBinding(json: json)) }
                guard let seen = cpus.uid(of: ObjectKey(key)) else { return make(bind) }
                awaitDeparture(key, seen, bind, until: world.now + 3_000)
            }
        }
        let uid = found.metadata.uid
        guard !found.metadata.isBeingDeleted else { return awaitDeparture(key, uid, bind, until: world.now + 3_000) }
        find(.pods, Namesake.pod(of: found, for: bind.request.uid, bind.pod)) { [weak self] result in
            guard case .success(let json) = result else { return bind.then("the pod cannot be read") }
            guard let self else { return bind.then("no answer") }
            switch Namesake(found, for: bind.request.uid, pod: json.map { Pod(json: $0) }) {
            case .others: bind.then("the binding exists")
            case .orphan: bind.then("the pod is gone")
            case .inUse(let node): bind.then(node == bind.node ? nil : "the pod is bound to \(node)")
            case .undecided(let node): bind.then("the pod may still be bound to \(node)")
            case .mayGo:
                delete(found, inAnyVersion: true) { [weak self] isDone in
                    guard let self, isDone != nil else { return bind.then("the binding cannot be deleted") }
                    awaitDeparture(key, uid, bind, until: world.now + 3_000)
                }
            }
        }
    }

    private func awaitDeparture(_ key: ServerKey, _ uid: String, _ bind: Bind, until end: Int) {
        guard cpus.uid(of: ObjectKey(key)) == uid else { return make(bind) }
        guard world.now < end, !isOver else { return bind.then("the binding is being deleted") }
        world.after(20) { [weak self] in self?.awaitDeparture(key, uid, bind, until: end) ?? bind.then("no answer") }
    }

    private func takeBack(
        _ choice: BindingChoice, _ made: PodCPUBinding, tries: Int = 4, then: @escaping () -> Void
    ) {
        let end = { [weak self] (isDone: Bool) in
            if isDone {
                self?.cpus.takeBack(choice.binding, podUID: choice.podUID)
            } else {
                self?.later(made.key)
            }
            then()
        }
        guard tries > 0 else { return end(false) }
        find(.bindings, made.key) { [weak self] result in
            guard let self, case .success(let json) = result else { return end(false) }
            guard let found = json.map({ PodCPUBinding(json: $0) }), found.metadata.uid == made.metadata.uid,
                found.tries == made.tries
            else { return end(true) }
            delete(found) { [weak self] isDone in
                guard let self, isDone == false else { return end(isDone == true) }
                takeBack(choice, made, tries: tries - 1, then: then)
            }
        }
    }

    private func post(_ choice: BindingChoice, _ binding: PodCPUBinding, _ bind: Bind) {
        later(binding.key)
        attempt(
            PodBind(uid: bind.request.uid, node: choice.node, wasTried: binding.tries != 1), choice, binding, bind,
            until: world.now + Self.patience)
    }

    private func attempt(
        _ state: PodBind, _ choice: BindingChoice, _ binding: PodCPUBinding, _ bind: Bind, until end: Int
    ) {
        guard !isOver else { return bind.then("no answer") }
        world.call { [world] () throws(ModelServer.Failure) in
            try world.server.bind(bind.pod, uid: bind.request.uid, to: choice.node)
            world.note("extender binds \(bind.pod) to \(choice.node)")
        } then: { [weak self] result in
            guard let self, !isOver else { return bind.then("no answer") }
            var state = state
            let answer = PodBind.Answer(result)
            let follow = { [weak self] (step: PodBind.Step) in
                guard let self, !isOver else { return bind.then("no answer") }
                switch step {
                case .end(.bound): bind.then(nil)
                case .end(.unknown): bind.then("nobody knows whether the pod is bound")
                case .end(let end): takeBack(choice, binding) { bind.then("\(end): \(answer)") }
                case .ask, .retry:
                    guard world.now < end else { return bind.then("nobody knows whether the pod is bound") }
                    world.after(100) { [weak self] in
                        self?.attempt(state, choice, binding, bind, until: end) ?? bind.then("no answer")
                    }
                }
            }
            let step = world.rules.step(answer, state.heard(answer))
            guard step == .ask else { return follow(step) }
            find(.pods, bind.pod) { result in
                guard case .success(let json) = result else { return follow(state.unasked()) }
                follow(state.found(json.map { Pod(json: $0) }))
            }
        }
    }

    // MARK: - Calls

    private func find(
        _ kind: ModelServer.Kind, _ key: ServerKey, then: @escaping (Result<JSONValue?, ModelServer.Failure>) -> Void
    ) {
        world.call { [world] () throws(ModelServer.Failure) in
            world.server[kind, key]
        } then: { [weak self] result in
            then(self?.isOver == false ? result : .failure(.unreachable))
        }
    }

    /// - Parameter then: is told whether it is gone; false where it has changed, nil where nobody knows.
    private func delete(_ object: PodCPUBinding, inAnyVersion: Bool = false, then: @escaping (Bool?) -> Void) {
        world.call { [world] () throws(ModelServer.Failure) in
            try world.server.delete(
                .bindings, object.key, uid: object.metadata.uid,
                version: inAnyVersion ? nil : object.metadata.resourceVersion, now: world.serverTime)
            world.note("extender deletes \(object.key)")
        } then: { [weak self] result in
            guard self?.isOver == false else { return then(nil) }
            switch result {
            case .success, .failure(.notFound): then(true)
            case .failure(.conflict): then(false)
            case .failure: then(nil)
            }
        }
    }
}

extension PodBind.Answer {
    fileprivate init(_ result: Result<Void, ModelServer.Failure>) {
        switch result {
        case .success: self = .bound
        case .failure(.conflict), .failure(.notFound): self = .clash
        case .failure(.inDoubt): self = .none
        case .failure: self = .refused
        }
    }
}
