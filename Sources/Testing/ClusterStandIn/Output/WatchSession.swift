import WireJSON

/// One watch: what it has seen, and what it says next. The caller hands it the cluster and writes what it returns.
struct WatchSession: Sendable {
    let type: ResourceType
    let selection: Selection
    let form: OutputForm
    /// The version up to which all is said.
    var cursor: UInt64
    let allowsBookmarks: Bool
    /// When the watch ends.
    let ends: StandInTime
    private(set) var nextBookmark: StandInTime
    /// Whether nothing more comes after what is waiting.
    private(set) var isOver = false
    private var initial: ArraySlice<StoredObject> = []
    private var error: StatusError?
    private var wantsInitialBookmark = false
    private var hasColumns = false

    init(
        type: ResourceType, selection: Selection, form: OutputForm, cursor: UInt64, allowsBookmarks: Bool,
        ends: StandInTime,
        nextBookmark: StandInTime
    ) {
        self.type = type
        self.selection = selection
        self.form = form
        self.cursor = cursor
        self.allowsBookmarks = allowsBookmarks
        self.ends = ends
        self.nextBookmark = nextBookmark
    }

    /// Begins with what is there.
    mutating func begin(with objects: [StoredObject], endsWithBookmark: Bool) {
        initial = objects[...]
        wantsInitialBookmark = endsWithBookmark && allowsBookmarks
    }

    /// Ends with an error.
    mutating func fail(_ error: StatusError) { self.error = error }

    /// What happened, before it is written.
    enum Step: Sendable {
        case added(StoredObject)
        case modified(StoredObject)
        case deleted(StoredObject)
        case bookmark(UInt64, endsInitial: Bool)
        case error(StatusError)
    }

    /// The next steps, at most about `limit`. Empty where there is nothing to say now.
    mutating func take(from cluster: StandInCluster, now: StandInTime, limit: Int) -> [Step] {
        guard !isOver else { return [] }
        if let error {
            isOver = true
            return [.error(error)]
        }
        if !initial.isEmpty {
            let part = initial.prefix(limit)
            initial = initial.dropFirst(limit)
            return part.map { .added($0) }
        }
        if wantsInitialBookmark {
            wantsInitialBookmark = false
            return [.bookmark(cursor, endsInitial: true)]
        }
        guard let collection = cluster.collections[type.storage] else { return rest(cluster, now) }
        guard let changes = collection.changes(after: cursor, limit: limit) else {
            isOver = true
            return [.error(.expired("too old resource version: \(cursor) (\(collection.horizon))"))]
        }
        var steps: [Step] = []
        for change in changes {
            cursor = change.version
            if let step = step(change) { steps.append(step) }
        }
        return steps.isEmpty && changes.isEmpty ? rest(cluster, now) : steps
    }

    /// A bookmark where one is due, and the end.
    private mutating func rest(_ cluster: StandInCluster, _ now: StandInTime) -> [Step] {
        if type.isCustom, cluster.registry.type(type.group, type.version, type.plural) == nil {
            isOver = true
            return []
        }
        if now >= ends {
            isOver = true
            return []
        }
        guard allowsBookmarks, now >= nextBookmark else { return [] }
        nextBookmark = now.advanced(seconds: max(cluster.settings.bookmarkInterval, 0.001))
        cursor = max(cursor, cluster.version)
        return [.bookmark(cursor, endsInitial: false)]
    }

    private func step(_ change: Change) -> Step? {
        func selects(_ object: StoredObject?) -> Bool {
            guard let object else { return false }
            if let namespace = selection.namespace, change.key.namespace != namespace { return false }
            return !selection.hasSelectors || selection.matches(object.value)
        }
        let (before, after) = (selects(change.before), selects(change.after))
        switch (before, after) {
        case (false, true): return change.after.map { .added($0) }
        case (true, true): return change.after.map { .modified($0) }
        case (true, false):
            if let removed = change.removed { return .deleted(removed) }
            // An object that leaves the selection goes as it was last selected.
            guard let old = change.before else { return nil }
            var value = old.value
            value.set(["metadata", "resourceVersion"], .string(String(change.version)))
            return .deleted(StoredObject(value, version: change.version))
        case (false, false): return nil
        }
    }

    // MARK: - Text

    /// The line of a step.
    mutating func line(_ step: Step, now: StandInTime) -> [UInt8] {
        switch step {
        case .added(let object): event("ADDED", object, now)
        case .modified(let object): event("MODIFIED", object, now)
        case .deleted(let object): event("DELETED", object, now)
        case .error(let error): Array("{\"type\":\"ERROR\",\"object\":".utf8) + error.object.encoded + Array("}\n".utf8)
        case .bookmark(let version, let endsInitial): bookmark(version, endsInitial)
        }
    }

    private func bookmark(_ version: UInt64, _ endsInitial: Bool) -> [UInt8] {
        var metadata = JSONValue.map(["resourceVersion": .string(String(version)), "creationTimestamp": .null])
        if endsInitial { metadata.set("annotations", .map(["k8s.io/initial-events-end": .string("true")])) }
        var object = JSONValue.map([
            "kind": .string(type.kind), "apiVersion": .string(type.apiVersion), "metadata": metadata,
        ])
        switch form {
        case .object: break
        case .metadata:
            object.set("kind", .string("PartialObjectMetadata"))
            object.set("apiVersion", .string("meta.k8s.io/v1"))
        case .table(let form):
            var table = form.table(of: [], type, version: version, now: StandInTime(seconds: 0))
            table.set("rows", .array([.map(["cells": .array([]), "object": object])]))
            object = table
        }
        return Array("{\"type\":\"BOOKMARK\",\"object\":".utf8) + object.encoded + Array("}\n".utf8)
    }

    private mutating func event(_ name: String, _ object: StoredObject, _ now: StandInTime) -> [UInt8] {
        var text = Array("{\"type\":\"\(name)\",\"object\":".utf8)
        switch form {
        case .object: text += type.text(of: object)
        case .metadata: text += OutputForm.partial(object, type).encoded
        case .table(let form):
            var table = form.table(of: [object], type, version: object.version, now: now)
            // The columns are said once.
            if hasColumns { table.set("columnDefinitions", .null) }
            hasColumns = true
            text += table.encoded
        }
        return text + Array("}\n".utf8)
    }
}
