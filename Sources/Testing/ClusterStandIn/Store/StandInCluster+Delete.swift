import WireJSON

extension StandInCluster {
    /// What became of an object that was to be deleted.
    enum Deletion {
        /// It is gone.
        case removed(StoredObject)
        /// It waits for a finalizer, or for its containers to end.
        case waiting(StoredObject)
    }

    /// Deletes an object, or marks it as being deleted.
    ///
    /// - Throws: ``StatusError`` where a precondition does not hold.
    mutating func delete(
        _ type: ResourceType, _ object: StoredObject, _ options: DeleteOptions, now: StandInTime
    ) throws(StatusError) -> Deletion {
        let name = object.key.name
        func conflict(_ what: String, _ wanted: String, _ found: String, _ why: String) -> StatusError {
            var error = StatusError.conflict(
                type, name,
                "the \(what) in the precondition (\(wanted)) does not match the \(what) in record (\(found)). "
                    + "The object might have been \(why)")
            // Here the kind stands where all other refusals have the resource.
            let kind = type.group.isEmpty ? type.kind : "\(type.kind).\(type.group)"
            error.message = error.message.replacing("on \(type.qualified) ", with: "on \(kind) ", maxReplacements: 1)
            error.details?.set("kind", .string(type.kind))
            return error
        }
        if let uid = options.uid, uid != object.uid {
            throw conflict("UID", uid, object.uid, "deleted and then recreated")
        }
        if let version = options.version, version != String(object.version) {
            throw conflict("ResourceVersion", version, String(object.version), "modified")
        }
        if type.storage == "namespaces", ["default", "kube-system", "kube-public"].contains(name) {
            throw .forbidden(type, name, "this namespace may not be deleted")
        }
        var value = object.value
        var finalizers = finalizers(after: options.propagation, object)
        // A definition goes after its objects.
        let isDefinition = type.storage == "customresourcedefinitions.apiextensions.k8s.io"
        if isDefinition, !object.isDeleting, !finalizers.contains(CustomResourceRules.finalizer) {
            finalizers.append(CustomResourceRules.finalizer)
        }
        if finalizers != object.finalizers {
            value.set(["metadata", "finalizers"], finalizers.isEmpty ? nil : .strings(finalizers))
        }
        let grace = grace(type, object, options)
        let waits = !finalizers.isEmpty || grace > 0 || KindRules.staysWhileDeleted(value, type)
        guard waits else {
            if options.isDryRun { return .removed(object) }
            // What had some time left has none in the end.
            if object.isDeleting, value.at("metadata", "deletionGracePeriodSeconds")?.integer ?? 0 > 0 {
                mark(&value, grace: 0, end: now)
            }
            return .removed(remove(StoredObject(value, version: object.version), of: type))
        }
        if object.isDeleting {
            // A second deletion can only shorten the first, counted from its beginning.
            let before = value.at("metadata", "deletionGracePeriodSeconds")?.integer ?? 0
            guard grace < before || finalizers != object.finalizers else { return .waiting(object) }
            if grace < before {
                let end = StandInTime(value.text("metadata", "deletionTimestamp") ?? "") ?? now
                let moved = end.advanced(seconds: Double(grace - before))
                mark(&value, grace: moved < now && grace > 0 ? 1 : grace, end: max(moved, now))
            }
        } else {
            mark(&value, grace: grace, end: now.advanced(seconds: Double(grace)))
            if let generation = value.at("metadata", "generation")?.integer, generation > 0 {
                value.set(["metadata", "generation"], .integer(generation &+ 1))
            }
        }
        if type.storage == "namespaces" {
            value.set(["status", "phase"], .string("Terminating"))
            value.set(["metadata", "deletionGracePeriodSeconds"], nil)
        }
        if options.isDryRun { return .waiting(StoredObject(value, version: object.version)) }
        let marked = put(value, as: type)
        if finalizers.contains("foregroundDeletion") { garbage.waitingOwners.insert(object.uid) }
        if finalizers.contains("orphan") { garbage.orphaning.insert(object.uid) }
        return .waiting(marked)
    }

    private func mark(_ value: inout JSONValue, grace: Int, end: StandInTime) {
        value.set(["metadata", "deletionTimestamp"], .string(end.text))
        value.set(["metadata", "deletionGracePeriodSeconds"], .integer(grace))
    }

    private func finalizers(after propagation: DeleteOptions.Propagation?, _ object: StoredObject) -> [String] {
        guard let propagation else { return object.finalizers }
        var finalizers = object.finalizers.filter { $0 != "foregroundDeletion" && $0 != "orphan" }
        switch propagation {
        case .foreground: finalizers.append("foregroundDeletion")
        case .orphan: finalizers.append("orphan")
        case .background: break
        }
        return finalizers
    }

    /// How long an object stays for the sake of what runs: pods only, and only those that have a node.
    private func grace(_ type: ResourceType, _ object: StoredObject, _ options: DeleteOptions) -> Int {
        guard type.storage == "pods" else { return 0 }
        if object.isDeleting, let pending = object.value.at("metadata", "deletionGracePeriodSeconds")?.integer {
            return min(options.grace ?? pending, pending)
        }
        let phase = object.value.text("status", "phase") ?? ""
        guard !(object.value.text("spec", "nodeName") ?? "").isEmpty, phase != "Succeeded", phase != "Failed" else {
            return 0
        }
        let own = object.value.at("spec", "terminationGracePeriodSeconds")?.integer ?? 30
        return options.grace ?? max(own, 0)
    }
}
