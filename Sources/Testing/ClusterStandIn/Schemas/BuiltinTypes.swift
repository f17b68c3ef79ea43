import WireJSON

/// The types of the built-in kinds. Each is one entry of a text: a name, `=`, and its fields as `name.5:type`, with `!` where
/// the field is required. The number is that of the field in protobuf; two numbers say that the field stands in a message of
/// its own there. A type is `string`, `bytes`, `int32`, `int64`, `number`, `bool`, `quantity`, `intOrString`,
/// `time`, `microTime`, `any`, the name of another entry, `[…]` for a list, `{…}` for a map. `|a+b` in a list says that
/// its elements are told apart by these members, `|*` that they are a set; `~` marks an object that is replaced as a whole.
enum BuiltinTypes {
    /// A field of a type.
    struct Field: Sendable {
        let name: String
        /// The way to the field in protobuf; empty where there is none.
        let numbers: [Int]
        let type: FieldType
        let isRequired: Bool
    }

    /// The type of a field.
    indirect enum FieldType: Equatable, Sendable {
        case scalar(String)
        /// The full name of an entry.
        case reference(String, isAtomic: Bool)
        case list(FieldType, Schema.ListType)
        case map(FieldType, isAtomic: Bool)
    }

    /// The fields of each type by its full name, such as `io.k8s.api.core.v1.Pod`.
    static let fields: [String: [Field]] = read([groups, core])

    private static let schemas: [String: Schema] = {
        var made: [String: Schema] = [:]
        for name in fields.keys { _ = schema(name, &made) }
        return made
    }()

    /// The schema of a type; nil where it is not known.
    static func schema(_ name: String) -> Schema? { schemas[name] }

    static let metadata = schema("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta") ?? .any

    private static func schema(_ name: String, _ made: inout [String: Schema]) -> Schema {
        if let known = made[name] { return known }
        var content = Schema.Content()
        content.form = .object
        for field in fields[name] ?? [] {
            content.properties[field.name] = schema(of: field.type, &made)
            if field.isRequired { content.required.append(field.name) }
        }
        // Part of the keys of ports, and mostly left out.
        if let port = content.properties["protocol"],
            content.properties["targetPort"] != nil
                || content.properties["containerPort"] != nil
        {
            content.properties["protocol"] = port.with { $0.initial = .string("TCP") }
        }
        content.goType = name.split(separator: ".").last.map(String.init) ?? ""
        let schema = Schema(content)
        made[name] = schema
        return schema
    }

    private static func schema(of type: FieldType, _ made: inout [String: Schema]) -> Schema {
        var content = Schema.Content()
        switch type {
        case .scalar(let name):
            switch name {
            case "string": content.form = .string
            case "bytes", "time", "microTime", "quantity":
                content.form = name == "quantity" ? .intOrString : .string
                content.format = name == "bytes" ? "byte" : name
                content.isNullable = true
            case "int32", "int64":
                content.form = .integer
                content.format = name
            case "number": content.form = .number
            case "bool": content.form = .boolean
            case "intOrString": content.form = .intOrString
            default: return .any
            }
        case .reference(let name, let isAtomic):
            let schema = schema(name, &made)
            return isAtomic ? schema.with { $0.isAtomic = true } : schema
        case .list(let element, let listType):
            content.form = .array
            content.items = schema(of: element, &made)
            content.listType = listType
        case .map(let value, let isAtomic):
            content.form = .object
            content.additional = schema(of: value, &made)
            content.isAtomic = isAtomic
        }
        return Schema(content)
    }

    // MARK: - The text

    private static let scalars: Set<String> = [
        "string", "bytes", "int32", "int64", "number", "bool", "quantity", "intOrString", "time", "microTime", "any",
    ]

    private static func read(_ texts: [String]) -> [String: [Field]] {
        var entries: [(package: String, name: String, fields: [Substring])] = []
        var package = ""
        for line in texts.flatMap({ $0.split(separator: "\n") }) {
            let words = line.split(separator: " ")
            if words.first == "package", words.count == 2 {
                package = String(words[1])
            } else if words.count >= 2, words[1] == "=" {
                entries.append((package, String(words[0]), Array(words.dropFirst(2))))
            } else if !entries.isEmpty {
                entries[entries.count - 1].fields += words
            }
        }
        var names: [String: String] = [:]
        for entry in entries.reversed() { names[entry.name] = "\(entry.package).\(entry.name)" }
        // A name that is there twice is that of the core group, but for the fields of its own package.
        for entry in entries where entry.package.hasSuffix(".core.v1") {
            names[entry.name] = "\(entry.package).\(entry.name)"
        }
        let known = Set(entries.map { "\($0.package).\($0.name)" })
        var fields: [String: [Field]] = [:]
        for entry in entries {
            func resolve(_ name: String) -> String {
                let own = "\(entry.package).\(name)"
                return known.contains(own) ? own : names[name] ?? own
            }
            fields["\(entry.package).\(entry.name)"] = entry.fields.compactMap { word in
                guard let colon = word.firstIndex(of: ":") else { return nil }
                var text = word[word.index(after: colon)...]
                let isRequired = text.last == "!"
                if isRequired { text = text.dropLast() }
                let parts = word[..<colon].split(separator: ".")
                return Field(
                    name: String(parts.first ?? ""), numbers: parts.dropFirst().compactMap { Int($0) },
                    type: type(text, resolve), isRequired: isRequired)
            }
        }
        return fields
    }

    private static func type(_ text: Substring, _ resolve: (String) -> String) -> FieldType {
        var text = text
        let isAtomic = text.last == "~"
        if isAtomic { text = text.dropLast() }
        switch text.first {
        case "[":
            let parts = text.dropFirst().dropLast().split(separator: "|")
            let element = type(parts.first ?? "any", resolve)
            guard parts.count > 1 else { return .list(element, .atomic) }
            return .list(
                element, parts[1] == "*" ? .set : .map(keys: parts[1].split(separator: "+").map(String.init)))
        case "{": return .map(type(text.dropFirst().dropLast(), resolve), isAtomic: isAtomic)
        default:
            let name = String(text)
            return scalars.contains(name) ? .scalar(name) : .reference(resolve(name), isAtomic: isAtomic)
        }
    }
}
