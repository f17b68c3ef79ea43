/// The objects of one kind, and what happened to them lately.
struct Collection: Sendable {
    private(set) var objects: [ObjectKey: StoredObject] = [:]
    /// All keys in order.
    private(set) var keys: [ObjectKey] = []
    /// The latest changes, the oldest first.
    private var changes: [Change] = []
    /// How many of `changes`, from the first, are forgotten.
    private var forgotten = 0
    /// The version of the last change that is forgotten: watches begin at it or later.
    private(set) var horizon: UInt64 = 0

    init(horizon: UInt64 = 0) { self.horizon = horizon }

    subscript(key: ObjectKey) -> StoredObject? { objects[key] }

    var isEmpty: Bool { objects.isEmpty }

    // MARK: - Changing

    /// Puts a version of an object.
    mutating func put(_ object: StoredObject, at key: ObjectKey, historyLimit: Int) {
        let before = objects.updateValue(object, forKey: key)
        if before == nil { keys.insert(key, at: position(of: key)) }
        note(
            Change(version: object.version, key: key, before: before, after: object, removed: nil), limit: historyLimit)
    }

    /// Removes an object; `last` is what watchers see of it.
    mutating func remove(_ key: ObjectKey, last: StoredObject, historyLimit: Int) {
        guard let before = objects.removeValue(forKey: key) else { return }
        let index = position(of: key)
        if index < keys.count, keys[index] == key { keys.remove(at: index) }
        note(Change(version: last.version, key: key, before: before, after: nil, removed: last), limit: historyLimit)
    }

    private mutating func note(_ change: Change, limit: Int) {
        changes.append(change)
        if changes.count - forgotten > max(limit, 0) { forget(upTo: changes[forgotten].version) }
    }

    /// Forgets the changes up to a version.
    mutating func forget(upTo version: UInt64) {
        while forgotten < changes.count, changes[forgotten].version <= version {
            horizon = max(horizon, changes[forgotten].version)
            forgotten += 1
        }
        horizon = max(horizon, version)
        if forgotten > 1_000, forgotten * 2 > changes.count {
            changes.removeFirst(forgotten)
            forgotten = 0
        }
    }

    // MARK: - Reading

    /// The changes after a version, at most `limit`; nil where some of them are forgotten.
    func changes(after version: UInt64, limit: Int) -> ArraySlice<Change>? {
        guard version >= horizon else { return nil }
        let start = firstChange(after: version)
        return changes[start..<min(start + limit, changes.count)]
    }

    /// Whether there are changes after a version.
    func hasChanges(after version: UInt64) -> Bool { (changes.last?.version ?? 0) > version }

    private func firstChange(after version: UInt64) -> Int {
        var low = forgotten
        var high = changes.count
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].version <= version { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The first index whose key is not before `key`.
    private func position(of key: ObjectKey) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// A part of the objects as they were at a version, in order.
    struct Page: Sendable {
        var objects: [StoredObject] = []
        /// The last key of the page, where more objects follow.
        var last: ObjectKey?
        /// How many follow.
        var remaining = 0
    }

    /// The objects at a version, after a key, that are selected.
    ///
    /// - Parameters:
    ///   - namespace: the only namespace; nil for all.
    ///   - limit: how many at most; nil for all.
    /// - Returns: nil where what has changed since is forgotten.
    func page(
        at version: UInt64?, namespace: String?, after start: ObjectKey?, limit: Int?,
        where isSelected: (StoredObject) -> Bool
    ) -> Page? {
        var reverted: [ObjectKey: StoredObject?] = [:]
        var extra: [ObjectKey] = []
        if let version {
            guard version >= horizon else { return nil }
            for change in changes[firstChange(after: version)...] where reverted[change.key] == nil {
                reverted[change.key] = .some(change.before)
            }
            // Those that are gone by now; few, as a rule.
            extra = reverted.compactMap { $0.value != nil && objects[$0.key] == nil ? $0.key : nil }.sorted()
        }
        var page = Page()
        var index =
            start.map { position(of: $0) } ?? namespace.map { position(of: ObjectKey(namespace: $0, name: "")) } ?? 0
        var extraIndex = 0
        while true {
            var next: ObjectKey
            switch (index < keys.count, extraIndex < extra.count) {
            case (true, true) where extra[extraIndex] < keys[index]:
                (next, extraIndex) = (extra[extraIndex], extraIndex + 1)
            case (true, _): (next, index) = (keys[index], index + 1)
            case (false, true): (next, extraIndex) = (extra[extraIndex], extraIndex + 1)
            case (false, false): return page
            }
            if let start, !(start < next) { continue }
            if let namespace, next.namespace != namespace {
                if next.namespace > namespace { return page }
                continue
            }
            guard let object = reverted[next] ?? objects[next], isSelected(object) else { continue }
            if let limit, page.objects.count >= limit {
                page.last = page.objects.last?.key
                page.remaining = remaining(from: index, namespace) + 1
                return page
            } else {
                page.objects.append(object)
            }
        }
    }

    private func remaining(from index: Int, _ namespace: String?) -> Int {
        guard let namespace else { return keys.count - index }
        return max(position(of: ObjectKey(namespace: namespace + "\0", name: "")) - index, 0)
    }
}
