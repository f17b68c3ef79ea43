import WireJSON

/// What the controllers that every cluster has are still to do.
struct GarbageQueue: Sendable {
    /// Objects whose owners may not exist.
    var suspects: [ObjectReference] = []
    /// The uids of owners that are gone.
    var goneOwners: [String] = []
    /// The uids of owners that may wait for dependents.
    var waitingOwners: Set<String> = []
    /// The uids of owners whose dependents are to be released.
    var orphaning: Set<String> = []
    /// Namespaces to be emptied.
    var namespaces: Set<String> = []
    /// Definitions whose objects are to be removed.
    var definitions: Set<String> = []
    /// Definitions that are not served yet.
    var newDefinitions: Set<String> = []

    var isEmpty: Bool {
        suspects.isEmpty && goneOwners.isEmpty && waitingOwners.isEmpty && orphaning.isEmpty && namespaces.isEmpty
            && definitions.isEmpty && newDefinitions.isEmpty
    }
}

extension StandInCluster {
    /// Lets the cluster's own controllers work until they have nothing to do: definitions are established, namespaces
    /// emptied, objects without owners removed.
    package mutating func settle(now: StandInTime) {
        // Deletions bring further work; a chain of owners is as long as it is, a circle has an end.
        var rounds = 0
        while !garbage.isEmpty, rounds < 10_000 {
            rounds += 1
            let work = garbage
            garbage = GarbageQueue()
            for name in work.newDefinitions.sorted() { establish(name, now: now) }
            guard settings.collectsGarbage else { continue }
            for uid in work.orphaning.sorted() { orphanDependents(of: uid) }
            for uid in work.goneOwners {
                for reference in (dependents[uid] ?? []) { judge(reference, now: now) }
            }
            for reference in work.suspects { judge(reference, now: now) }
            for uid in work.waitingOwners.sorted() { advanceForeground(uid, now: now) }
            for name in work.namespaces.sorted() { empty(namespace: name, now: now) }
            for name in work.definitions.sorted() { empty(definition: name, now: now) }
        }
    }

    /// Removes an object all of whose owners are gone; drops the owners that are gone of one that has others.
    private mutating func judge(_ reference: ObjectReference, now: StandInTime) {
        guard let object = object(reference), let type = registry.type(storage: reference.storage) else { return }
        let owners = object.value.at("metadata", "ownerReferences")?.array ?? []
        let solid = owners.filter { owner in
            guard let found = references[owner.text("uid") ?? ""] else { return false }
            // An object's owner is in its namespace or in none.
            return found.key.namespace.isEmpty || found.key.namespace == reference.key.namespace
        }
        guard !owners.isEmpty, solid.count < owners.count else { return }
        if solid.isEmpty {
            if object.isDeleting { return }
            var options = DeleteOptions()
            options.propagation = object.finalizers.contains("orphan") ? .orphan : .background
            _ = try? delete(type, object, options, now: now)
        } else {
            var value = object.value
            value.set(["metadata", "ownerReferences"], .array(solid))
            put(value, as: type)
        }
    }

    /// Removes the dependents of an owner that is deleted in the foreground, and then the owner.
    private mutating func advanceForeground(_ uid: String, now: StandInTime) {
        guard let reference = references[uid], let owner = object(reference), owner.isDeleting,
            owner.finalizers.contains("foregroundDeletion"), let type = registry.type(storage: reference.storage)
        else { return }
        var isBlocked = false
        for dependent in (dependents[uid] ?? []).sorted(by: { ($0.storage, $0.key) < ($1.storage, $1.key) }) {
            guard let object = object(dependent), let type = registry.type(storage: dependent.storage) else { continue }
            if !object.isDeleting {
                var options = DeleteOptions()
                options.propagation = dependents[object.uid] == nil ? .background : .foreground
                _ = try? delete(type, object, options, now: now)
            }
            let blocks = (object.value.at("metadata", "ownerReferences")?.array ?? []).contains {
                $0.text("uid") == uid && $0.member("blockOwnerDeletion")?.boolean == true
            }
            if blocks, self.object(dependent) != nil { isBlocked = true }
        }
        guard !isBlocked, let current = object(reference) else { return }
        finish(current, of: type, finalizer: "foregroundDeletion")
    }

    private mutating func orphanDependents(of uid: String) {
        for reference in dependents[uid] ?? [] {
            guard let object = object(reference), let type = registry.type(storage: reference.storage) else { continue }
            var value = object.value
            let rest = (value.at("metadata", "ownerReferences")?.array ?? []).filter { $0.text("uid") != uid }
            value.set(["metadata", "ownerReferences"], rest.isEmpty ? nil : .array(rest))
            put(value, as: type)
        }
        guard let reference = references[uid], let owner = object(reference),
            let type = registry.type(storage: reference.storage)
        else { return }
        finish(owner, of: type, finalizer: "orphan")
    }

    /// Takes a finalizer off an object, and removes the object where it was the last.
    private mutating func finish(_ object: StoredObject, of type: ResourceType, finalizer: String) {
        var value = object.value
        let rest = object.finalizers.filter { $0 != finalizer }
        value.set(["metadata", "finalizers"], rest.isEmpty ? nil : .strings(rest))
        let isLast = (value.at("metadata", "deletionGracePeriodSeconds")?.integer ?? 0) == 0
        if object.isDeleting, rest.isEmpty, isLast { remove(object, of: type) } else { put(value, as: type) }
    }

    private mutating func empty(namespace name: String, now: StandInTime) {
        guard let type = registry.type("", "v1", "namespaces"),
            let namespace = object(type, ObjectKey(namespace: "", name: name)), namespace.isDeleting
        else { return }
        var isEmpty = true
        for storage in collections.keys.sorted() where storage != "namespaces" {
            guard let kind = registry.type(storage: storage), kind.isNamespaced else { continue }
            let page = collections[storage]?.page(at: nil, namespace: name, after: nil, limit: nil) { _ in true }
            for object in page?.objects ?? [] {
                guard !object.isDeleting else {
                    isEmpty = false
                    continue
                }
                var options = DeleteOptions()
                options.propagation = .background
                if case .waiting? = try? delete(kind, object, options, now: now) { isEmpty = false }
            }
        }
        guard isEmpty, KindRules.staysWhileDeleted(namespace.value, type) else { return }
        var value = namespace.value
        value.set(["spec", "finalizers"], nil)
        let last = put(value, as: type)
        if last.finalizers.isEmpty { remove(last, of: type) }
    }

    private mutating func empty(definition name: String, now: StandInTime) {
        guard let type = registry.type("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
            let definition = object(type, ObjectKey(namespace: "", name: name)), definition.isDeleting,
            definition.finalizers.contains(CustomResourceRules.finalizer)
        else { return }
        var isEmpty = true
        let page = collections[name]?.page(at: nil, namespace: nil, after: nil, limit: nil) { _ in true }
        if let kind = registry.type(storage: name) {
            for object in page?.objects ?? [] where !object.isDeleting {
                _ = try? delete(kind, object, DeleteOptions(), now: now)
            }
            isEmpty = collections[name]?.isEmpty ?? true
        }
        if isEmpty { finish(definition, of: type, finalizer: CustomResourceRules.finalizer) }
    }
}
