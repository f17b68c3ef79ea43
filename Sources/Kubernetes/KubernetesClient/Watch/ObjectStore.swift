/// What a change of a copy of a server's objects has done.
public enum Change<Object: KubernetesObject>: Equatable, Sendable {
    /// There is a new object.
    case added(Object)
    /// An object has changed.
    case updated(old: Object, new: Object)
    /// An object is gone; this is the last state that was seen.
    case deleted(Object)

    /// The object, in its last state.
    public var object: Object {
        switch self {
        case .added(let object), .updated(_, let object), .deleted(let object): object
        }
    }

    /// The object's namespace and name.
    public var key: ObjectKey { object.key }
}

/// How objects are found by something else than their names.
public struct Indexer<Object: KubernetesObject>: Sendable {
    /// The indexer's name.
    public let name: String
    /// The values that an object is found by.
    public let values: @Sendable (Object) -> [String]

    /// An indexer.
    public init(_ name: String, _ values: @escaping @Sendable (Object) -> [String]) {
        self.name = name
        self.values = values
    }

    /// By namespace.
    public static var namespace: Indexer { Indexer("namespace") { $0.metadata.namespace.map { [$0] } ?? [] } }
}

extension Indexer where Object == Pod {
    /// By the node that a pod is bound to.
    public static var node: Indexer { Indexer("node") { $0.nodeName.map { [$0] } ?? [] } }
}

extension Indexer where Object == PodCPUBinding {
    /// By the node of the binding's pod.
    public static var node: Indexer { Indexer("node") { $0.nodeName.isEmpty ? [] : [$0.nodeName] } }
    /// By the binding's pod, `NAMESPACE/NAME`.
    public static var pod: Indexer { Indexer("pod") { ["\($0.metadata.namespace ?? "")/\($0.podName)"] } }
}

extension Indexer where Object == NodeCPUTopology {
    /// By the topology's node.
    public static var node: Indexer { Indexer("node") { [$0.nodeName] } }
}

/// A copy of a server's objects.
public struct ObjectStore<Object: KubernetesObject>: Sendable {
    private var objects: [ObjectKey: Object] = [:]
    private let indexers: [Indexer<Object>]
    /// For each indexer the keys of the objects of a value.
    private var indexes: [String: [String: Set<ObjectKey>]] = [:]

    /// An empty store.
    public init(indexers: [Indexer<Object>] = []) {
        self.indexers = indexers
        for indexer in indexers { indexes[indexer.name] = [:] }
    }

    /// How many objects there are.
    public var count: Int { objects.count }

    /// The object of this key.
    public subscript(key: ObjectKey) -> Object? { objects[key] }

    /// All objects, in no order.
    public var all: [Object] { Array(objects.values) }

    /// The keys of all objects, in no order.
    public var keys: [ObjectKey] { Array(objects.keys) }

    /// The objects that have this value by the indexer of this name, in the order of their keys; none for an unknown indexer.
    public func objects(by indexer: String, _ value: String) -> [Object] {
        (indexes[indexer]?[value] ?? []).sorted().compactMap { objects[$0] }
    }

    /// Takes what a list has for all that there is.
    public mutating func replace(with list: [Object]) -> [Change<Object>] {
        var changes: [Change<Object>] = []
        var gone = Set(objects.keys)
        for object in list {
            gone.remove(object.key)
            changes += set(object).map { [$0] } ?? []
        }
        for key in gone.sorted() { changes += remove(key, last: nil).map { [$0] } ?? [] }
        return changes
    }

    /// Does what a watch says. What says nothing new changes nothing.
    ///
    /// - Parameter transform: what is kept of an object; nil for none of it, which for the copy means that it is gone.
    public mutating func apply(
        _ event: WatchEvent<Object>, _ transform: (Object) -> Object? = { $0 }
    ) -> Change<Object>? {
        switch event {
        case .added(let object), .modified(let object):
            guard let kept = transform(object) else { return remove(object.key, last: nil) }
            return set(kept)
        case .deleted(let object): return remove(object.key, last: transform(object))
        case .bookmark, .error: return nil
        }
    }

    private mutating func set(_ object: Object) -> Change<Object>? {
        let key = object.key
        guard let old = objects[key] else {
            objects[key] = object
            index(object, key, isThere: true)
            return .added(object)
        }
        let version = object.metadata.resourceVersion
        if !version.isEmpty, old.metadata.resourceVersion == version, old.metadata.uid == object.metadata.uid {
            return nil
        }
        objects[key] = object
        index(old, key, isThere: false)
        index(object, key, isThere: true)
        return .updated(old: old, new: object)
    }

    private mutating func remove(_ key: ObjectKey, last: Object?) -> Change<Object>? {
        guard let old = objects.removeValue(forKey: key) else { return nil }
        index(old, key, isThere: false)
        return .deleted(last ?? old)
    }

    private mutating func index(_ object: Object, _ key: ObjectKey, isThere: Bool) {
        for indexer in indexers {
            for value in indexer.values(object) {
                if isThere {
                    indexes[indexer.name, default: [:]][value, default: []].insert(key)
                } else if indexes[indexer.name]?[value]?.remove(key) != nil,
                    indexes[indexer.name]?[value]?.isEmpty == true
                {
                    indexes[indexer.name]?[value] = nil
                }
            }
        }
    }
}
