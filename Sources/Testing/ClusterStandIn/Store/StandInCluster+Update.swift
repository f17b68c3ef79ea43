import WireJSON

extension StandInCluster {
    /// Replaces an object, or the part of it that a subresource is.
    ///
    /// - Returns: the object as it is stored, or would be.
    /// - Throws: ``StatusError``.
    mutating func update(
        _ type: ResourceType, _ old: StoredObject, to given: JSONValue, _ context: WriteContext
    ) throws(StatusError) -> StoredObject {
        var value = given
        let name = old.key.name
        if let uid = value.text("metadata", "uid"), !uid.isEmpty, uid != old.uid {
            throw .otherUID(type, old.key, wanted: uid, found: old.uid)
        }
        let given = value.text("metadata", "resourceVersion") ?? ""
        if given.isEmpty || given == "0" {
            guard type.content.updatesUnconditionally || context.operation == "Apply" else {
                var error = StatusError.invalid(
                    type, name,
                    [.invalid("metadata.resourceVersion", bare: "0", "must be specified for an update")])
                // Here the resource stands where all other refusals have the kind.
                let kind = type.group.isEmpty ? type.kind : "\(type.kind).\(type.group)"
                error.message = error.message.replacing(kind, with: type.qualified, maxReplacements: 1)
                error.details?.set("kind", .string(type.plural))
                throw error
            }
        } else if given != String(old.version) {
            guard UInt64(given) != nil else {
                throw StatusError(500, "", "strconv.ParseUint: parsing \(FieldError.quote(given)): invalid syntax")
            }
            throw .conflict(type, name, StatusError.modified)
        }
        isolate(&value, from: old, type, context)
        try checkFinalizers(type, old, value)
        KindRules.prepareUpdate(&value, from: old.value, type, subresource: context.subresource)
        count(&value, from: old.value, type, context)
        try check(value, type, old: old)
        track(from: old.value, to: &value, type, context)
        guard !isSame(value, old.value) else { return old }
        guard !context.isDryRun else { return StoredObject(value, version: old.version) }
        // What only waited for its last finalizer is gone with it.
        if old.isDeleting, finalizers(of: value).isEmpty,
            (value.at("metadata", "deletionGracePeriodSeconds")?.integer ?? 0) == 0,
            !KindRules.staysWhileDeleted(value, type)
        {
            // The last change is not stored: watches see the object go as it was before.
            remove(old, of: type)
            return StoredObject(value, version: old.version)
        }
        return put(value, as: type)
    }

    private func finalizers(of value: JSONValue) -> [String] { value.at("metadata", "finalizers")?.texts ?? [] }

    /// Puts back what the request must not change: the system's metadata, and the status or all but the status.
    private func isolate(
        _ value: inout JSONValue, from old: StoredObject, _ type: ResourceType, _ context: WriteContext
    ) {
        let managed = value.at("metadata", "managedFields")
        switch context.subresource {
        case "status" where type.isCustom:
            let status = value.member("status")
            value = old.value
            value.set("status", status)
            value.set(["metadata", "managedFields"], managed ?? old.value.at("metadata", "managedFields"))
        case "status":
            for member in old.value.members ?? [] where member.name != "status" && member.name != "metadata" {
                value.set(member.name, member.value)
            }
            value.set(["metadata", "ownerReferences"], old.value.at("metadata", "ownerReferences"))
        case "":
            if type.hasStatus { value.set("status", old.value.member("status")) }
        default: break
        }
        for name in [
            "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
            "generation", "resourceVersion", "generateName",
        ] { value.set(["metadata", name], old.value.at("metadata", name)) }
        value.set(["metadata", "selfLink"], nil)
    }

    private func checkFinalizers(_ type: ResourceType, _ old: StoredObject, _ value: JSONValue) throws(StatusError) {
        guard old.isDeleting else { return }
        let added = finalizers(of: value).filter { !old.finalizers.contains($0) }
        guard added.isEmpty else {
            let list = added.map(FieldError.quote).joined(separator: ", ")
            throw .invalid(
                type, old.key.name,
                [
                    .forbidden(
                        "metadata.finalizers",
                        "no new finalizers can be added if the object is being deleted, found new finalizers []string{\(list)}"
                    )
                ])
        }
    }

    /// Counts `metadata.generation` up where what is wanted has changed, not where the status or the metadata has.
    private func count(
        _ value: inout JSONValue, from old: JSONValue, _ type: ResourceType, _ context: WriteContext
    ) {
        guard type.content.countsGenerations || type.isCustom, context.subresource != "status" else { return }
        func wanted(_ value: JSONValue) -> JSONValue {
            var value = value
            value.set("metadata", nil)
            if type.hasStatus || !type.isCustom { value.set("status", nil) }
            return value
        }
        guard wanted(value) != wanted(old) else { return }
        let generation = old.at("metadata", "generation")?.integer ?? 0
        value.set(["metadata", "generation"], .integer(generation &+ 1))
    }

    /// Whether nothing is changed: the times of field managers do not count.
    private func isSame(_ new: JSONValue, _ old: JSONValue) -> Bool {
        func bare(_ value: JSONValue) -> JSONValue {
            var value = value
            guard let entries = value.at("metadata", "managedFields")?.array else { return value }
            value.set(
                ["metadata", "managedFields"],
                .array(
                    entries.map { entry in
                        var entry = entry
                        entry.set("time", nil)
                        return entry
                    }))
            return value
        }
        return new == old || bare(new) == bare(old)
    }
}
