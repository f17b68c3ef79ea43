/// The metadata of an object.
public struct ObjectMeta: JSONView {
    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// The name; empty where the server is to choose one (``generateName``).
    public var name: String {
        get { text("name") ?? "" }
        set { set(newValue.isEmpty ? nil : newValue, "name") }
    }

    /// What a name begins with that the server chooses.
    public var generateName: String? {
        get { text("generateName") }
        set { set(newValue, "generateName") }
    }

    /// The namespace; nil for an object that lives in none.
    public var namespace: String? {
        get { text("namespace") }
        set { set(newValue, "namespace") }
    }

    /// What tells the object from all others, also from those that had its name before.
    public var uid: String { text("uid") ?? "" }

    /// The version of the object, which every change changes. To be compared for equality only.
    ///
    /// An update that has one is refused where the object has another (``Status/Reason/conflict``).
    public var resourceVersion: String {
        get { text("resourceVersion") ?? "" }
        set { set(newValue.isEmpty ? nil : newValue, "resourceVersion") }
    }

    /// Counts the changes of the spec; 0 where it is not counted.
    public var generation: Int { number("generation") ?? 0 }

    /// What objects are selected by.
    public var labels: [String: String] {
        get { map("labels") }
        set { set(newValue, "labels") }
    }

    /// Further properties.
    public var annotations: [String: String] {
        get { map("annotations") }
        set { set(newValue, "annotations") }
    }

    /// The objects that this one goes with.
    public var ownerReferences: [OwnerReference] {
        get { list("ownerReferences") }
        set { set(newValue, "ownerReferences") }
    }

    /// Who must agree before the object is gone. An object that is deleted stays until the list is empty.
    public var finalizers: [String] {
        get { texts("finalizers") }
        set { set(newValue, "finalizers") }
    }

    /// When it was created, by the server's clock.
    public var creationTimestamp: Timestamp? { time("creationTimestamp") }

    /// When it is to be gone, by the server's clock; nil unless somebody has deleted it.
    public var deletionTimestamp: Timestamp? { time("deletionTimestamp") }

    /// Whether somebody has deleted it.
    public var isBeingDeleted: Bool { json["deletionTimestamp"]?.string != nil }
}

/// An object that another one goes with.
public struct OwnerReference: JSONView {
    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// A reference to an object that a server has answered with.
    ///
    /// - Parameters:
    ///   - isController: whether the owner manages the object; one owner at most does.
    ///   - blocksOwnerDeletion: whether the owner waits for the object where it is deleted in the foreground.
    public init<Owner: KubernetesResource>(
        to owner: Owner, isController: Bool = false, blocksOwnerDeletion: Bool = false
    ) {
        json = [
            "apiVersion": .string(Owner.resourceKind.apiVersion), "kind": .string(Owner.resourceKind.kind),
            "name": .string(owner.metadata.name), "uid": .string(owner.metadata.uid),
        ]
        if isController { json["controller"] = true }
        if blocksOwnerDeletion { json["blockOwnerDeletion"] = true }
    }

    /// The owner's version of the API.
    public var apiVersion: String { text("apiVersion") ?? "" }
    /// The owner's kind.
    public var kind: String { text("kind") ?? "" }
    /// The owner's name.
    public var name: String { text("name") ?? "" }
    /// The owner's uid.
    public var uid: String { text("uid") ?? "" }
    /// Whether the owner manages the object.
    public var isController: Bool { flag("controller") }
}

/// One condition of an object's status.
public struct Condition: JSONView {
    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// A condition.
    ///
    /// - Parameters:
    ///   - status: nil where it is unknown.
    ///   - reason: one word in camel case.
    public init(
        type: String, status: Bool?, reason: String, message: String, observedGeneration: Int? = nil,
        lastTransitionTime: Timestamp
    ) {
        json = [
            "type": .string(type), "status": .string(status.map { $0 ? "True" : "False" } ?? "Unknown"),
            "reason": .string(reason), "message": .string(message),
            "lastTransitionTime": .string(lastTransitionTime.seconds),
        ]
        if let observedGeneration { json["observedGeneration"] = JSONValue(observedGeneration) }
    }

    /// What it is about: `Ready`.
    public var type: String { text("type") ?? "" }
    /// Whether it holds; nil where that is unknown.
    public var isTrue: Bool? {
        switch text("status") {
        case "True": true
        case "False": false
        default: nil
        }
    }
    /// Why, in one word.
    public var reason: String { text("reason") ?? "" }
    /// Why, for people.
    public var message: String { text("message") ?? "" }
    /// When ``isTrue`` changed.
    public var lastTransitionTime: Timestamp? { time("lastTransitionTime") }
    /// The ``ObjectMeta/generation`` that it speaks of.
    public var observedGeneration: Int? { number("observedGeneration") }
}

/// A reference to an object.
public struct ObjectReference: JSONView, Hashable {
    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// A reference to an object.
    public init<Object: KubernetesResource>(to object: Object) {
        self.init(
            kind: Object.resourceKind, namespace: object.metadata.namespace, name: object.metadata.name,
            uid: object.metadata.uid)
    }

    /// A reference to an object that may not exist.
    public init(kind: ResourceKind, namespace: String?, name: String, uid: String = "") {
        json = [
            "apiVersion": .string(kind.apiVersion), "kind": .string(kind.kind), "name": .string(name),
        ]
        if let namespace { json["namespace"] = .string(namespace) }
        if !uid.isEmpty { json["uid"] = .string(uid) }
    }

    /// The object's version of the API.
    public var apiVersion: String { text("apiVersion") ?? "" }
    /// The object's kind.
    public var kind: String { text("kind") ?? "" }
    /// The object's namespace; nil where it lives in none.
    public var namespace: String? { text("namespace") }
    /// The object's name.
    public var name: String { text("name") ?? "" }
    /// The object's uid; empty where it is not known.
    public var uid: String { text("uid") ?? "" }

    /// By what the properties show.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(kind)
        hasher.combine(namespace)
        hasher.combine(name)
        hasher.combine(uid)
    }
}
