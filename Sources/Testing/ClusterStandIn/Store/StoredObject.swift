import Synchronization
import WireJSON

/// One version of an object.
final class StoredObject: Sendable {
    /// The object in canonical form, as the storage version of its kind.
    let value: JSONValue
    let version: UInt64
    private let text = Mutex<[UInt8]?>(nil)

    init(_ value: JSONValue, version: UInt64) {
        self.value = value
        self.version = version
    }

    /// The JSON text; made once, for all that read it.
    var bytes: [UInt8] {
        text.withLock { text in
            if let text { return text }
            let made = value.encoded
            text = made
            return made
        }
    }

    var key: ObjectKey {
        ObjectKey(namespace: value.text("metadata", "namespace") ?? "", name: value.text("metadata", "name") ?? "")
    }

    var uid: String { value.text("metadata", "uid") ?? "" }
    var isDeleting: Bool { value.at("metadata", "deletionTimestamp") != nil }
    var finalizers: [String] { value.at("metadata", "finalizers")?.texts ?? [] }
}

/// Where an object is within its kind.
struct ObjectKey: Hashable, Comparable, Sendable {
    /// Empty for objects of the cluster.
    let namespace: String
    let name: String

    static func < (left: ObjectKey, right: ObjectKey) -> Bool {
        left.namespace == right.namespace ? left.name < right.name : left.namespace < right.namespace
    }
}

/// Where an object is.
struct ObjectReference: Hashable, Sendable {
    let storage: String
    let key: ObjectKey
}

/// One change of an object: it was made, changed, or removed.
struct Change: Sendable {
    let version: UInt64
    let key: ObjectKey
    let before: StoredObject?
    /// nil where the object was removed.
    let after: StoredObject?
    /// What was removed, with the version of the removal.
    let removed: StoredObject?
}
