import WireJSON

extension Schema {
    /// A value without what the schema does not know.
    struct Pruned {
        var value: JSONValue
        /// The paths of what was removed, such as `spec.foo`, in order.
        var unknown: [String]
    }

    /// The object without the members that the schema does not know.
    func pruned(_ value: JSONValue) -> Pruned {
        var unknown: [String] = []
        let pruned = prune(value, at: "", isRoot: true, &unknown)
        return Pruned(value: pruned, unknown: unknown)
    }

    private func prune(_ value: JSONValue, at path: String, isRoot: Bool, _ unknown: inout [String]) -> JSONValue {
        switch value {
        case .object(let members):
            return .object(
                members.compactMap { member in
                    let path = path.isEmpty ? member.name : "\(path).\(member.name)"
                    if isEmbedded, !isRoot, ["apiVersion", "kind", "metadata"].contains(member.name) { return member }
                    if let schema = properties[member.name] ?? additional {
                        return Member(
                            name: member.name, value: schema.prune(member.value, at: path, isRoot: false, &unknown))
                    }
                    if preservesUnknown || form == .any { return member }
                    unknown.append(path)
                    return nil
                })
        case .array(let elements):
            guard let items else { return value }
            return .array(
                elements.enumerated().map { index, element in
                    items.prune(element, at: "\(path)[\(index)]", isRoot: false, &unknown)
                })
        default: return value
        }
    }

    private typealias Member = JSONValue.Member

    /// The value without nulls where the schema does not allow null and has no default.
    func withoutNulls(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            return .object(
                members.compactMap { member in
                    guard let schema = self.member(member.name) else { return member }
                    if member.value == .null, !schema.isNullable, schema.initial == nil, schema.form != .any {
                        return nil
                    }
                    return Member(name: member.name, value: schema.withoutNulls(member.value))
                })
        case .array(let elements):
            guard let items else { return value }
            return .array(elements.map { items.withoutNulls($0) })
        default: return value
        }
    }

    /// The value with the schema's defaults where members are missing, or are null and must not be.
    func withDefaults(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            var result = JSONValue.object(
                members.map { member in
                    Member(
                        name: member.name, value: self.member(member.name)?.withDefaults(member.value) ?? member.value)
                })
            for (name, schema) in properties {
                guard let initial = schema.initial else { continue }
                let present = result.member(name)
                if present == nil || (present == .null && !schema.isNullable) {
                    result.set(name, schema.withDefaults(initial))
                }
            }
            return result
        case .array(let elements):
            guard let items else { return value }
            return .array(elements.map { items.withDefaults($0) })
        default: return value
        }
    }

    /// The value without maps and lists that are empty, which Go leaves out; an empty object of another type says something.
    func withoutEmptyCollections(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            .object(
                members.compactMap { member in
                    guard let schema = self.member(member.name) else { return member }
                    if schema.additional != nil || schema.form == .array, member.value.isBlank { return nil }
                    return Member(name: member.name, value: schema.withoutEmptyCollections(member.value))
                })
        case .array(let elements):
            items.map { items in .array(elements.map { items.withoutEmptyCollections($0) }) } ?? value
        default: value
        }
    }

    /// The value as Go's types of the built-in kinds hold it: without nulls, and without empty objects and lists that are
    /// left out when they are written.
    static func withoutAnyNulls(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            .object(
                members.compactMap {
                    $0.value == .null ? nil : Member(name: $0.name, value: withoutAnyNulls($0.value))
                })
        case .array(let elements): .array(elements.filter { $0 != .null }.map(withoutAnyNulls))
        default: value
        }
    }
}
