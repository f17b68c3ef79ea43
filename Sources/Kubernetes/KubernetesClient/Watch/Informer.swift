import Synchronization

/// Keeps a copy of the objects that are selected, and says what changes.
///
/// ```swift
/// let pods = Informer(client.resources(Pod.self), Selection(fields: "spec.nodeName=n1"), indexers: [.namespace])
/// pods.addHandler { change in queue.add(change.key) }
/// async let running: Void = pods.run()
/// guard await pods.waitUntilSynced() else { return }
/// ```
public final class Informer<Object: KubernetesObject>: Sendable {
    /// What is called after each change.
    public typealias Handler = @Sendable (Change<Object>) -> Void

    private let resources: ResourceClient<Object>
    private let selection: Selection
    private let settings: Reflector.Settings
    private let transform: @Sendable (Object) -> Object?
    private let onFailure: @Sendable (KubernetesError) -> Void
    private let onRecovery: @Sendable () -> Void
    /// Whether there was a failure since a list or a watch last succeeded.
    private let isFailing = Mutex(false)
    private let reflector: Mutex<Reflector>
    private let store: Mutex<ObjectStore<Object>>
    /// Held while a change is made and told, so that every handler hears every change once, in order.
    private let handlers = Mutex<[Handler]>([])
    private let synced = Gate()

    /// An informer, which does nothing before ``run()``.
    ///
    /// - Parameters:
    ///   - indexers: what objects are found by besides their names.
    ///   - transform: what is kept of an object; ``KubernetesObject/withoutManagedFields`` saves memory. Nil for an object of
    ///     which nothing is kept: it takes no memory, and no handler hears of it. One that was kept before is deleted, in the
    ///     state that was kept; one that is kept later is added.
    ///   - onFailure: is told why a list or a watch has failed; both are tried again.
    ///   - onRecovery: is told, after failures, that a list or the beginning of a watch has succeeded again.
    public init(
        _ resources: ResourceClient<Object>, _ selection: Selection = .init(), indexers: [Indexer<Object>] = [],
        settings: Reflector.Settings = .init(), transform: @escaping @Sendable (Object) -> Object? = { $0 },
        onFailure: @escaping @Sendable (KubernetesError) -> Void = { _ in },
        onRecovery: @escaping @Sendable () -> Void = {}
    ) {
        self.resources = resources
        self.selection = selection
        self.settings = settings
        self.transform = transform
        self.onFailure = onFailure
        self.onRecovery = onRecovery
        reflector = Mutex(Reflector(settings))
        store = Mutex(ObjectStore(indexers: indexers))
    }

    // MARK: - The copy

    /// Whether the copy has been complete once.
    public var hasSynced: Bool { synced.isOpen }

    /// Waits until the copy has been complete once.
    ///
    /// - Returns: whether it was; false where the task is cancelled.
    public func waitUntilSynced() async -> Bool { await synced.wait() }

    /// The object of this key.
    public subscript(key: ObjectKey) -> Object? { store.withLock { $0[key] } }

    /// How many objects there are.
    public var count: Int { store.withLock { $0.count } }

    /// All objects, in no order.
    public var all: [Object] { store.withLock { $0.all } }

    /// The objects that have this value by an indexer, in the order of their keys.
    public func objects(by indexer: Indexer<Object>, _ value: String) -> [Object] {
        store.withLock { $0.objects(by: indexer.name, value) }
    }

    /// Calls `handler` for every object that there is, as added, and for every change from then on.
    ///
    /// Handlers are called one after the other, after the copy has changed, and must neither block nor add handlers: to add a key
    /// to a ``WorkQueue`` is what they are for.
    public func addHandler(_ handler: @escaping Handler) {
        handlers.withLock { handlers in
            for object in all.sorted(by: { $0.key < $1.key }) { handler(.added(object)) }
            handlers.append(handler)
        }
    }

    // MARK: - Keeping it

    /// Keeps the copy until the task is cancelled. To be called once.
    public func run() async {
        let system = resources.client.system
        while !Task.isCancelled {
            var random = system.generator
            switch reflector.withLock({ $0.step(now: system.now(), random: &random) }) {
            case .wait(let until): try? await system.sleep(until - system.now())
            case .list(let kind): await list(kind, system)
            case .watch(let version, let seconds): await watch(from: version, seconds: seconds, system)
            }
        }
    }

    private func list(_ kind: Reflector.ListKind, _ system: SystemAccess) async {
        do throws(KubernetesError) {
            let list = try await resources.list(selection, kind, transform)
            guard !list.resourceVersion.isEmpty else { throw .malformed("the list has no resourceVersion") }
            change { $0.replace(with: list.items) }
            reflector.withLock { $0.listed(version: list.resourceVersion, now: system.now()) }
            synced.open()
            succeeded()
        } catch {
            failed(error, system)
        }
    }

    private func watch(from version: String, seconds: Int, _ system: SystemAccess) async {
        do {
            try await resources.watch(
                selection, from: version, seconds: seconds, silence: settings.silence, onOpen: succeeded
            ) { [self] event in
                var random = system.generator
                switch reflector.withLock({ $0.heard(event, now: system.now(), random: &random) }) {
                case .apply: change { [transform] store in store.apply(event, transform).map { [$0] } ?? [] }
                case .ignore: break
                case .end:
                    if case .error(let status) = event { tell(.status(status)) }
                    throw WatchOver()
                }
            }
            var random = system.generator
            reflector.withLock { $0.ended(now: system.now(), random: &random) }
        } catch is WatchOver {
            // The reflector knows.
        } catch {
            failed(error as? KubernetesError ?? .cancelled, system)
        }
    }

    private struct WatchOver: Error {}

    private func failed(_ error: KubernetesError, _ system: SystemAccess) {
        guard !Task.isCancelled else { return }
        var random = system.generator
        reflector.withLock { $0.failed(error, now: system.now(), random: &random) }
        tell(error)
    }

    private func tell(_ failure: KubernetesError) {
        isFailing.withLock { $0 = true }
        onFailure(failure)
    }

    private func succeeded() {
        let isRecovery = isFailing.withLock { isFailing in
            defer { isFailing = false }
            return isFailing
        }
        if isRecovery { onRecovery() }
    }

    private func change(_ body: (inout ObjectStore<Object>) -> [Change<Object>]) {
        handlers.withLock { handlers in
            for change in store.withLock({ body(&$0) }) { for handler in handlers { handler(change) } }
        }
    }
}

extension KubernetesObject {
    /// The object without the record of who has changed which member, which is often the half of it.
    public var withoutManagedFields: Self {
        var object = self
        if json["metadata"]?["managedFields"] != nil { object.json[["metadata", "managedFields"]] = nil }
        return object
    }
}
