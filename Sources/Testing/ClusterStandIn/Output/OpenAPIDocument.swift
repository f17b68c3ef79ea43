import WireJSON

/// The OpenAPI documents: enough for clients that look up the fields of a kind and what the server can do with it.
struct OpenAPIDocument {
    /// Where schemas stand: `#/components/schemas/` in version 3, `#/definitions/` in version 2.
    let prefix: String
    private(set) var schemas: [String: JSONValue] = [:]
    private(set) var paths: [(String, JSONValue)] = []

    init(of types: [ResourceType], prefix: String) {
        self.prefix = prefix
        for type in types { add(type) }
    }

    private static let metadata = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

    private mutating func add(_ type: ResourceType) {
        var schema: JSONValue
        if type.isCustom {
            schema = type.content.openAPI ?? .map(["type": .string("object")])
            var properties = schema.member("properties") ?? .empty
            properties.set("apiVersion", .map(["type": .string("string")]))
            properties.set("kind", .map(["type": .string("string")]))
            properties.set("metadata", reference(Self.metadata))
            schema.set("properties", properties)
        } else if BuiltinTypes.fields[type.content.schemaName] != nil {
            _ = reference(type.content.schemaName)
            schema = schemas[type.content.schemaName] ?? .empty
        } else {
            schema = .map([
                "type": .string("object"), "x-kubernetes-preserve-unknown-fields": .boolean(true),
                "properties": .map([
                    "apiVersion": .map(["type": .string("string")]), "kind": .map(["type": .string("string")]),
                    "metadata": reference(Self.metadata),
                ]),
            ])
        }
        schema.set("x-kubernetes-group-version-kind", .array([kind(type)]))
        schemas[type.content.schemaName] = schema
        addPaths(type)
    }

    private func kind(_ type: ResourceType) -> JSONValue {
        .map([
            "group": .string(type.group), "version": .string(type.version), "kind": .string(type.kind),
        ])
    }

    private mutating func addPaths(_ type: ResourceType) {
        let root = type.group.isEmpty ? "/api/\(type.version)" : "/apis/\(type.group)/\(type.version)"
        let collection = "\(root)\(type.isNamespaced ? "/namespaces/{namespace}" : "")/\(type.plural)"
        func operation(_ action: String, _ parameters: [String]) -> JSONValue {
            .map([
                "x-kubernetes-action": .string(action), "x-kubernetes-group-version-kind": kind(type),
                "parameters": .array(
                    parameters.map { name in
                        prefix.hasPrefix("#/components")
                            ? .map([
                                "name": .string(name), "in": .string("query"),
                                "schema": .map(["type": .string("string"), "uniqueItems": .boolean(true)]),
                            ])
                            : .map([
                                "name": .string(name), "in": .string("query"), "type": .string("string"),
                                "uniqueItems": .boolean(true),
                            ])
                    }),
                "responses": .map(["200": .map(["description": .string("OK")])]),
            ])
        }
        let writing = ["dryRun", "fieldManager", "fieldValidation", "pretty"]
        guard !type.content.isVirtual else {
            paths.append((collection, .map(["post": operation("post", writing)])))
            return
        }
        paths.append(
            (
                collection,
                .map([
                    "get": operation("list", ["labelSelector", "fieldSelector", "limit", "continue", "watch"]),
                    "post": operation("post", writing), "delete": operation("deletecollection", ["dryRun"]),
                ])
            ))
        paths.append(
            (
                "\(collection)/{name}",
                .map([
                    "get": operation("get", ["pretty"]), "put": operation("put", writing),
                    "patch": operation("patch", writing + ["force"]), "delete": operation("delete", ["dryRun"]),
                ])
            ))
        if type.isNamespaced {
            paths.append(
                (
                    "\(root)/\(type.plural)",
                    .map(["get": operation("list", ["labelSelector", "fieldSelector", "limit", "continue", "watch"])])
                ))
        }
    }

    // MARK: - Built-in types

    /// A reference to a type, which is added with all that it refers to.
    private mutating func reference(_ name: String) -> JSONValue {
        if schemas[name] == nil, let fields = BuiltinTypes.fields[name] {
            schemas[name] = .empty
            var properties: [(String, JSONValue)] = []
            for field in fields { properties.append((field.name, schema(of: field.type))) }
            let required = fields.filter(\.isRequired).map(\.name)
            schemas[name] = .map([
                "type": .string("object"), "properties": .map(properties),
                "required": required.isEmpty ? nil : .strings(required),
            ])
        }
        return .map(["$ref": .string(prefix + name)])
    }

