internal import Bindings
internal import KubernetesClient

/// Binds pods: chooses CPUs, makes the binding of the CPUs, then that of the pod. What fails is taken back, and what may or
/// may not have happened stays until somebody has looked. ``PodBind`` and ``Namesake`` are the rules.
struct Binder: Sendable {
    /// What is known of the cluster.
    let state: ExtenderState
    /// Asks and changes the cluster.
    let client: ClusterClient
    /// The pods that are being bound.
    let turns: Turns<KubernetesClient.ObjectKey>
    /// The scheduler whose pods get CPUs.
    let schedulerName: String
    /// How long the pod is tried to be bound.
    let patience: Duration
    /// Has somebody look at a binding later.
    let lookAgain: @Sendable (KubernetesClient.ObjectKey) -> Void

    /// How long a binding that has to go is waited for.
    private static let departure = Duration.seconds(3)
    /// How long a binding that was made is waited for to be seen.
    private static let arrival = Duration.seconds(2)
    /// How often something is tried that changes meanwhile.
    private static let tries = 4

    private var bindings: ResourceClient<PodCPUBinding> { client.resources(PodCPUBinding.self) }
    private var pods: ResourceClient<Pod> { client.resources(Pod.self) }

    /// Why a pod is not bound, for its event.
    private struct Failure: Error {
        let text: String
        /// Whether it is bound after all, as was asked for.
        var isBound = false
    }

    /// Binds a pod. Asked again for the same pod, it comes to the same.
    ///
    /// - Returns: why it is not bound; nil where it is.
    func bind(_ args: ExtenderBindingArgs) async -> String? {
        await turns.enter(args.pod)
        defer { turns.leave(args.pod) }
        do throws(Failure) {
            guard let request = try await request(args) else {
                try await bindOther(args)
                return nil
            }
            do throws(Failure) { try await bind(request, args) } catch  where error.isBound {}
            state.isBound(args.uid)
            return nil
        } catch {
            return error.text
        }
    }

    /// What the pod needs; nil for a pod of another scheduler.
    private func request(_ args: ExtenderBindingArgs) async throws(Failure) -> PodRequest? {
        if let request = state.recentPod(args.uid), request.pod == Bindings.ObjectKey(args.pod) { return request }
        let pod: Pod?
        do { pod = try await pods.find(args.pod) } catch { throw Failure(text: "failed to bind pod: \(error)") }
        guard let pod, pod.metadata.uid == args.uid else { throw Failure(text: Self.goneText(args)) }
        return pod.schedulerName == schedulerName ? PodRequest(pod) : nil
    }

    /// Binds a pod that gets no CPUs of its own.
    private func bindOther(_ args: ExtenderBindingArgs) async throws(Failure) {
        let (end, text) = await post(args, wasTried: false)
        if end != .bound { throw Failure(text: text) }
    }

    private func bind(_ request: PodRequest, _ args: ExtenderBindingArgs) async throws(Failure) {
        let made = try await make(request, args)
        lookAgain(KubernetesClient.ObjectKey(made.choice.binding))
        let (end, text) = await post(args, wasTried: made.binding.tries != 1)
        switch end {
        case .bound: break
        case .refused, .gone:
            await takeBack(made.choice, made.binding)
            throw Failure(text: text)
        case .unknown: throw Failure(text: text)
        }
    }

    // MARK: - The binding of the CPUs

    private struct Made {
        let choice: BindingChoice
        /// The binding. Where it has had tries before this one, one of them may have bound the pod, or may still.
        let binding: PodCPUBinding
    }

