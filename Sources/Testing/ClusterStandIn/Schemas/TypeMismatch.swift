import WireJSON

extension Schema {
    /// The first value that a Go program could not read into the type of a built-in kind, in Go's words; nil where all fit.
    ///
    /// - Parameter kind: the name of the Go type, such as `Pod`.
    func mismatch(in value: JSONValue, kind: String) -> String? {
        mismatch(value, kind, "")
    }

    private func mismatch(_ value: JSONValue, _ kind: String, _ path: String) -> String? {
        func cannot(_ found: String, _ type: String) -> String {
            "json: cannot unmarshal \(found) into Go struct field \(kind).\(path) of type \(type)"
        }
        switch (form, value) {
        case (_, .null), (.any, _), (.string, .string), (.number, .number), (.boolean, .boolean): return nil
        case (.intOrString, .string), (.intOrString, .number): return nil
        case (.integer, .number(let text)):
            let type = format ?? "int64"
            let fits = Int64(text).map { type == "int64" || Int32(exactly: $0) != nil } ?? false
            return fits ? nil : cannot("number \(text)", type)
        case (.object, .object(let members)):
            // Go names the innermost type that has the field; the keys of maps are no fields.
            let kind = goType.isEmpty ? kind : goType
            for member in members {
                guard let schema = self.member(member.name) else { continue }
                let isField = properties[member.name] != nil
                let next = !isField ? path : path.isEmpty ? member.name : "\(path).\(member.name)"
                if let found = schema.mismatch(member.value, kind, next) { return found }
            }
            return nil
        case (.array, .array(let elements)):
            for element in elements { if let found = items?.mismatch(element, kind, path) { return found } }
            return nil
        default: break
        }
        let found =
            switch value {
            case .null: "null"
            case .boolean: "bool"
            case .number: "number"
            case .string: "string"
            case .array: "array"
            case .object: "object"
            }
        let type =
            switch form {
            case .string: format == "byte" ? "[]uint8" : "string"
            case .integer: format ?? "int64"
            case .number: "float64"
            case .boolean: "bool"
            case .array: "[]\(items?.goName ?? "interface {}")"
            case .intOrString: "intstr.IntOrString"
            case .object: additional.map { "map[string]\($0.goName)" } ?? "v1.\(kind)"
            case .any: "interface {}"
            }
        return cannot(found, type)
    }

    private var goName: String {
        switch form {
        case .string: "string"
        case .integer: format ?? "int64"
        case .boolean: "bool"
        case .number: "float64"
        default: "interface {}"
        }
    }
}
