import WireJSON

/// What is particular to CustomResourceDefinitions.
enum CustomResourceRules {
    static let finalizer = "customresourcecleanup.apiextensions.k8s.io"

    /// Fills in the names that follow from others.
    static func fillNames(_ value: inout JSONValue) {
        guard var names = value.at("spec", "names") else { return }
        let kind = names.text("kind") ?? ""
        names.setDefault("singular", .string(kind.lowercased()))
        names.setDefault("listKind", .string(kind + "List"))
        value.set(["spec", "names"], names)
        if value.at("spec", "conversion") == nil {
            value.set(["spec", "conversion"], .map(["strategy": .string("None")]))
        }
    }

    static func errors(_ value: JSONValue) -> [FieldError] {
        var errors: [FieldError] = []
        let spec = value.member("spec") ?? .empty
        let group = spec.text("group") ?? ""
        let plural = spec.text("names", "plural") ?? ""
        let name = value.text("metadata", "name") ?? ""
        if name != "\(plural).\(group)" {
            errors.append(.invalid("metadata.name", .string(name), "must be spec.names.plural+\".\"+spec.group"))
        }
        if group.isEmpty {
            errors.append(.required("spec.group"))
        } else if !MetadataRules.isSubdomain(group) {
            errors.append(.invalid("spec.group", .string(group), MetadataRules.subdomain))
        } else if !group.contains(".") {
            errors.append(.invalid("spec.group", .string(group), "should be a domain with at least one dot"))
        }
        let scope = spec.text("scope") ?? ""
        if !["Cluster", "Namespaced"].contains(scope) {
            errors.append(
                scope.isEmpty
                    ? .required("spec.scope")
                    : .notSupported("spec.scope", .string(scope), ["Cluster", "Namespaced"]))
        }
        for field in ["plural", "singular"] {
            let text = spec.text("names", field) ?? ""
            if text.isEmpty {
                errors.append(.required("spec.names.\(field)"))
            } else if !MetadataRules.isLabel(text) {
                errors.append(.invalid("spec.names.\(field)", .string(text), MetadataRules.label))
            }
        }
        if (spec.text("names", "kind") ?? "").isEmpty { errors.append(.required("spec.names.kind")) }
        let versions = spec.member("versions")?.array ?? []
        if versions.count(where: { $0.member("storage")?.boolean == true }) != 1 {
            errors.append(
                .invalid(
                    "spec.versions", spec.member("versions") ?? .array([]),
                    "must have exactly one version marked as storage version"))
        }
        for (index, version) in versions.enumerated() {
            let path = "spec.versions[\(index)]"
            if !MetadataRules.isLabel(version.text("name") ?? "") {
                errors.append(.invalid("\(path).name", .string(version.text("name") ?? ""), MetadataRules.label))
            }
            guard let schema = version.at("schema", "openAPIV3Schema") else {
                errors.append(.required("\(path).schema.openAPIV3Schema", "schemas are required"))
                continue
            }
            structural(schema, "\(path).schema.openAPIV3Schema", isRoot: true, &errors)
            for (number, column) in (version.member("additionalPrinterColumns")?.array ?? []).enumerated()
            where JSONPath(column.text("jsonPath") ?? "-") == nil {
                errors.append(
                    .invalid(
                        "\(path).additionalPrinterColumns[\(number)].jsonPath", column.member("jsonPath") ?? .null,
                        "is an invalid expression: expected a JSONPath"))
            }
        }
        return errors
    }

    /// A schema must say the type of each value that it describes.
    private static func structural(
        _ schema: JSONValue, _ path: String, isRoot: Bool = false, _ errors: inout [FieldError]
    ) {
        let type = schema.text("type") ?? ""
        let isFree =
            schema.member("x-kubernetes-int-or-string")?.boolean == true
            || schema.member("x-kubernetes-preserve-unknown-fields")?.boolean == true
        if isRoot, type != "object" {
            errors.append(
                type.isEmpty
                    ? .required("\(path).type", "must not be empty at the root")
                    : .invalid("\(path).type", .string(type), "must be object at the root"))
        } else if type.isEmpty, !isFree {
            errors.append(.required("\(path).type", "must not be empty for specified object fields"))
        }
        let types = ["array", "boolean", "integer", "number", "object", "string"]
        if !type.isEmpty, !types.contains(type) {
            errors.append(.notSupported("\(path).type", .string(type), types))
        }
        if type == "array", schema.member("items") == nil {
            errors.append(.required("\(path).items", "must be specified"))
        }
        for member in schema.member("properties")?.members ?? [] {
            structural(member.value, "\(path).properties[\(member.name)]", &errors)
        }
        if let items = schema.member("items") { structural(items, "\(path).items", &errors) }
        if case .object? = schema.member("additionalProperties"), let additional = schema.member("additionalProperties")
        {
            structural(additional, "\(path).additionalProperties", &errors)
        }
    }

