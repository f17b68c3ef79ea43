/// A kind of object that an API server keeps: how it is spelt in objects and in paths.
public struct ResourceKind: Hashable, Sendable {
    /// The API group; empty for the core group.
    public let group: String
    /// The version: `v1`.
    public let version: String
    /// The kind: `Pod`.
    public let kind: String
    /// The name in paths: `pods`.
    public let plural: String
    /// Whether objects live in a namespace.
    public let isNamespaced: Bool

    /// A kind of object.
    public init(group: String, version: String, kind: String, plural: String, isNamespaced: Bool) {
        self.group = group
        self.version = version
        self.kind = kind
        self.plural = plural
        self.isNamespaced = isNamespaced
    }

    /// What objects have as `apiVersion`: `v1`, `coordination.k8s.io/v1`.
    public var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }
}

/// An object of an API server.
public protocol KubernetesObject: JSONView {}

extension KubernetesObject {
    /// The object's name, labels, version and owners.
    public var metadata: ObjectMeta {
        get { view("metadata") }
        set { json["metadata"] = newValue.json }
    }

    /// What the object says that it is: `v1`; empty where it says nothing, as elements of lists may.
    public var apiVersion: String { text("apiVersion") ?? "" }
    /// What the object says that it is: `Pod`; empty where it says nothing, as elements of lists may.
    public var kind: String { text("kind") ?? "" }
    /// Namespace and name.
    public var key: ObjectKey { ObjectKey(namespace: metadata.namespace ?? "", name: metadata.name) }
}

/// An object of a kind that has a Swift type.
public protocol KubernetesResource: KubernetesObject {
    /// The kind of all objects of this type.
    static var resourceKind: ResourceKind { get }
}

extension KubernetesResource {
    /// A new object, without a spec.
    public init(name: String, namespace: String? = nil) {
        self.init(
            json: ["apiVersion": .string(Self.resourceKind.apiVersion), "kind": .string(Self.resourceKind.kind)])
        metadata.name = name
        metadata.namespace = namespace
    }
}

/// An object of any kind.
public struct UntypedObject: KubernetesObject {
    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// A new object of this kind.
    public init(_ kind: ResourceKind, name: String, namespace: String? = nil) {
        json = ["apiVersion": .string(kind.apiVersion), "kind": .string(kind.kind)]
        metadata.name = name
        metadata.namespace = namespace
    }
}

/// What an object is found by among those of its kind.
public struct ObjectKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The namespace; empty for an object that lives in none.
    public let namespace: String
    /// The name.
    public let name: String

    /// A key.
    public init(namespace: String = "", name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// By namespace, then name.
    public static func < (one: ObjectKey, other: ObjectKey) -> Bool {
        (one.namespace, one.name) < (other.namespace, other.name)
    }

    /// `NAMESPACE/NAME`, or only the name.
    public var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
}
