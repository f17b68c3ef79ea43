import WireJSON

/// Who manages which fields of an object (`metadata.managedFields`).
struct FieldManagers: Sendable {
    /// One manager.
    struct Manager: Equatable, Sendable {
        var name: String
        /// `Apply` or `Update`.
        var operation: String
        var apiVersion: String
        var subresource: String
        var time: String
        var fields: FieldSet

        /// How an answer names it.
        var description: String {
            var text = FieldError.quote(name)
            if !subresource.isEmpty { text += " with subresource \(FieldError.quote(subresource))" }
            return operation == "Update" ? "\(text) using \(apiVersion)" : text
        }

        func isSame(as other: Manager) -> Bool {
            name == other.name && operation == other.operation && subresource == other.subresource
                && (operation == "Apply" || apiVersion == other.apiVersion)
        }
    }

    var entries: [Manager] = []

    /// Reads those of an object.
    init(of object: JSONValue) {
        entries = (object.at("metadata", "managedFields")?.array ?? []).map { entry in
            Manager(
                name: entry.text("manager") ?? "", operation: entry.text("operation") ?? "",
                apiVersion: entry.text("apiVersion") ?? "", subresource: entry.text("subresource") ?? "",
                time: entry.text("time") ?? "", fields: FieldSet(json: entry.member("fieldsV1") ?? .empty))
        }
    }

    /// As JSON; nil where there are none.
    var json: JSONValue? {
        guard !entries.isEmpty else { return nil }
        let sorted = entries.sorted {
            ($0.operation, $0.time, $0.name, $0.apiVersion, $0.subresource)
                < ($1.operation, $1.time, $1.name, $1.apiVersion, $1.subresource)
        }
        return .array(
            sorted.map { entry in
                .map([
                    "manager": .string(entry.name), "operation": .string(entry.operation),
                    "apiVersion": .string(entry.apiVersion), "time": entry.time.isEmpty ? nil : .string(entry.time),
                    "fieldsType": .string("FieldsV1"), "fieldsV1": entry.fields.json,
                    "subresource": entry.subresource.isEmpty ? nil : .string(entry.subresource),
                ])
            })
    }

    /// Fields that nobody manages.
    private static let unmanaged: FieldSet = {
        var metadata = FieldSet(isMember: false)
        for name in [
            "name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields",
            "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds",
        ] { metadata.children[.field(name)] = FieldSet(isMember: true) }
        var root = FieldSet()
        root.children[.field("apiVersion")] = FieldSet(isMember: true)
        root.children[.field("kind")] = FieldSet(isMember: true)
        root.children[.field("metadata")] = metadata
        return root
    }()

    static func managed(_ fields: FieldSet) -> FieldSet {
        var rest = fields.subtractingRecursively(unmanaged)
        guard var metadata = rest.children[.field("metadata")] else { return rest }
        // Every object has metadata; nobody manages that.
        metadata.isMember = false
        rest.children[.field("metadata")] = metadata.isEmpty ? nil : metadata
        return rest
    }

    /// Notes that a manager has changed an object.
    mutating func update(
        _ manager: Manager, from old: JSONValue, to new: JSONValue, schema: Schema?, isCustom: Bool
    ) {
        let comparison = FieldComparison(from: old, to: new, schema: schema, isCustom: isCustom)
        let changed = Self.managed(comparison.changed)
        let removed = Self.managed(comparison.removed)
        guard !changed.isEmpty || !removed.isEmpty else { return }
        for index in entries.indices where !entries[index].isSame(as: manager) {
            entries[index].fields = entries[index].fields.subtracting(changed).subtracting(removed)
        }
        if let index = entries.firstIndex(where: { $0.isSame(as: manager) }) {
            entries[index].fields = entries[index].fields.union(changed).subtracting(removed)
            entries[index].time = manager.time
        } else if !changed.isEmpty {
            var own = manager
            own.fields = changed
            entries.append(own)
        }
        entries.removeAll { $0.fields.isEmpty }
    }
}
