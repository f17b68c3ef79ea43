import WireJSON

/// The strategic merge patch of the built-in kinds: lists are merged by the keys of their elements.
enum StrategicMerge {
    /// Applies a patch.
    ///
    /// - Throws: ``StatusError`` where the patch does not make sense.
    static func apply(_ patch: JSONValue, to target: JSONValue, schema: Schema?) throws(StatusError) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        switch patch.text("$patch") {
        case "replace": return withoutDirectives(patch)
        case "delete": return .empty
        case "merge"?, nil: break
        case let other?: throw .badRequest("Unknown patch type found: \(other)")
        }
        var result = target.members == nil ? JSONValue.empty : target
        if let retained = patch.member("$retainKeys")?.texts {
            for member in result.members ?? [] where !retained.contains(member.name) { result.set(member.name, nil) }
        }
        for change in changes {
            let name = change.name
            if name.hasPrefix("$deleteFromPrimitiveList/") {
                let field = String(name.dropFirst("$deleteFromPrimitiveList/".count))
                let removed = change.value.array ?? []
                if let elements = result.member(field)?.array {
                    result.set(field, .array(elements.filter { !removed.contains($0) }))
                }
            }
            if name.hasPrefix("$") { continue }
            guard change.value != .null else {
                result.set(name, nil)
                continue
            }
            let order = patch.member("$setElementOrder/\(name)")?.array
            result.set(
                name, try merge(change.value, into: result.member(name), schema: schema?.member(name), order: order))
        }
        for change in changes where change.name.hasPrefix("$setElementOrder/") {
            let field = String(change.name.dropFirst("$setElementOrder/".count))
            guard patch.member(field) == nil, let elements = result.member(field)?.array else { continue }
            result.set(
                field,
                .array(
                    ordered(
                        elements, by: change.value.array ?? [], key: key(of: schema?.member(field)), before: elements)))
        }
        return result
    }

    private static func merge(
        _ patch: JSONValue, into target: JSONValue?, schema: Schema?, order: [JSONValue]?
    ) throws(StatusError) -> JSONValue {
        switch patch {
        case .object: return try apply(patch, to: target ?? .empty, schema: schema)
        case .array(let changes):
            switch schema?.listType {
            case .map(let keys)?:
                guard let key = keys.first else { return patch }
                var merged = try merge(changes, into: target?.array ?? [], schema: schema, key: key)
                merged = ordered(merged, by: order ?? changes, key: key, before: target?.array ?? [])
                return .array(merged)
            case .set?:
                var merged = target?.array ?? []
                for change in changes where !merged.contains(change) { merged.append(change) }
                merged = ordered(merged, by: order ?? changes, key: nil, before: target?.array ?? [])
                return .array(merged)
            case .atomic?, nil: return withoutDirectives(patch)
            }
        default: return patch
        }
    }

    private static func merge(
        _ changes: [JSONValue], into target: [JSONValue], schema: Schema?, key: String
    ) throws(StatusError) -> [JSONValue] {
        if changes.contains(where: { $0.text("$patch") == "replace" }) {
            return changes.filter { $0.text("$patch") != "replace" }.map(withoutDirectives)
        }
        var result = target
        for change in changes {
            guard let value = change.member(key) else {
                throw .badRequest("map: \(change.json) does not contain declared merge key: \(key)")
            }
            let index = result.firstIndex { $0.member(key) == value }
            if change.text("$patch") == "delete" {
                if index != nil { result.removeAll { $0.member(key) == value } }
            } else if let index {
                result[index] = try apply(change, to: result[index], schema: schema?.items)
            } else {
                result.append(try apply(change, to: .empty, schema: schema?.items))
            }
        }
        return result
    }

    private static func key(of schema: Schema?) -> String? {
        guard case .map(let keys)? = schema?.listType else { return nil }
        return keys.first
    }

    /// The elements in the order of the patch, and the others between them where they were, as far as both can be.
    private static func ordered(
        _ elements: [JSONValue], by order: [JSONValue], key: String?, before: [JSONValue]
    ) -> [JSONValue] {
        func identity(_ value: JSONValue) -> JSONValue? { key.map { value.member($0) } ?? value }
        let wanted = order.map(identity)
        let places = before.map(identity)
        var named = elements.filter { wanted.contains(identity($0)) }
        named.sort { (wanted.firstIndex(of: identity($0)) ?? 0) < (wanted.firstIndex(of: identity($1)) ?? 0) }
        let others = elements.filter { !wanted.contains(identity($0)) }
        var (left, right) = (others[...], named[...])
        var result: [JSONValue] = []
        while let other = left.first, let next = right.first {
            if let place = places.firstIndex(of: identity(other)), let bound = places.firstIndex(of: identity(next)),
                place < bound
            {
                result.append(other)
                left.removeFirst()
            } else {
                result.append(next)
                right.removeFirst()
            }
        }
        return result + left + right
    }

    private static func withoutDirectives(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            .object(
                members.filter { !$0.name.hasPrefix("$") && $0.value != .null }
                    .map { JSONValue.Member(name: $0.name, value: withoutDirectives($0.value)) })
        case .array(let elements): .array(elements.map(withoutDirectives))
        default: value
        }
    }
}
