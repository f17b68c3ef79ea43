import TestSupport
import WireJSON

/// A Kubernetes cluster as its API server sees it: a value. Every operation is a function of a request and the time; what
/// changed can be read from the history of each kind.
package struct StandInCluster: Sendable {
    /// What can be chosen.
    package struct Settings: Sendable {
        /// How many changes of each kind are remembered for watches.
        package var historyLimit = 100_000
        /// Seconds between bookmarks of a watch that allows them.
        package var bookmarkInterval = 60.0
        /// Seconds after which a watch that names no timeout ends.
        package var watchTimeout = 1_800.0
        /// Whether objects whose owners are gone are removed, and namespaces that are deleted are emptied.
        package var collectsGarbage = true
        /// Whether `metadata.managedFields` is kept.
        package var tracksFieldManagers = true
        /// The version that it claims.
        package var version = "1.36.2"

        package init() {}
    }

    package var settings: Settings
    /// The version of the last change.
    package internal(set) var version: UInt64 = 1
    var registry = Registry()
    var collections: [String: Collection] = [:]
    /// The version up to which history is forgotten.
    var horizon: UInt64 = 0
    var random: SeededRandom
    /// Where the object with a uid is.
    var references: [String: ObjectReference] = [:]
    /// The objects that name a uid as their owner.
    var dependents: [String: Set<ObjectReference>] = [:]
    var garbage = GarbageQueue()
    /// The namespaces and definitions that are being deleted.
    private var terminating: Set<String> = []
    /// The kinds that changed since they were last asked for.
    private var touched: Set<String> = []
    /// The text of containers' logs: `namespace/pod/container`, or `namespace/pod` for all.
    package var logs: [String: String] = [:]
    /// The users that tokens of service accounts stand for.
    var issuedTokens: [String: StandInUser] = [:]

    /// A cluster with the namespaces default, kube-system, kube-public and kube-node-lease, and the roles that every
    /// cluster has.
    ///
    /// - Parameters:
    ///   - seed: what uids and generated names come from.
    ///   - now: when it begins.
    package init(settings: Settings = Settings(), seed: UInt64 = 1, now: StandInTime) {
        self.settings = settings
        random = SeededRandom(seed: seed)
        for object in Bootstrap.objects {
            guard let type = registry.type(object.group, object.version, object.plural) else { continue }
            _ = try? create(type, object.value, WriteContext(user: .admin, manager: "kube-apiserver", now: now))
        }
        settle(now: now)
    }

    // MARK: - Storing

    /// The next version of the store.
    private mutating func nextVersion() -> UInt64 {
        version += 1
        return version
    }

    /// The kinds that changed since the last call.
    mutating func takeTouched() -> Set<String> {
        defer { touched = [] }
        return touched
    }

    func object(_ type: ResourceType, _ key: ObjectKey) -> StoredObject? { collections[type.storage]?[key] }

    func object(_ reference: ObjectReference) -> StoredObject? { collections[reference.storage]?[reference.key] }

    /// Stores a version of an object.
    @discardableResult
    mutating func put(_ value: JSONValue, as type: ResourceType) -> StoredObject {
        let version = nextVersion()
        var value = value
        value.set(["metadata", "resourceVersion"], .string(String(version)))
        let object = StoredObject(value, version: version)
        let key = object.key
        let reference = ObjectReference(storage: type.storage, key: key)
        let before = collections[type.storage]?[key]
        if let before { unlink(before, reference) }
        link(object, reference)
        collections[type.storage, default: Collection(horizon: horizon)].put(
            object, at: key, historyLimit: settings.historyLimit)
        noteChange(of: type, before: before, after: object)
        return object
    }

    /// Removes an object.
    @discardableResult
    mutating func remove(_ object: StoredObject, of type: ResourceType) -> StoredObject {
        let version = nextVersion()
        var value = object.value
        value.set(["metadata", "resourceVersion"], .string(String(version)))
        let last = StoredObject(value, version: version)
        let key = object.key
        let reference = ObjectReference(storage: type.storage, key: key)
        unlink(object, reference)
        collections[type.storage]?.remove(key, last: last, historyLimit: settings.historyLimit)
        if dependents[object.uid] != nil { garbage.goneOwners.append(object.uid) }
        for owner in Self.owners(of: object.value) { garbage.waitingOwners.insert(owner) }
        if terminating.contains(key.namespace) { garbage.namespaces.insert(key.namespace) }
        if terminating.contains(type.storage) { garbage.definitions.insert(type.storage) }
        noteChange(of: type, before: object, after: nil)
        return last
    }

    private mutating func link(_ object: StoredObject, _ reference: ObjectReference) {
        references[object.uid] = reference
        let owners = Self.owners(of: object.value)
        for owner in owners { dependents[owner, default: []].insert(reference) }
        if !owners.isEmpty { garbage.suspects.append(reference) }
    }

    private mutating func unlink(_ object: StoredObject, _ reference: ObjectReference) {
        references[object.uid] = nil
        for owner in Self.owners(of: object.value) {
            dependents[owner]?.remove(reference)
            if dependents[owner]?.isEmpty == true { dependents[owner] = nil }
        }
    }

    static func owners(of value: JSONValue) -> [String] {
        (value.at("metadata", "ownerReferences")?.array ?? []).compactMap { $0.text("uid") }
    }

    /// What other parts of the server learn of a change.
    private mutating func noteChange(of type: ResourceType, before: StoredObject?, after: StoredObject?) {
        touched.insert(type.storage)
        let isDefinition = type.storage == "customresourcedefinitions.apiextensions.k8s.io"
        guard isDefinition || type.storage == "namespaces", let name = (after ?? before)?.key.name else { return }
        if isDefinition { noteDefinition(name, after) }
        guard after?.isDeleting == true else {
            terminating.remove(name)
            return
        }
        terminating.insert(name)
        if isDefinition { garbage.definitions.insert(name) } else { garbage.namespaces.insert(name) }
    }

    /// Whether a namespace, or the definition of a kind, is being deleted.
    func isTerminating(_ name: String) -> Bool { terminating.contains(name) }

    // MARK: - History

    /// Forgets what happened up to now: watches and pages that began earlier are refused with 410.
    package mutating func compact() {
        horizon = version
        for storage in collections.keys { collections[storage]?.forget(upTo: version) }
    }
}