    /// Chooses CPUs and makes the binding.
    private func make(_ request: PodRequest, _ args: ExtenderBindingArgs) async throws(Failure) -> Made {
        for _ in 0..<Self.tries {
            let plan: BindPlan
            do { plan = try state.plan(request, on: args.node) } catch {
                guard case .bindingExists(let key) = error else { throw Failure(text: error.description) }
                try await makeWay(KubernetesClient.ObjectKey(key), for: args, found: nil)
                continue
            }
            let (choice, key) = (plan.choice, KubernetesClient.ObjectKey(plan.choice.binding))
            switch plan {
            case .create: break
            case .reuse:
                let found = try await find(key)
                guard let found, found.isMade(of: choice), !found.metadata.isBeingDeleted, !state.isContested(key)
                else {
                    try await makeWay(key, for: args, found: found)
                    continue
                }
                guard let binding = try await countTry(found) else { continue }
                return Made(choice: choice, binding: binding)
            }
            switch try await create(choice) {
            case .made(let binding):
                let uid = binding.metadata.uid
                guard await state.isContested(key, uid: uid, within: Self.arrival) else {
                    return Made(choice: choice, binding: binding)
                }
                // The pod of an earlier one may be bound.
                if binding.tries != 1 {
                    try await makeWay(key, for: args, found: nil)
                } else {
                    await takeBack(choice, binding)
                    _ = await state.departure(of: key, uid: uid, within: Self.departure)
                }
            case .changed: continue
            case .taken(let found):
                state.takeBack(choice)
                try await makeWay(key, for: args, found: found)
            }
        }
        throw Failure(text: "failed to create pod cpu binding: it changes too often; it is tried again")
    }

    private enum Creation {
        /// It is there, perhaps since an earlier try.
        case made(PodCPUBinding)
        /// It is there since an earlier try, and has changed meanwhile.
        case changed
        /// There is another one of the name; nil where it has gone again.
        case taken(PodCPUBinding?)
    }

    private func create(_ choice: BindingChoice) async throws(Failure) -> Creation {
        let key = KubernetesClient.ObjectKey(choice.binding)
        do { return .made(try await bindings.create(PodCPUBinding(choice))) } catch {
            guard error.reason == .alreadyExists || error.isInDoubt else {
                state.takeBack(choice)
                throw Failure(text: Self.createText(error))
            }
            // It may be ours, of an earlier try or of this one.
            let found: PodCPUBinding?
            do { found = try await bindings.find(key) } catch let other {
                lookAgain(key)
                throw Failure(text: Self.createText(other))
            }
            if let found, found.isMade(of: choice), !found.metadata.isBeingDeleted {
                return try await countTry(found).map { .made($0) } ?? .changed
            }
            if found == nil, error.isInDoubt {
                // It may still come: the choice counts until that is over.
                lookAgain(key)
                throw Failure(text: Self.createText(error))
            }
            return .taken(found)
        }
    }

    /// Goes on with the binding of an earlier try, which a late request of that try can take back no more.
    ///
    /// - Returns: nil where it has changed or is gone.
    private func countTry(_ found: PodCPUBinding) async throws(Failure) -> PodCPUBinding? {
        do {
            return try await bindings.patch(found.key.name, namespace: found.key.namespace, found.nextTry)
        } catch {
            lookAgain(found.key)
            guard error.reason == .conflict || error.reason == .notFound else {
                throw Failure(text: Self.createText(error))
            }
            return nil
        }
    }

    /// Has the binding go that has the name of the one to be made, where no pod needs it.
    private func makeWay(
        _ key: KubernetesClient.ObjectKey, for args: ExtenderBindingArgs, found: PodCPUBinding?
    ) async throws(Failure) {
        let present = if let found { found } else { try await find(key) }
        if let present, !present.metadata.isBeingDeleted { try await remove(present, for: args) }
        // One that is gone already has still to be seen to be.
        if await state.departure(of: key, uid: present?.metadata.uid, within: Self.departure) { return }
        throw Failure(
            text: "failed to create pod cpu binding: podcpubindings.cslab.ece.ntua.gr \"\(key.name)\" is being deleted")
    }

    /// Deletes a binding that is in the way of the one to be made.
    private func remove(_ present: PodCPUBinding, for args: ExtenderBindingArgs) async throws(Failure) {
        let pod: Pod?
        do { pod = try await pods.find(Namesake.pod(of: present, for: args.uid, args.pod)) } catch {
            throw Failure(text: Self.createText(error))
        }
        switch Namesake(present, for: args.uid, pod: pod) {
        case .others:
            throw Failure(text: BindRefusal.bindingExists(Bindings.ObjectKey(present.key)).description)
        case .orphan: throw Failure(text: Self.goneText(args))
        case .inUse(let node):
            throw Failure(
                text: "failed to bind pod: pod \"\(args.pod.name)\" is already assigned to node \"\(node)\"",
                isBound: node == args.node)
        case .undecided(let node):
            throw Failure(
                text: "failed to bind pod: an earlier request may still bind pod \"\(args.pod.name)\" to node"
                    + " \"\(node)\"; it is tried again")
        case .mayGo: break
        }
        do { try await bindings.delete(present.key, uid: present.metadata.uid) } catch {
            throw Failure(text: Self.createText(error))
        }
    }

