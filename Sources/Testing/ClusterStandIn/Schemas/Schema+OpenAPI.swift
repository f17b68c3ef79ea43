import WireJSON

extension Schema {
    /// The schema that an `openAPIV3Schema` of a CustomResourceDefinition describes.
    convenience init(openAPI value: JSONValue) {
        var content = Content()
        if value.member("x-kubernetes-int-or-string")?.boolean == true {
            content.form = .intOrString
        } else {
            switch value.text("type") {
            case "object": content.form = .object
            case "array": content.form = .array
            case "string": content.form = .string
            case "integer": content.form = .integer
            case "number": content.form = .number
            case "boolean": content.form = .boolean
            default: content.form = .any
            }
        }
        for member in value.member("properties")?.members ?? [] {
            content.properties[member.name] = Schema(openAPI: member.value)
        }
        content.required = value.member("required")?.texts ?? []
        switch value.member("additionalProperties") {
        case .boolean(true): content.additional = .any
        case .object(let members): content.additional = Schema(openAPI: .object(members))
        default: break
        }
        content.items = value.member("items").map { Schema(openAPI: $0) }
        switch value.text("x-kubernetes-list-type") {
        case "map": content.listType = .map(keys: value.member("x-kubernetes-list-map-keys")?.texts ?? [])
        case "set": content.listType = .set
        default: content.listType = .atomic
        }
        content.isAtomic = value.text("x-kubernetes-map-type") == "atomic"
        content.preservesUnknown = value.member("x-kubernetes-preserve-unknown-fields")?.boolean == true
        content.isEmbedded = value.member("x-kubernetes-embedded-resource")?.boolean == true
        content.isNullable = value.member("nullable")?.boolean == true
        content.initial = value.member("default")
        content.format = value.text("format")
        content.limits = Limits(openAPI: value)
        func all(_ name: String) -> [Schema] { (value.member(name)?.array ?? []).map { Schema(openAPI: $0) } }
        content.allOf = all("allOf")
        content.anyOf = all("anyOf")
        content.oneOf = all("oneOf")
        content.not = value.member("not").map { Schema(openAPI: $0) }
        self.init(content)
    }

    /// The schema of a custom resource: what every object has is known, whatever the definition says of it.
    static func customResource(_ openAPI: JSONValue?) -> Schema {
        guard let openAPI else { return Schema(.any).with { $0.isEmbedded = true } }
        return Schema(openAPI: openAPI).with { content in
            content.isEmbedded = true
            content.properties["apiVersion"] = Schema(.string)
            content.properties["kind"] = Schema(.string)
            content.properties["metadata"] = BuiltinTypes.metadata
        }
    }
}

extension Schema.Limits {
    fileprivate init(openAPI value: JSONValue) {
        func number(_ name: String) -> Double? {
            guard case .number(let text)? = value.member(name) else { return nil }
            return Double(text)
        }
        func count(_ names: String...) -> Int? { names.lazy.compactMap { value.member($0)?.integer }.first }
        allowed = value.member("enum")?.array ?? []
        pattern = value.text("pattern")
        minimum = number("minimum")
        maximum = number("maximum")
        isMinimumExclusive = value.member("exclusiveMinimum")?.boolean == true
        isMaximumExclusive = value.member("exclusiveMaximum")?.boolean == true
        minimumCount = count("minLength", "minItems", "minProperties")
        maximumCount = count("maxLength", "maxItems", "maxProperties")
        isUnique = value.member("uniqueItems")?.boolean == true
    }
}
