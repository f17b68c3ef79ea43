import WireJSON

extension StandInCluster {
    /// Creates an object, given as it is stored.
    ///
    /// - Returns: the object as it is stored, or would be.
    /// - Throws: ``StatusError``.
    mutating func create(
        _ type: ResourceType, _ value: JSONValue, _ context: WriteContext
    ) throws(StatusError) -> StoredObject {
        var value = value
        let generateName = value.text("metadata", "generateName") ?? ""
        let isGenerated = (value.text("metadata", "name") ?? "").isEmpty && !generateName.isEmpty
        if let given = value.text("metadata", "resourceVersion"), !given.isEmpty, given != "0" {
            throw StatusError(500, "", "resourceVersion should not be set on objects to be created")
        }
        if isGenerated {
            value.set(["metadata", "name"], .string(String(generateName.prefix(58)) + random.suffix()))
        }
        if value.member("metadata")?.members == nil { value.set("metadata", .empty) }
        for name in ["deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "selfLink"] {
            value.set(["metadata", name], nil)
        }
        if !type.isNamespaced { value.set(["metadata", "namespace"], nil) }
        value.set(["metadata", "uid"], .string(random.uuid()))
        value.set(["metadata", "creationTimestamp"], .string(context.now.text))
        value.set(["metadata", "generation"], type.content.countsGenerations ? .integer(1) : nil)
        if type.isCustom {
            value.set(["metadata", "generation"], .integer(1))
            if type.hasStatus { value.set("status", nil) }
        }
        // What the system adds from here on has no manager.
        track(from: .empty, to: &value, type, context)
        KindRules.prepareCreate(&value, type, context.now)
        let name = value.text("metadata", "name") ?? ""
        if type.isCustom, isTerminating(type.storage) {
            throw .forbidden(type, name, "create not allowed while custom resource definition is terminating")
        }
        try checkNamespace(type, value, name)
        try check(value, type, old: nil)
        let key = ObjectKey(namespace: value.text("metadata", "namespace") ?? "", name: name)
        if object(type, key) != nil {
            throw isGenerated ? .nameNotGenerated(type, name) : .alreadyExists(type, name)
        }
        guard !context.isDryRun else { return StoredObject(value, version: 0) }
        return put(value, as: type)
    }

    /// Objects are made only in namespaces that exist and stay.
    private func checkNamespace(_ type: ResourceType, _ value: JSONValue, _ name: String) throws(StatusError) {
        guard type.isNamespaced, let namespaces = registry.type("", "v1", "namespaces") else { return }
        let namespace = value.text("metadata", "namespace") ?? ""
        guard let found = object(namespaces, ObjectKey(namespace: "", name: namespace)) else {
            throw .notFound(namespaces, namespace)
        }
        guard found.isDeleting else { return }
        var error = StatusError.forbidden(
            type, name, "unable to create new content in namespace \(namespace) because it is being terminated")
        error.details?.set(
            "causes",
            .array([
                .map([
                    "reason": .string("NamespaceTerminating"),
                    "message": .string("namespace \(namespace) is being terminated"),
                    "field": .string("metadata.namespace"),
                ])
            ]))
        throw error
    }

    /// Checks an object as a whole.
    ///
    /// - Throws: ``StatusError`` with all that is wrong.
    func check(_ value: JSONValue, _ type: ResourceType, old: StoredObject?) throws(StatusError) {
        let metadata = value.member("metadata") ?? .empty
        let name = metadata.text("name") ?? ""
        var errors: [FieldError] = []
        if name.isEmpty { errors.append(.required("metadata.name", "name or generateName is required")) }
        errors += MetadataRules.errors(metadata, type)
        if type.isCustom { errors += type.schema.errors(in: value) } else { errors += KindRules.errors(value, type) }
        if let old { errors += KindRules.changeErrors(from: old.value, to: value, type) }
        if !errors.isEmpty { throw .invalid(type, name, errors) }
    }

    /// Notes in `managedFields` who has changed what.
    func track(from old: JSONValue, to new: inout JSONValue, _ type: ResourceType, _ context: WriteContext) {
        guard settings.tracksFieldManagers else { return new.set(["metadata", "managedFields"], nil) }
        // An apply has already noted what it set.
        guard context.operation == "Update" else { return }
        // What was never tracked is not tracked from an update on.
        if old != .empty, old.at("metadata", "managedFields") == nil, new.at("metadata", "managedFields") == nil {
            return
        }
        var managers: FieldManagers
        if let given = new.at("metadata", "managedFields")?.array, !given.isEmpty {
            managers = FieldManagers(of: new)
        } else if new.at("metadata", "managedFields") != nil {
            // An empty list forgets all managers.
            managers = FieldManagers(of: .empty)
        } else {
            managers = FieldManagers(of: old)
        }
        let manager = FieldManagers.Manager(
            name: context.manager, operation: "Update", apiVersion: type.apiVersion, subresource: context.subresource,
            time: context.now.text, fields: FieldSet())
        managers.update(manager, from: old, to: new, schema: type.schema, isCustom: type.isCustom)
        new.set(["metadata", "managedFields"], managers.json)
    }
}
