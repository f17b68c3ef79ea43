import WireJSON

extension StandInCluster {
    /// The object of a body, in the form in which it is stored.
    ///
    /// - Throws: ``StatusError`` where the body is no object of the kind.
    func decode(_ body: [UInt8], as type: ResourceType, _ context: inout WriteContext) throws(StatusError) -> JSONValue
    {
        try interpret(try parse(body, type), as: type, &context)
    }

    /// The JSON of a body, in canonical form.
    func parse(_ body: [UInt8], _ type: ResourceType) throws(StatusError) -> JSONValue {
        if ProtobufBody.isOne(body) {
            guard let value = ProtobufBody.read(body) else {
                throw .badRequest(
                    "the object provided is unrecognized (must be of type \(type.kind)): the protobuf is malformed")
            }
            return value
        }
        func refuse(_ why: String) -> StatusError {
            let summary = body.isEmpty ? "<empty>" : String(decoding: body.prefix(30), as: UTF8.self)
            return .badRequest(
                "the object provided is unrecognized (must be of type \(type.kind)): couldn't get version/kind; json parse "
                    + "error: \(why) (\(summary))")
        }
        let value: JSONValue
        do { value = try JSONValue(body, maximumDepth: RequestLimits.depth) } catch {
            throw refuse(RequestBody.words(error))
        }
        if value == .null, !type.isCustom { return .empty }
        guard case .object = value else {
            throw refuse(
                "json: cannot unmarshal array into Go value of type struct { APIVersion string "
                    + #""json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#)
        }
        return value.canonical
    }

    /// Checks what an object says of its kind; drops, warns of or refuses what the kind does not know; fills in defaults.
    ///
    /// - Throws: ``StatusError``.
    func interpret(
        _ value: JSONValue, as type: ResourceType, _ context: inout WriteContext
    ) throws(StatusError) -> JSONValue {
        let apiVersion = value.text("apiVersion") ?? ""
        let kind = value.text("kind") ?? ""
        if type.isCustom, apiVersion.isEmpty || kind.isEmpty {
            let missing = kind.isEmpty ? "Kind" : "apiVersion"
            let text = value.json.prefix(100)
            throw .badRequest(
                "the object provided is unrecognized (must be of type \(type.kind)): Object '\(missing)' is missing in "
                    + "'\(text)' (\(text))")
        }
        let version = apiVersion.split(separator: "/").last.map(String.init) ?? ""
        if type.isCustom, kind != type.kind {
            var error = StatusError.invalid(
                type, value.text("metadata", "name") ?? "", [.invalid("kind", .string(kind), "must be \(type.kind)")])
            error.message = error.message.replacing("\(type.kind).", with: "\(kind).", maxReplacements: 1)
            error.details?.set("kind", .string(kind))
            throw error
        }
        guard kind.isEmpty || kind == type.kind else {
            let internalGroup =
                type.group.isEmpty ? "core" : type.group.split(separator: ".").first.map(String.init) ?? ""
            throw .badRequest(
                "\(kind) in version \(FieldError.quote(version)) cannot be handled as a \(type.kind): converting "
                    + "(\(version).\(kind)) to (\(internalGroup).\(type.kind)): unknown conversion")
        }
        guard apiVersion.isEmpty || apiVersion == type.apiVersion else {
            if type.isCustom {
                throw .badRequest(
                    "the API version in the data (\(apiVersion)) does not match the expected API version "
                        + "(\(type.apiVersion))")
            }
            throw .badRequest(
                "\(type.kind) in version \(FieldError.quote(version)) cannot be handled as a \(type.kind): no kind "
                    + "\(FieldError.quote(type.kind)) is registered for version \(FieldError.quote(apiVersion)) in scheme "
                    + "\"pkg/api/legacyscheme/scheme.go:30\"")
        }
        var problem: String?
        var result = value
        var unknown: [String] = []
        if type.isCustom {
            if let found = BuiltinTypes.metadata.mismatch(in: value.member("metadata") ?? .empty, kind: "ObjectMeta") {
                problem = found
            }
            result = type.schema.withoutNulls(result)
        } else {
            problem = type.schema.mismatch(in: value, kind: type.kind)
            result = Schema.withoutAnyNulls(result)
        }
        if problem == nil {
            let pruned = type.schema.pruned(result)
            (result, unknown) = (pruned.value, pruned.unknown)
            if !type.isCustom { result = type.schema.withoutEmptyCollections(result) }
        }
        func refuse(_ why: String) -> StatusError {
            .badRequest(
                "\(type.kind) in version \(FieldError.quote(type.version)) cannot be handled as a \(type.kind): \(why)")
        }
        if let problem { throw refuse(problem) }
        if !unknown.isEmpty {
            let texts = unknown.map { "unknown field \(FieldError.quote($0))" }
            switch context.fieldValidation {
            case .ignore: break
            case .warn: context.warnings += texts
            case .strict: throw refuse("strict decoding error: \(texts.joined(separator: ", "))")
            }
        }
        if type.isCustom { result = type.schema.withDefaults(result) }
        result = type.stored(result)
        if !type.isCustom { KindRules.setDefaults(&result, type) }
        return result
    }
}
