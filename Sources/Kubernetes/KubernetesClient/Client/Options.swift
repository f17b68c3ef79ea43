/// Which objects of a kind are meant.
public struct Selection: Hashable, Sendable {
    /// The namespace; nil for all.
    public var namespace: String?
    /// A selector of labels: `app=web,tier!=cache`; nil for all objects.
    public var labels: String?
    /// A selector of members: `spec.nodeName=n1`; nil for all objects.
    public var fields: String?

    /// A selection; all objects unless told otherwise.
    public init(namespace: String? = nil, labels: String? = nil, fields: String? = nil) {
        self.namespace = namespace
        self.labels = labels
        self.fields = fields
    }

    var query: [(String, String?)] { [("labelSelector", labels), ("fieldSelector", fields)] }
}

/// Objects of a kind at one moment.
public struct ObjectList<Object: KubernetesObject>: Sendable {
    /// The objects.
    public var items: [Object] = []
    /// The moment, from which a watch can go on.
    public var resourceVersion = ""
    /// What to ask the next page with; nil where this is the last.
    public var `continue`: String?
    /// How many objects are on later pages, where the server says so.
    public var remaining: Int?

    init() {}

    /// Reads a list, and of each object keeps what `transform` makes of it. Only one object is decoded at a time: decoded, a
    /// page of large objects takes tens of megabytes.
    ///
    /// - Throws: ``KubernetesError/malformed(_:)``.
    init(_ bytes: [UInt8], _ transform: (Object) -> Object?) throws(KubernetesError) {
        var cursor: JSONCursor
        do { cursor = try JSONCursor(bytes, maximumDepth: APIRequest.depth) } catch { throw .malformed("\(error)") }
        var metadata: JSONValue?
        var items: [Object]?
        var isList = true
        _ = cursor.object { cursor, member in
            switch member {
            case "metadata": metadata = cursor.value()
            case "items":
                var kept: [Object] = []
                isList =
                    cursor.isNull
                    || cursor.array { cursor in
                        if let object = transform(Object(json: cursor.value())) { kept.append(object) }
                    }
                items = kept
            default: break
            }
        }
        guard let metadata, let items else { throw .malformed("the list has no metadata or no items") }
        guard isList else { throw .malformed("the items of the list are no list") }
        self.items = items
        resourceVersion = metadata["resourceVersion"]?.string ?? ""
        self.continue = metadata["continue"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        remaining = metadata["remainingItemCount"]?.integer
    }
}

/// How an object is changed.
public struct ChangeOptions: Hashable, Sendable {
    /// Who changes it; nil for what the server makes of the user agent.
    public var fieldManager: String?
    /// Whether the change is only tried, and nothing stored.
    public var isDryRun: Bool

    /// Options.
    public init(fieldManager: String? = nil, isDryRun: Bool = false) {
        self.fieldManager = fieldManager
        self.isDryRun = isDryRun
    }

    var query: [(String, String?)] { [("fieldManager", fieldManager), ("dryRun", isDryRun ? "All" : nil)] }
}

/// A change of members of an object.
public enum Patch: Equatable, Sendable {
    /// Sets the members that are there, and removes those that are null (RFC 7386).
    case merge(JSONValue)
    /// A list of operations (RFC 6902).
    case json(JSONValue)
    /// Sets members, with lists merged as the kind says; for kinds that are no custom resources.
    case strategic(JSONValue)
    /// Says what the object is to have. `force` takes over what others have said otherwise.
    case apply(JSONValue, force: Bool)

    var body: JSONValue {
        switch self {
        case .merge(let body), .json(let body), .strategic(let body), .apply(let body, _): body
        }
    }

    var contentType: String {
        switch self {
        case .merge: "application/merge-patch+json"
        case .json: "application/json-patch+json"
        case .strategic: "application/strategic-merge-patch+json"
        case .apply: "application/apply-patch+yaml"
        }
    }

    var query: [(String, String?)] {
        if case .apply(_, true) = self { [("force", "true")] } else { [] }
    }
}

/// How an object is deleted.
public struct DeleteOptions: Hashable, Sendable {
    /// What becomes of the objects that go with it.
    public enum Propagation: String, Sendable {
        /// They are left.
        case orphan = "Orphan"
        /// They are deleted afterwards.
        case background = "Background"
        /// They are deleted first.
        case foreground = "Foreground"
    }

    /// The object that is meant; another of the name is a conflict. Nil for any.
    public var uid: String?
    /// The version that is meant; another is a conflict. Nil for any.
    public var resourceVersion: String?
    /// What becomes of the objects that go with it; nil for what the kind says.
    public var propagation: Propagation?
    /// How long a pod has to end; nil for what the pod says.
    public var gracePeriod: Duration?

    /// Options.
    public init(
        uid: String? = nil, resourceVersion: String? = nil, propagation: Propagation? = nil,
        gracePeriod: Duration? = nil
    ) {
        self.uid = uid
        self.resourceVersion = resourceVersion
        self.propagation = propagation
        self.gracePeriod = gracePeriod
    }

    var json: JSONValue {
        var json: JSONValue = ["apiVersion": "v1", "kind": "DeleteOptions"]
        if let uid { json[["preconditions", "uid"]] = .string(uid) }
        if let resourceVersion { json[["preconditions", "resourceVersion"]] = .string(resourceVersion) }
        if let propagation { json["propagationPolicy"] = .string(propagation.rawValue) }
        if let gracePeriod { json["gracePeriodSeconds"] = JSONValue(max(0, Int(gracePeriod.components.seconds))) }
        return json
    }
}
