import KubernetesClient

typealias ServerKey = KubernetesClient.ObjectKey

/// An API server without HTTP: objects with versions, preconditions, a status that is changed apart, finalizers, and a history
/// that watches read and that can be forgotten.
///
/// Of the stand-in server, which answers requests byte for byte, this is the part that components can tell from a distance;
/// a history of thousands of requests takes some milliseconds.
struct ModelServer {
    enum Kind: Int, CaseIterable { case nodes, topologies, pods, bindings }

    enum Failure: Error, Equatable {
        case notFound, alreadyExists, conflict, invalid
        /// It has too much to do, or the caller has no right at the moment; nothing was done.
        case refused
        /// There was no answer: the change may have been carried out, or may still be.
        case inDoubt
        /// There was no connection.
        case unreachable
    }

    struct Entry {
        let kind: Kind
        let key: ServerKey
        let object: JSONValue
        let isDeleted: Bool
    }

    private(set) var version = 0
    /// The version up to which history is forgotten.
    private(set) var horizon = 0
    private var log: [Entry] = []
    private var objects: [Kind: [ServerKey: JSONValue]] = [:]
    private var uids = 0
    /// How many requests would have changed something, whether they did or not.
    var writes = 0
    /// The uids of the objects that are gone since this was last taken, or that never were.
    var goneOwners: [String] = []

    subscript(kind: Kind, key: ServerKey) -> JSONValue? { objects[kind]?[key] }

    func list(_ kind: Kind) -> [JSONValue] {
        (objects[kind] ?? [:]).sorted { $0.key < $1.key }.map(\.value)
    }

    /// What happened after a version; nil where that is forgotten.
    func history(after version: Int) -> ArraySlice<Entry>? {
        version < horizon ? nil : log[(version - horizon)...]
    }

    mutating func compact() {
        horizon = version
        log = []
    }

    mutating func newUID() -> String {
        uids += 1
        let digits = String(uids, radix: 16)
        return "00000000-0000-4000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits
    }

    // MARK: - Changes

    mutating func create(_ kind: Kind, _ object: JSONValue, now: Timestamp) throws(Failure) -> JSONValue {
        writes += 1
        let key = Self.key(of: object)
        guard objects[kind]?[key] == nil else { throw .alreadyExists }
        var object = object
        var metadata = object["metadata"] ?? .object([])
        metadata["uid"] = .string(newUID())
        metadata["creationTimestamp"] = .string(now.seconds)
        metadata["generation"] = 1
        object["metadata"] = metadata
        if kind == .bindings || kind == .topologies { object["status"] = nil }
        for owner in Self.owners(of: object) where !isThere(owner) { goneOwners.append(owner) }
        return put(kind, object)
    }

    mutating func patch(
        _ kind: Kind, _ key: ServerKey, _ patch: Patch, status: Bool = false
    ) throws(Failure) -> JSONValue {
        writes += 1
        guard let old = objects[kind]?[key] else { throw .notFound }
        var changed: JSONValue
        switch patch {
        case .merge(var body):
            if let version = body["metadata"]?["resourceVersion"] {
                guard version == old["metadata"]?["resourceVersion"] else { throw .conflict }
                body["metadata"]?["resourceVersion"] = nil
            }
            changed = Self.merge(body, into: old)
        case .json(let operations):
            // The only one that Berth sends.
            guard let operation = operations.array?.first, operation["path"] == "/spec/topology" else { throw .invalid }
            changed = old
            changed["spec"]?["topology"] = operation["value"]
        default: throw .invalid
        }
        if status {
            var only = old
            only["status"] = changed["status"]
            changed = only
        } else {
            changed["status"] = old["status"]
            if changed["spec"] != old["spec"] {
                changed["metadata"]?["generation"] = JSONValue((old["metadata"]?["generation"]?.integer ?? 0) + 1)
            }
        }
        // What changes nothing makes no version.
        guard changed != old else { return old }
        if kind == .bindings, Self.isLast(changed) { return remove(kind, key, changed) }
        return put(kind, changed)
    }

