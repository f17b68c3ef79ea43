import WireJSON

/// What differs between two states of an object.
struct FieldComparison: Sendable {
    /// Fields that were added or have another value.
    var changed = FieldSet()
    /// Fields that are no longer there.
    var removed = FieldSet()

    private let isCustom: Bool

    /// - Parameter isCustom: whether the object is a custom resource, whose objects are all optional.
    init(from old: JSONValue, to new: JSONValue, schema: Schema?, isCustom: Bool = false) {
        self.isCustom = isCustom
        compare(old, new, schema)
    }

    private init(isCustom: Bool) { self.isCustom = isCustom }

    var isEmpty: Bool { changed.isEmpty && removed.isEmpty }

    private mutating func compare(_ old: JSONValue, _ new: JSONValue, _ schema: Schema?) {
        guard old != new else { return }
        switch (old, new) {
        case (.object(let before), .object(let after)) where schema?.isAtomic != true:
            var all: [String] = before.map(\.name)
            all += after.map(\.name).filter { old.member($0) == nil }
            if before.isEmpty != after.isEmpty {
                changed.isMember = changed.isMember || after.isEmpty
                if before.isEmpty { removed.isMember = true }
            }
            for name in all {
                descend(.field(name), old.member(name), new.member(name), schema?.member(name))
            }
        case (.array(let before), .array(let after)) where schema.map { $0.listType != .atomic } ?? false:
            var steps: [FieldSet.Step] = []
            func index(_ elements: [JSONValue]) -> [FieldSet.Step: JSONValue] {
                var found: [FieldSet.Step: JSONValue] = [:]
                for (place, element) in elements.enumerated() {
                    guard let step = FieldSet.step(to: element, place, in: schema) else { continue }
                    if found.updateValue(element, forKey: step) == nil { steps.append(step) }
                }
                return found
            }
            let (left, right) = (index(before), index(after))
            for step in Set(steps) { descend(step, left[step], right[step], schema?.items) }
        default: changed.isMember = true
        }
    }

    private mutating func descend(_ step: FieldSet.Step, _ old: JSONValue?, _ new: JSONValue?, _ schema: Schema?) {
        var child = FieldComparison(isCustom: isCustom)
        switch (old, new) {
        case (let old?, let new?): child.compare(old, new, schema)
        case (nil, let new?): child.changed = added(new, schema)
        case (let old?, nil): child.removed = added(old, schema)
        case (nil, nil): break
        }
        if !child.changed.isEmpty { changed.children[step] = child.changed }
        if !child.removed.isEmpty { removed.children[step] = child.removed }
    }

    /// The fields of a value that was not there before. Maps and lists count themselves; so do the objects of custom
    /// resources, and not those of built-in kinds, which are always there.
    private func added(_ value: JSONValue, _ schema: Schema?) -> FieldSet {
        var fields = FieldSet(of: value, schema: schema)
        mark(&fields, value, schema)
        return fields
    }

    private func mark(_ fields: inout FieldSet, _ value: JSONValue, _ schema: Schema?, isRequired: Bool = false) {
        switch value {
        case .object(let members):
            if isCustom || schema?.additional != nil { fields.isMember = true }
            for member in members {
                guard var child = fields.children[.field(member.name)] else { continue }
                mark(
                    &child, member.value, schema?.member(member.name),
                    isRequired: schema?.required.contains(member.name) ?? false)
                fields.children[.field(member.name)] = child
            }
        case .array(let elements):
            if isCustom || !isRequired { fields.isMember = true }
            for (index, element) in elements.enumerated() {
                guard let step = FieldSet.step(to: element, index, in: schema), var child = fields.children[step]
                else { continue }
                mark(&child, element, schema?.items)
                fields.children[step] = child
            }
        default: break
        }
    }
}
