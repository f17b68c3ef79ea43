import WireJSON

/// Server-side apply: what a manager sets is merged into an object, what it no longer sets is removed.
enum ServerSideApply {
    /// The object with `configuration` applied, its managers included.
    ///
    /// - Parameters:
    ///   - live: the object; nil where it does not exist.
    ///   - manager: who applies.
    ///   - isForced: whether it takes fields from other managers.
    /// - Throws: ``StatusError`` where others manage fields with other values.
    static func apply(
        _ configuration: JSONValue, to live: JSONValue?, schema: Schema?, manager: FieldManagers.Manager, isForced: Bool
    ) throws(StatusError) -> JSONValue {
        let base = live ?? .empty
        var managers = FieldManagers(of: base)
        if live != nil, managers.entries.isEmpty {
            var earlier = manager
            (earlier.name, earlier.operation) = ("before-first-apply", "Update")
            earlier.fields = FieldManagers.managed(FieldSet(of: base, schema: schema))
            managers.entries.append(earlier)
        }
        let merged = merge(configuration, into: base, schema: schema)
        let changed = FieldManagers.managed(FieldComparison(from: base, to: merged, schema: schema).changed)
        var conflicts: [(manager: FieldManagers.Manager, path: [FieldSet.Step])] = []
        for entry in managers.entries where !entry.isSame(as: manager) {
            conflicts += entry.fields.intersection(changed).paths.map { (entry, $0) }
        }
        if !conflicts.isEmpty {
            guard isForced else { throw conflict(conflicts) }
            for index in managers.entries.indices where !managers.entries[index].isSame(as: manager) {
                managers.entries[index].fields = managers.entries[index].fields.subtracting(changed)
            }
        }
        let fields = FieldManagers.managed(FieldSet(of: configuration, schema: schema))
        let before = managers.entries.first { $0.isSame(as: manager) }
        var result = merged
        if let before {
            // What holds a field counts as set, whoever wrote it down: a map is not removed for having been noted by itself.
            var orphaned = before.fields.withParents.subtracting(fields.withParents)
            for entry in managers.entries where !entry.isSame(as: manager) {
                orphaned = orphaned.subtracting(entry.fields).leaving(entry.fields)
            }
            result = remove(orphaned, from: result, schema: schema) ?? .empty
        }
        var own = manager
        own.fields = fields
        if let before, before.fields == fields, before.apiVersion == manager.apiVersion, result == base {
            own.time = before.time
        }
        managers.entries.removeAll { $0.isSame(as: manager) || $0.fields.isEmpty }
        if !fields.isEmpty { managers.entries.append(own) }
        result.set(["metadata", "managedFields"], managers.json)
        return result
    }

    private static func conflict(
        _ conflicts: [(manager: FieldManagers.Manager, path: [FieldSet.Step])]
    ) -> StatusError {
        let message: String
        if conflicts.count == 1 {
            message =
                "Apply failed with 1 conflict: conflict with \(conflicts[0].manager.description): "
                + FieldSet.text(conflicts[0].path)
        } else {
            var lines: [String] = []
            let names = Set(conflicts.map(\.manager.description)).sorted()
            for name in names {
                lines.append("conflicts with \(name):")
                lines += conflicts.filter { $0.manager.description == name }.map { "- \(FieldSet.text($0.path))" }
            }
            message = "Apply failed with \(conflicts.count) conflicts: \(lines.joined(separator: "\n"))"
        }
        return StatusError(
            409, "Conflict", message,
            details: .map([
                "causes": .array(
                    conflicts.map {
                        .map([
                            "reason": .string("FieldManagerConflict"),
                            "message": .string("conflict with \($0.manager.description)"),
                            "field": .string(FieldSet.text($0.path)),
                        ])
                    })
            ]))
    }

    // MARK: - Merging

    static func merge(_ patch: JSONValue, into target: JSONValue, schema: Schema?) -> JSONValue {
        switch (patch, target) {
        case (.object(let changes), .object) where schema?.isAtomic != true:
            var result = target
            for change in changes {
                let old = result.member(change.name)
                result.set(
                    change.name,
                    old.map { merge(change.value, into: $0, schema: schema?.member(change.name)) } ?? change.value)
            }
            return result
        case (.array(let changes), .array(let elements)) where schema.map { $0.listType != .atomic } ?? false:
            var result = elements
            var places: [FieldSet.Step: Int] = [:]
            for (index, element) in elements.enumerated() {
                if let step = FieldSet.step(to: element, index, in: schema) { places[step] = index }
            }
            for (index, change) in changes.enumerated() {
                guard let step = FieldSet.step(to: change, index, in: schema) else { continue }
                if let place = places[step] {
                    result[place] = merge(change, into: result[place], schema: schema?.items)
                } else {
                    places[step] = result.count
                    result.append(change)
                }
            }
            return .array(result)
        default: return patch
        }
    }

    /// The value without these fields; nil where it is one of them and nothing is left of it.
    private static func remove(_ fields: FieldSet, from value: JSONValue, schema: Schema?) -> JSONValue? {
        if fields.children.isEmpty { return fields.isMember ? nil : value }
        switch value {
        case .object(let members):
            var result = value
            for member in members {
                guard let child = fields.children[.field(member.name)] else { continue }
                result.set(member.name, remove(child, from: member.value, schema: schema?.member(member.name)))
            }
            return fields.isMember && result == .empty ? nil : result
        case .array(let elements):
            var result: [JSONValue] = []
            for (index, element) in elements.enumerated() {
                guard let step = FieldSet.step(to: element, index, in: schema), let child = fields.children[step] else {
                    result.append(element)
                    continue
                }
                // An element that is no longer set goes as a whole where nobody else has a part of it.
                if child.isMember { continue }
                if let rest = remove(child, from: element, schema: schema?.items) { result.append(rest) }
            }
            return fields.isMember && result.isEmpty ? nil : .array(result)
        default: return fields.isMember ? nil : value
        }
    }
}
