import KubernetesClient

/// A component's copy of the objects of one kind, as an informer keeps it: listed, then watched, listed again where the watch
/// was away for too long.
final class WatchedCopy<Object: KubernetesResource>: Pokable {
    private(set) var store: ObjectStore<Object>
    private unowned let world: ClusterSimulation
    private let kind: ModelServer.Kind
    private let place: Int?
    private let selects: (Object) -> Bool
    private let transform: (Object) -> Object?
    private let handler: (Change<Object>) -> Void
    private let onList: () -> Void
    /// The version up to which all is known; nil before the first list.
    private var cursor: Int?
    private var isScheduled = false
    private(set) var isOver = false

    /// - Parameters:
    ///   - place: the node where it is kept; nil beside the API server.
    ///   - onList: called when all has been listed, after `handler` was called for what has changed.
    init(
        _ world: ClusterSimulation, _ kind: ModelServer.Kind, place: Int? = nil, indexers: [Indexer<Object>] = [],
        selects: @escaping (Object) -> Bool = { _ in true }, transform: @escaping (Object) -> Object? = { $0 },
        onList: @escaping () -> Void = {}, handler: @escaping (Change<Object>) -> Void
    ) {
        store = ObjectStore(indexers: indexers)
        self.world = world
        self.kind = kind
        self.place = place
        self.selects = selects
        self.transform = transform
        self.handler = handler
        self.onList = onList
        world.watches.append(self)
        poke()
    }

    /// Whether it has been complete once.
    var hasSynced: Bool { cursor != nil }

    subscript(key: ServerKey) -> Object? { store[key] }

    /// All objects by their keys.
    var sorted: [Object] { store.keys.sorted().compactMap { store[$0] } }

    func end() { isOver = true }

    /// Something has changed: it is heard of soon, or later.
    func poke() {
        guard !isScheduled, !isOver else { return }
        isScheduled = true
        world.after(world.watchDelay()) { [weak self] in
            self?.isScheduled = false
            self?.pump()
        }
    }

    private func pump() {
        guard !isOver else { return }
        guard world.isReachable(from: place) else {
            isScheduled = true
            return world.after(500 + world.chance(2_000)) { [weak self] in
                self?.isScheduled = false
                self?.pump()
            }
        }
        guard let known = cursor, let history = world.server.history(after: known) else {
            let objects = world.server.list(kind).map { Object(json: $0) }.filter(selects).compactMap(transform)
            cursor = world.server.version
            for change in store.replace(with: objects) where !isOver { handler(change) }
            if !isOver { onList() }
            return
        }
        // A slow watch says only the beginning.
        let part = world.isHealed || history.count < 3 ? history.count : 1 + world.chance(history.count)
        cursor = known + part
        for entry in history.prefix(part) where entry.kind == kind && !isOver {
            let object = Object(json: entry.object)
            let isGone = entry.isDeleted || !selects(object)
            if let change = store.apply(isGone ? .deleted(object) : .modified(object), transform) { handler(change) }
        }
        if part < history.count { poke() }
    }
}

/// Something that looks at the server's history again when it is told that there is more of it.
protocol Pokable: AnyObject {
    var isOver: Bool { get }
    func poke()
    func end()
}