    private mutating func schema(of type: BuiltinTypes.FieldType) -> JSONValue {
        switch type {
        case .reference(let name, let isAtomic):
            var schema = reference(name)
            if isAtomic { schema.set("x-kubernetes-map-type", .string("atomic")) }
            return schema
        case .map(let value, let isAtomic):
            var schema = JSONValue.map(["type": .string("object"), "additionalProperties": self.schema(of: value)])
            if isAtomic { schema.set("x-kubernetes-map-type", .string("atomic")) }
            return schema
        case .list(let element, let listType):
            var schema = JSONValue.map(["type": .string("array"), "items": self.schema(of: element)])
            switch listType {
            case .atomic: schema.set("x-kubernetes-list-type", .string("atomic"))
            case .set:
                schema.set("x-kubernetes-list-type", .string("set"))
                schema.set("x-kubernetes-patch-strategy", .string("merge"))
            case .map(let keys):
                schema.set("x-kubernetes-list-type", .string("map"))
                schema.set("x-kubernetes-list-map-keys", .strings(keys))
                schema.set("x-kubernetes-patch-strategy", .string("merge"))
                schema.set("x-kubernetes-patch-merge-key", keys.first.map { .string($0) })
            }
            return schema
        case .scalar(let name): return scalar(name)
        }
    }

    private func scalar(_ name: String) -> JSONValue {
        let (type, format): (String?, String?) =
            switch name {
            case "bytes": ("string", "byte")
            case "int32", "int64": ("integer", name)
            case "number": ("number", "double")
            case "bool": ("boolean", nil)
            case "time", "microTime": ("string", "date-time")
            case "intOrString": ("string", "int-or-string")
            case "any": ("object", nil)
            default: ("string", nil)
            }
        return .map(["type": type.map { .string($0) }, "format": format.map { .string($0) }])
    }
}

extension StandInCluster {
    /// The answer for a path below `/openapi`; nil where there is none.
    func openAPI(_ path: [String], _ request: StandInRequest) -> StandInAnswer? {
        let info = JSONValue.map(["title": .string("Kubernetes"), "version": .string("v\(settings.version)")])
        switch path.dropFirst().first {
        case "v2" where path.count == 2:
            let document = OpenAPIDocument(of: registry.all, prefix: "#/definitions/")
            return StandInAnswer(
                200,
                .map([
                    "swagger": .string("2.0"), "info": info, "paths": .map(document.paths),
                    "definitions": .map(document.schemas.map { ($0.key, $0.value) }),
                ]))
        case "v3" where path.count == 2:
            let paths = registry.groups.flatMap { group in
                group.versions.map { version in
                    let name = group.group.isEmpty ? "api/\(version)" : "apis/\(group.group)/\(version)"
                    let hash = openAPIHash(group.group, version)
                    return (name, JSONValue.map(["serverRelativeURL": .string("/openapi/v3/\(name)?hash=\(hash)")]))
                }
            }
            return StandInAnswer(200, .map(["paths": .map(paths)]))
        case "v3":
            let rest = Array(path.dropFirst(2))
            let (group, version) =
                rest.count == 2 && rest[0] == "api"
                ? ("", rest[1])
                : rest.count == 3 && rest[0] == "apis" ? (rest[1], rest[2]) : ("", "")
            let types = registry.all.filter { $0.group == group && $0.version == version }
            guard !types.isEmpty else { return nil }
            let document = OpenAPIDocument(of: types, prefix: "#/components/schemas/")
            return StandInAnswer(
                200,
                .map([
                    "openapi": .string("3.0.0"), "info": info, "paths": .map(document.paths),
                    "components": .map(["schemas": .map(document.schemas.map { ($0.key, $0.value) })]),
                ]))
        default: return nil
        }
    }

    /// What changes with the kinds of a group: clients keep a document as long as it is the same.
    private func openAPIHash(_ group: String, _ version: String) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for type in registry.all where type.group == group && type.version == version {
            for byte in (type.content.openAPI?.encoded ?? []) + Array(type.plural.utf8) {
                hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
            }
        }
        return String(hash, radix: 16, uppercase: true)
    }
}