    /// The kinds that a definition declares, one for each version that is served.
    static func types(of value: JSONValue) -> [ResourceType] {
        let spec = value.member("spec") ?? .empty
        let names = spec.member("names") ?? .empty
        return (spec.member("versions")?.array ?? []).compactMap { version in
            guard version.member("served")?.boolean == true else { return nil }
            var content = ResourceType.Content()
            content.group = spec.text("group") ?? ""
            content.version = version.text("name") ?? ""
            content.kind = names.text("kind") ?? ""
            content.listKind = names.text("listKind") ?? "\(content.kind)List"
            content.plural = names.text("plural") ?? ""
            content.singular = names.text("singular") ?? ""
            content.shortNames = names.member("shortNames")?.texts ?? []
            content.categories = names.member("categories")?.texts ?? []
            content.isNamespaced = spec.text("scope") == "Namespaced"
            content.storage = "\(content.plural).\(content.group)"
            if version.at("subresources", "status") != nil { content.subresources.insert("status") }
            content.isCustom = true
            content.openAPI = version.at("schema", "openAPIV3Schema")
            content.schema = Schema.customResource(content.openAPI)
            let reversed = content.group.split(separator: ".").reversed().joined(separator: ".")
            content.schemaName = "\(reversed).\(content.version).\(content.kind)"
            content.columns = columns(version)
            content.updatesUnconditionally = false
            content.selectableFields = (version.member("selectableFields")?.array ?? []).compactMap {
                $0.text("jsonPath").map { String($0.drop { $0 == "." }) }
            }
            return ResourceType(content)
        }
    }

    private static func columns(_ version: JSONValue) -> [ResourceType.Column] {
        let name = ResourceType.Column(
            name: "Name", type: "string", format: "name",
            description: "The name of the object, unique within its namespace.", path: JSONPath(".metadata.name"))
        let additional = version.member("additionalPrinterColumns")?.array ?? []
        let own = additional.map { column in
            let path = column.text("jsonPath") ?? ""
            return ResourceType.Column(
                name: column.text("name") ?? "", type: column.text("type") ?? "string",
                format: column.text("format") ?? "",
                description: column.text("description")
                    ?? "Custom resource definition column (in JSONPath format): \(path)",
                priority: column.member("priority")?.integer ?? 0, path: JSONPath(path))
        }
        let age = ResourceType.Column(
            name: "Age", type: "date", description: "When the object was created.",
            path: JSONPath(".metadata.creationTimestamp"))
        return [name] + (additional.isEmpty ? [age] : own)
    }
}

extension StandInCluster {
    /// Serves what a definition declares, and no longer what it declared.
    mutating func noteDefinition(_ name: String, _ after: StoredObject?) {
        registry.removeCustom(name)
        guard let after else {
            collections[name] = Collection(horizon: version)
            return
        }
        for type in CustomResourceRules.types(of: after.value) { registry.add(type) }
        if after.value.at("status", "conditions") == nil { garbage.newDefinitions.insert(name) }
    }

    /// Gives a new definition the status that says that it is served.
    mutating func establish(_ name: String, now: StandInTime) {
        guard let type = registry.type("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
            let object = object(type, ObjectKey(namespace: "", name: name))
        else { return }
        var value = object.value
        func condition(_ type: String, _ reason: String, _ message: String) -> JSONValue {
            .map([
                "type": .string(type), "status": .string("True"), "lastTransitionTime": .string(now.text),
                "reason": .string(reason), "message": .string(message),
            ])
        }
        let stored = (value.at("spec", "versions")?.array ?? []).first { $0.member("storage")?.boolean == true }
        value.set(
            "status",
            .map([
                "acceptedNames": value.at("spec", "names"),
                "storedVersions": .strings([stored?.text("name") ?? ""]),
                "conditions": .array([
                    condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                    condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
                ]),
            ]))
        put(value, as: type)
    }
}
