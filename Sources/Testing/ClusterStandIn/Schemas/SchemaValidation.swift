import WireJSON

extension Schema {
    /// What is wrong with a custom resource, in the words of a real API server.
    func errors(in value: JSONValue) -> [FieldError] {
        var errors: [FieldError] = []
        check(value, "", isRoot: true, &errors)
        return errors
    }

    private func check(_ value: JSONValue, _ path: String, isRoot: Bool = false, _ errors: inout [FieldError]) {
        if value == .null, isNullable { return }
        let hasRightType = hasType(value)
        if !hasRightType { errors.append(.type(path, value, wanted: typeName)) }
        checkLimits(value, path, &errors)
        switch value {
        case .object(let members) where hasRightType:
            for name in required where value.member(name) == nil {
                errors.append(.required(Self.join(path, name)))
            }
            for member in members {
                if isRoot, ["apiVersion", "kind", "metadata"].contains(member.name) { continue }
                self.member(member.name)?.check(member.value, Self.join(path, member.name), &errors)
            }
        case .array(let elements) where hasRightType:
            for (index, element) in elements.enumerated() { items?.check(element, "\(path)[\(index)]", &errors) }
            checkKeys(elements, path, &errors)
        default: break
        }
        checkCombinations(value, path, &errors)
    }

    private static func join(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    private var typeName: String {
        switch form {
        case .any: ""
        case .object: "object"
        case .array: "array"
        case .string: "string"
        case .integer: "integer"
        case .number: "number"
        case .boolean: "boolean"
        case .intOrString: "integer,string"
        }
    }

    private func hasType(_ value: JSONValue) -> Bool {
        switch (form, value) {
        case (.any, _), (.object, .object), (.array, .array), (.string, .string), (.number, .number),
            (.boolean, .boolean), (.intOrString, .string):
            true
        case (.integer, .number(let text)), (.intOrString, .number(let text)): Int64(text) != nil
        default: false
        }
    }

    private func checkLimits(_ value: JSONValue, _ path: String, _ errors: inout [FieldError]) {
        let limits = limits
        if !limits.allowed.isEmpty, !limits.allowed.contains(value) {
            errors.append(.notSupported(path, value, limits.allowed.map { $0.string ?? $0.json }))
        }
        func invalid(_ detail: String) { errors.append(.invalid(path, value, "\(path) in body \(detail)")) }
        switch value {
        case .number(let text):
            guard let number = Double(text) else { return }
            if let minimum = limits.minimum, limits.isMinimumExclusive ? number <= minimum : number < minimum {
                invalid(
                    "should be greater than \(limits.isMinimumExclusive ? "" : "or equal to ")\(Self.show(minimum))")
            }
            if let maximum = limits.maximum, limits.isMaximumExclusive ? number >= maximum : number > maximum {
                invalid("should be less than \(limits.isMaximumExclusive ? "" : "or equal to ")\(Self.show(maximum))")
            }
            if format == "int32", form == .integer, let whole = Int64(text), Int32(exactly: whole) == nil {
                invalid("must be of type int32: \(FieldError.quote(text))")
            }
        case .string(let text) where form == .string || form == .any:
            let length = text.unicodeScalars.count
            if let minimum = limits.minimumCount, length < minimum {
                invalid("should be at least \(minimum) chars long")
            }
            if let maximum = limits.maximumCount, length > maximum { errors.append(.tooLong(path, maximum)) }
            if let pattern = limits.pattern, let regex = try? Regex(pattern), text.firstMatch(of: regex) == nil {
                invalid("should match '\(pattern)'")
            }
            if format == "date-time", StandInTime(text) == nil {
                invalid("must be of type date-time: \(FieldError.quote(text))")
            }
        case .array(let elements) where form == .array:
            if let minimum = limits.minimumCount, elements.count < minimum {
                invalid("should have at least \(minimum) items")
            }
            if let maximum = limits.maximumCount, elements.count > maximum {
                errors.append(.tooMany(path, elements.count, maximum))
            }
            if limits.isUnique, Set(elements.map(\.encoded)).count < elements.count {
                invalid("shouldn't contain duplicates")
            }
        case .object(let members) where form == .object:
            if let minimum = limits.minimumCount, members.count < minimum {
                invalid("should have at least \(minimum) properties")
            }
            if let maximum = limits.maximumCount, members.count > maximum {
                errors.append(.tooMany(path, members.count, maximum))
            }
        default: break
        }
    }

    private static func show(_ number: Double) -> String {
        Int64(exactly: number).map(String.init) ?? "\(number)"
    }

    /// The elements of a set or of a list with keys must differ.
    private func checkKeys(_ elements: [JSONValue], _ path: String, _ errors: inout [FieldError]) {
        var seen: Set<[UInt8]> = []
        for (index, element) in elements.enumerated() {
            let key: JSONValue
            switch listType {
            case .atomic: return
            case .set: key = element
            case .map(let names):
                key = .map(names.compactMap { name in element.member(name).map { (name, $0) } })
            }
            if !seen.insert(key.encoded).inserted { errors.append(.duplicate("\(path)[\(index)]", key)) }
        }
    }

    private func checkCombinations(_ value: JSONValue, _ path: String, _ errors: inout [FieldError]) {
        func holds(_ schema: Schema) -> Bool {
            var found: [FieldError] = []
            schema.check(value, path, &found)
            return found.isEmpty
        }
        for schema in allOf { schema.check(value, path, &errors) }
        if !anyOf.isEmpty, !anyOf.contains(where: holds) {
            errors.append(.invalid(path, value, "\(path) in body must validate at least one schema (anyOf)"))
        }
        if !oneOf.isEmpty, oneOf.count(where: holds) != 1 {
            errors.append(.invalid(path, value, "\(path) in body must validate one and only one schema (oneOf)"))
        }
        if let not, holds(not) {
            errors.append(.invalid(path, value, "\(path) in body must not validate the schema (not)"))
        }
    }
}
