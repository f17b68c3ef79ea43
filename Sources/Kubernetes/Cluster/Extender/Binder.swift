internal import Bindings
internal import KubernetesClient

/// Binds pods: chooses CPUs, makes the binding of the CPUs, then that of the pod. What fails is taken back, and what may or
/// may not have happened stays until somebody has looked.
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
            try await bind(request, args)
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
        switch await post(args) {
        case .bound: break
        case .refused(let text), .unknown(let text): throw Failure(text: text)
        }
    }

    private func bind(_ request: PodRequest, _ args: ExtenderBindingArgs) async throws(Failure) {
        let (choice, uid) = try await make(request, args)
        lookAgain(KubernetesClient.ObjectKey(choice.binding))
        switch await post(args) {
        case .bound: break
        case .refused(let text):
            await takeBack(choice, uid)
            throw Failure(text: text)
        case .unknown(let text):
            // Without its binding the pod would run on CPUs of others, should it have been bound.
            throw Failure(text: text)
        }
    }

    // MARK: - The binding of the CPUs

    /// Chooses CPUs and makes the binding.
    ///
    /// - Returns: the choice and the uid of the binding.
    private func make(
        _ request: PodRequest, _ args: ExtenderBindingArgs
    ) async throws(Failure) -> (BindingChoice, uid: String) {
        for _ in 0..<Self.tries {
            let plan: BindPlan
            do { plan = try state.plan(request, on: args.node) } catch {
                guard case .bindingExists(let key) = error else { throw Failure(text: error.description) }
                try await makeWay(KubernetesClient.ObjectKey(key), for: request, found: nil)
                continue
            }
            let (choice, key) = (plan.choice, KubernetesClient.ObjectKey(plan.choice.binding))
            switch plan {
            case .create: break
            case .reuse:
                let found = try await find(key)
                if let found, found.isMade(of: choice), !found.metadata.isBeingDeleted, !state.isContested(key) {
                    return (choice, found.metadata.uid)
                }
                try await makeWay(key, for: request, found: found)
                continue
            case .replace(let uid, _):
                do { try await bindings.delete(key, uid: uid) } catch {
                    state.takeBack(choice)
                    throw Failure(text: Self.createText(error))
                }
            }
            switch try await create(choice) {
            case .made(let uid):
                guard await state.isContested(key, uid: uid, within: Self.arrival) else { return (choice, uid) }
                await takeBack(choice, uid)
                _ = await state.departure(of: key, uid: uid, within: Self.departure)
            case .taken(let found):
                state.takeBack(choice)
                try await makeWay(key, for: request, found: found)
            }
        }
        throw Failure(text: "failed to create pod cpu binding: it changes too often; it is tried again")
    }

    private enum Creation {
        /// It is there.
        case made(uid: String)
        /// There is another one of the name; nil where it has gone again.
        case taken(PodCPUBinding?)
    }

    private func create(_ choice: BindingChoice) async throws(Failure) -> Creation {
        let key = KubernetesClient.ObjectKey(choice.binding)
        do { return .made(uid: try await bindings.create(PodCPUBinding(choice)).metadata.uid) } catch {
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
                return .made(uid: found.metadata.uid)
            }
            if found == nil, error.isInDoubt {
                // It may still come: the choice counts until that is over.
                lookAgain(key)
                throw Failure(text: Self.createText(error))
            }
            return .taken(found)
        }
    }

    /// Has the binding go that has the name of the one to be made, where its pod is gone or it is the pod's own.
    private func makeWay(
        _ key: KubernetesClient.ObjectKey, for request: PodRequest, found: PodCPUBinding?
    ) async throws(Failure) {
        let present = if let found { found } else { try await find(key) }
        if let present, !present.metadata.isBeingDeleted {
            let taken = Failure(text: BindRefusal.bindingExists(Bindings.ObjectKey(key)).description)
            guard let owner = present.knownPodUID else { throw taken }
            if owner != request.uid {
                let pod: Pod?
                do {
                    pod = try await pods.find(
                        KubernetesClient.ObjectKey(namespace: key.namespace, name: present.podName))
                } catch { throw Failure(text: Self.createText(error)) }
                guard pod?.metadata.uid != owner else { throw taken }
            }
            do { try await bindings.delete(key, uid: present.metadata.uid) } catch {
                throw Failure(text: Self.createText(error))
            }
        }
        // One that is gone already has still to be seen to be.
        if await state.departure(of: key, uid: present?.metadata.uid, within: Self.departure) { return }
        throw Failure(
            text: "failed to create pod cpu binding: podcpubindings.cslab.ece.ntua.gr \"\(key.name)\" is being deleted")
    }

    private func find(_ key: KubernetesClient.ObjectKey) async throws(Failure) -> PodCPUBinding? {
        do { return try await bindings.find(key) } catch { throw Failure(text: Self.createText(error)) }
    }

    /// Takes back what was made for a pod that is not bound.
    private func takeBack(_ choice: BindingChoice, _ uid: String) async {
        let key = KubernetesClient.ObjectKey(choice.binding)
        do { try await bindings.delete(key, uid: uid) } catch { return lookAgain(key) }
        state.takeBack(choice)
    }

    private static func createText(_ error: KubernetesError) -> String { "failed to create pod cpu binding: \(error)" }

    // MARK: - The binding of the pod

    private enum Outcome {
        case bound
        /// It is not bound, and will not be.
        case refused(String)
        /// It may be bound, now or later.
        case unknown(String)
    }

    /// Binds the pod to its node.
    private func post(_ args: ExtenderBindingArgs) async -> Outcome {
        var text = ""
        let end = ContinuousClock.now + patience
        while text.isEmpty || ContinuousClock.now < end {
            do {
                try await pods.bind(args.pod.name, namespace: args.pod.namespace, to: args.node, uid: args.uid)
                return .bound
            } catch {
                text = "failed to bind pod: \(error)"
                guard error.isInDoubt || error.reason == .conflict || error.reason == .notFound else {
                    return .refused(text)
                }
                // An earlier try may have bound it.
                let found: Pod?
                do { found = try await pods.find(args.pod) } catch {
                    try? await Task.sleep(for: .milliseconds(100))
                    continue
                }
                guard let pod = found, pod.metadata.uid == args.uid else { return .refused(Self.goneText(args)) }
                if pod.nodeName == args.node { return .bound }
                guard pod.nodeName == nil else { return .refused(text) }
                if !error.isInDoubt { return .refused(text) }
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
        return .unknown(text)
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