    mutating func delete(
        _ kind: Kind, _ key: ServerKey, uid: String? = nil, version: String? = nil, isForced: Bool = false,
        now: Timestamp
    ) throws(Failure) {
        writes += 1
        guard var object = objects[kind]?[key] else { throw .notFound }
        guard uid == nil || object["metadata"]?["uid"]?.string == uid,
            version == nil || object["metadata"]?["resourceVersion"]?.string == version
        else { throw .conflict }
        let isWaitedFor =
            kind == .pods
            ? !isForced && object["spec"]?["nodeName"] != nil
            : object["metadata"]?["finalizers"]?.array?.isEmpty == false
        guard isWaitedFor else {
            _ = remove(kind, key, object)
            return
        }
        guard object["metadata"]?["deletionTimestamp"] == nil else { return }
        object["metadata"]?["deletionTimestamp"] = .string(now.seconds)
        _ = put(kind, object)
    }

    /// Binds a pod to a node.
    mutating func bind(_ key: ServerKey, uid: String?, to node: String) throws(Failure) {
        writes += 1
        guard var pod = objects[.pods]?[key] else { throw .notFound }
        guard uid == nil || pod["metadata"]?["uid"]?.string == uid, pod["spec"]?["nodeName"] == nil,
            pod["metadata"]?["deletionTimestamp"] == nil
        else { throw .conflict }
        pod["spec"]?["nodeName"] = .string(node)
        _ = put(.pods, pod)
    }

    /// Deletes what belonged to owners that are gone, as the cluster's garbage collector does.
    mutating func collectGarbage(now: Timestamp) {
        let gone = Set(goneOwners)
        goneOwners = []
        for kind in [Kind.bindings, .topologies] {
            for object in list(kind) {
                let owners = Self.owners(of: object)
                guard owners.contains(where: gone.contains), !owners.contains(where: isThere) else { continue }
                let before = writes
                try? delete(kind, Self.key(of: object), uid: object["metadata"]?["uid"]?.string, now: now)
                writes = before
            }
        }
    }

    private func isThere(_ uid: String) -> Bool {
        [Kind.nodes, .pods].contains { objects[$0]?.values.contains { $0["metadata"]?["uid"]?.string == uid } ?? false }
    }

    private mutating func put(_ kind: Kind, _ object: JSONValue) -> JSONValue {
        store(kind, Self.key(of: object), object, isDeleted: false)
    }

    private mutating func remove(_ kind: Kind, _ key: ServerKey, _ last: JSONValue) -> JSONValue {
        if kind == .pods || kind == .nodes, let uid = last["metadata"]?["uid"]?.string { goneOwners.append(uid) }
        return store(kind, key, last, isDeleted: true)
    }

    private mutating func store(_ kind: Kind, _ key: ServerKey, _ object: JSONValue, isDeleted: Bool) -> JSONValue {
        version += 1
        var object = object
        object["metadata"]?["resourceVersion"] = .string(String(version))
        log.append(Entry(kind: kind, key: key, object: object, isDeleted: isDeleted))
        objects[kind, default: [:]][key] = isDeleted ? nil : object
        return object
    }

    private static func isLast(_ object: JSONValue) -> Bool {
        object["metadata"]?["deletionTimestamp"] != nil && object["metadata"]?["finalizers"]?.array?.isEmpty ?? true
    }

    private static func owners(of object: JSONValue) -> [String] {
        object["metadata"]?["ownerReferences"]?.array?.compactMap { $0["uid"]?.string } ?? []
    }

    static func key(of object: JSONValue) -> ServerKey {
        ServerKey(
            namespace: object["metadata"]?["namespace"]?.string ?? "", name: object["metadata"]?["name"]?.string ?? "")
    }

    private static func merge(_ patch: JSONValue, into target: JSONValue) -> JSONValue {
        guard let changes = patch.members else { return patch }
        var result = target.members == nil ? JSONValue.object([]) : target
        for change in changes {
            result[change.name] =
                change.value == .null ? nil : merge(change.value, into: result[change.name] ?? .null)
        }
        return result
    }
}