    private func find(_ key: KubernetesClient.ObjectKey) async throws(Failure) -> PodCPUBinding? {
        do { return try await bindings.find(key) } catch { throw Failure(text: Self.createText(error)) }
    }

    /// Takes back what was made for a pod that is not bound.
    private func takeBack(_ choice: BindingChoice, _ made: PodCPUBinding) async {
        do {
            for _ in 0..<Self.tries {
                // Only as long as nobody goes on with it.
                guard let found = try await bindings.find(made.key), found.metadata.uid == made.metadata.uid,
                    found.tries == made.tries
                else { return state.takeBack(choice) }
                if try await bindings.delete(found) { return state.takeBack(choice) }
            }
        } catch {}
        lookAgain(made.key)
    }

    private static func createText(_ error: KubernetesError) -> String { "failed to create pod cpu binding: \(error)" }

    // MARK: - The binding of the pod

    /// Binds the pod to its node.
    ///
    /// - Parameter wasTried: whether the pod may have been bound before.
    /// - Returns: what has become of it, and the words for that.
    private func post(_ args: ExtenderBindingArgs, wasTried: Bool) async -> (PodBind.End, text: String) {
        var bind = PodBind(uid: args.uid, node: args.node, wasTried: wasTried)
        let end = ContinuousClock.now + patience
        var text = ""
        repeat {
            let answer: PodBind.Answer
            do {
                try await pods.bind(args.pod.name, namespace: args.pod.namespace, to: args.node, uid: args.uid)
                answer = .bound
            } catch {
                text = "failed to bind pod: \(error)"
                answer = PodBind.Answer(error)
            }
            var step = bind.heard(answer)
            if step == .ask {
                do { step = bind.found(try await pods.find(args.pod)) } catch { step = bind.unasked() }
            }
            if case .end(let end) = step { return (end, end == .gone ? Self.goneText(args) : text) }
            try? await Task.sleep(for: .milliseconds(100))
        } while ContinuousClock.now < end
        return (.unknown, text)
    }

    private static func goneText(_ args: ExtenderBindingArgs) -> String {
        "failed to bind pod: pods \"\(args.pod.name)\" with the uid \(args.uid) not found"
    }
}

extension ResourceClient {
    /// The object of a key; nil where there is none.
    func find(_ key: KubernetesClient.ObjectKey) async throws(KubernetesError) -> Object? {
        do { return try await get(key.name, namespace: key.namespace) } catch {
            guard error.reason == .notFound else { throw error }
            return nil
        }
    }

    /// Deletes the object of a key and uid; one that is gone already is no error.
    func delete(_ key: KubernetesClient.ObjectKey, uid: String) async throws(KubernetesError) {
        do { try await delete(key.name, namespace: key.namespace, DeleteOptions(uid: uid)) } catch {
            guard error.reason == .notFound || error.reason == .conflict else { throw error }
        }
    }

    /// Deletes an object in this version.
    ///
    /// - Returns: false where it has changed; one that is gone already is no error.
    func delete(_ object: Object) async throws(KubernetesError) -> Bool {
        let options = DeleteOptions(uid: object.metadata.uid, resourceVersion: object.metadata.resourceVersion)
        do { try await delete(object.metadata.name, namespace: object.metadata.namespace, options) } catch {
            guard error.reason == .notFound || error.reason == .conflict else { throw error }
            return error.reason == .notFound
        }
        return true
    }
}

extension KubernetesError {
    /// Whether a change may have been carried out, or may still be.
    var isInDoubt: Bool {
        switch self {
        case .status(let status): status.code >= 500
        case .unreachable, .credentials, .invalidRequest: false
        case .timedOut, .interrupted, .malformed, .tooLong, .cancelled: true
        }
    }
}

extension PodBind.Answer {
    /// What an error of the request says.
    fileprivate init(_ error: KubernetesError) {
        switch error.reason {
        case .conflict, .notFound: self = .clash
        default: self = error.isInDoubt ? .none : .refused
        }
    }
}
