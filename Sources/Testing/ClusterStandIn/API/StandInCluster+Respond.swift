import WireJSON

extension StandInCluster {
    /// Answers a request.
    ///
    /// The caller lets the cluster's own controllers work afterwards (``settle(now:)``).
    package mutating func respond(to request: StandInRequest, now: StandInTime) -> StandInAnswer {
        do { return try answer(request, now: now) } catch { return StandInAnswer(error) }
    }

    private mutating func answer(_ request: StandInRequest, now: StandInTime) throws(StatusError) -> StandInAnswer {
        guard let target = RequestTarget(request.target) else { throw .badRequest("the path is not encoded correctly") }
        guard let asked = ResourceRequest(method: request.method, target: target) else {
            try authorize(request, target)
            return try answerOther(request, target, now: now)
        }
        try authorize(request, asked)
        guard let type = registry.type(asked.group, asked.version, asked.plural),
            type.isNamespaced || asked.namespace == nil
        else { return try answerUnknown(asked) }
        if type.content.isVirtual {
            guard asked.verb == "create" else { throw .methodNotAllowed }
            return try answerVirtual(type, asked, request, now: now)
        }
        if type.isNamespaced, asked.namespace == nil, asked.verb != "list", asked.verb != "watch" {
            if type.isCustom { return try answerUnknown(asked) }
            throw .methodNotAllowed
        }
        if let subresource = asked.subresource {
            guard type.content.subresources.contains(subresource) else {
                throw type.isCustom ? .notFound(type, asked.name ?? "") : .noSuchResource
            }
            return try answerSubresource(subresource, type, asked, request, target, now: now)
        }
        if asked.name == nil, asked.verb == "update" || asked.verb == "patch" {
            throw type.isCustom ? .badRequest("name must be provided") : .methodNotAllowed
        }
        switch asked.verb {
        case "get":
            let object = try find(type, asked)
            return try show(object, type, request, now: now)
        case "list": return try list(type, asked, request, target, now: now)
        case "watch": return try watch(type, asked, request, target, now: now)
        case "create":
            guard asked.name == nil || type.isCustom else { throw .methodNotAllowed }
            return try answerCreate(type, asked, request, target, now: now)
        case "update": return try answerUpdate(type, asked, request, target, subresource: "", now: now)
        case "patch": return try answerPatch(type, asked, request, target, subresource: "", now: now)
        case "delete": return try answerDelete(type, asked, request, target, now: now)
        case "deletecollection": return try answerDeleteCollection(type, asked, request, target, now: now)
        default: throw .methodNotAllowed
        }
    }

    /// The answer for a kind that is not served: built-in groups say so as an object, others as a text.
    private func answerUnknown(_ asked: ResourceRequest) throws(StatusError) -> StandInAnswer {
        let isBuiltin = registry.all.contains {
            !$0.isCustom && $0.group == asked.group && $0.version == asked.version
        }
        if isBuiltin || asked.group.isEmpty { throw .noSuchResource }
        return StandInAnswer(404, text: "404 page not found\n")
    }

    // MARK: - Parts

    func find(_ type: ResourceType, _ asked: ResourceRequest) throws(StatusError) -> StoredObject {
        let name = asked.name ?? ""
        guard let object = object(type, ObjectKey(namespace: asked.namespace ?? "", name: name)) else {
            throw .notFound(type, name)
        }
        return object
    }

    /// The answer with one object, in the form that the client wants.
    func show(
        _ object: StoredObject, _ type: ResourceType, _ request: StandInRequest, status: Int = 200,
        warnings: [String] = [],
        now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        var answer: StandInAnswer
        switch OutputForm(request) {
        case .object: answer = StandInAnswer(status, .object(object, type))
        case .table(let form):
            answer = StandInAnswer(status, form.table(of: [object], type, version: object.version, now: now))
        case .metadata: answer = StandInAnswer(status, OutputForm.partial(object, type))
        }
        answer.warnings = warnings
        return answer
    }

    /// Checks that an object is the one that the path names.
    private func checkPlace(
        _ value: inout JSONValue, _ type: ResourceType, _ asked: ResourceRequest
    ) throws(StatusError) {
        let metadata = value.member("metadata") ?? .empty
        let name = metadata.text("name") ?? ""
        if let wanted = asked.name {
            guard !name.isEmpty else {
                throw .badRequest(
                    "the name of the object (\(wanted) based on URL) was undeterminable: name must be provided")
            }
            guard name == wanted else {
                throw .badRequest("the name of the object (\(name)) does not match the name on the URL (\(wanted))")
            }
        }
        guard type.isNamespaced, let wanted = asked.namespace else { return }
        let namespace = metadata.text("namespace") ?? ""
        guard namespace.isEmpty || namespace == wanted else {
            throw .badRequest("the namespace of the provided object does not match the namespace sent on the request")
        }
        value.set(["metadata", "namespace"], .string(wanted))
    }

    private mutating func answerCreate(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, _ target: RequestTarget,
        now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        try checkContentType(request, ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"])
        var context = try WriteContext(request, target.query, now: now, kind: "CreateOptions")
        var value = try decode(request.body, as: type, &context)
        try checkPlace(&value, type, asked)
        let object = try create(type, value, context)
        return try show(object, type, request, status: 201, warnings: context.warnings, now: now)
    }

    mutating func answerUpdate(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, _ target: RequestTarget,
        subresource: String,
        now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        try checkContentType(request, ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"])
        var context = try WriteContext(request, target.query, now: now, kind: "UpdateOptions")
        context.subresource = subresource
        var value = try decode(request.body, as: type, &context)
        try checkPlace(&value, type, asked)
        let key = ObjectKey(namespace: asked.namespace ?? "", name: asked.name ?? "")
        guard let old = object(type, key) else {
            guard type.content.createsOnUpdate, subresource.isEmpty else { throw .notFound(type, key.name) }
            if let uid = value.text("metadata", "uid"), !uid.isEmpty {
                throw .otherUID(type, key, wanted: uid, found: "")
            }
            value.set(["metadata", "resourceVersion"], nil)
            let made = try create(type, value, context)
            return try show(made, type, request, status: 201, warnings: context.warnings, now: now)
        }
        let object = try update(type, old, to: value, context)
        return try show(object, type, request, warnings: context.warnings, now: now)
    }

    mutating func answerPatch(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, _ target: RequestTarget,
        subresource: String,
        now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        var context = try WriteContext(request, target.query, now: now, kind: "PatchOptions")
        context.subresource = subresource
        let media = request.contentType.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        if media == "application/apply-patch+yaml" || media == "application/apply-patch+json" {
            guard !(target.query["fieldManager"] ?? "").isEmpty else {
                throw .invalidOptions("PatchOptions", [.required("fieldManager", "is required for apply patch")])
            }
            return try answerApply(type, asked, request, &context, now: now)
        }
        if context.isForced {
            throw .invalidOptions("PatchOptions", [.forbidden("force", "may not be specified for non-apply patch")])
        }
        var kinds = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"]
        if !type.isCustom { kinds.insert("application/strategic-merge-patch+json", at: 2) }
        guard type.isCustom || kinds.contains(String(media)) else {
            throw StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details: .empty)
        }
        try checkContentType(request, kinds)
        let patch: JSONValue
        do { patch = try JSONValue(request.body, maximumDepth: RequestLimits.depth).canonical } catch {
            throw .badRequest("error decoding patch: \(RequestBody.words(error))")
        }
        let old = try find(type, asked)
        let before = type.shown(old.value)
        var after: JSONValue
        switch media {
        case "application/json-patch+json": after = try JSONPatch.apply(patch, to: before).canonical
        case "application/merge-patch+json": after = MergePatch.apply(patch, to: before)
        default: after = try StrategicMerge.apply(patch, to: before, schema: type.schema)
        }
        guard after.members != nil else { throw .badRequest("the patch leaves no object") }
        if after.text("metadata", "resourceVersion") == nil {
            after.set(["metadata", "resourceVersion"], .string(String(old.version)))
        }
        var value = try interpret(after, as: type, &context)
        try checkPlace(&value, type, asked)
        let object = try update(type, old, to: value, context)
        return try show(object, type, request, warnings: context.warnings, now: now)
    }

    private mutating func answerApply(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, _ context: inout WriteContext,
        now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        let raw = try parse(request.body, type)
        guard raw.text("apiVersion") == type.apiVersion, raw.text("kind") == type.kind else {
            throw .badRequest(
                "Incorrect version specified in apply patch. Specified patch version: "
                    + "\(raw.text("apiVersion") ?? ""), expected: \(type.apiVersion)")
        }
        guard raw.at("metadata", "managedFields") == nil else {
            throw .badRequest("metadata.managedFields must be nil")
        }
        // Defaults are not what the manager applies: what it knows is checked, and the bare configuration is merged.
        var check = context
        _ = try interpret(raw, as: type, &check)
        context.warnings = check.warnings
        context.operation = "Apply"
        let pruned = type.schema.pruned(type.isCustom ? type.schema.withoutNulls(raw) : Schema.withoutAnyNulls(raw))
            .value
        var configuration = type.stored(pruned)
        try checkPlace(&configuration, type, asked)
        let key = ObjectKey(namespace: asked.namespace ?? "", name: asked.name ?? "")
        let old = object(type, key)
        guard old != nil || context.subresource.isEmpty else { throw .notFound(type, key.name) }
        if let given = configuration.text("metadata", "resourceVersion"), let old, given != String(old.version) {
            throw .conflict(type, key.name, StatusError.modified)
        }
        if let uid = configuration.text("metadata", "uid"), !uid.isEmpty, uid != old?.uid ?? "" {
            throw .conflict(
                type, key.name,
                "uid mismatch: the provided object specified uid \(uid), and no existing object was found")
        }
        // The part of a subresource, or all but the status.
        if context.subresource == "status" {
            for member in configuration.members ?? [] where member.name != "status" && member.name != "metadata" {
                configuration.set(member.name, nil)
            }
        } else if type.hasStatus {
            configuration.set("status", nil)
        }
        let manager = FieldManagers.Manager(
            name: context.manager, operation: "Apply", apiVersion: type.apiVersion, subresource: context.subresource,
            time: now.text, fields: FieldSet())
        var applied = try ServerSideApply.apply(
            configuration, to: old?.value, schema: type.schema, manager: manager, isForced: context.isForced)
        applied.set("apiVersion", .string(type.apiVersion))
        applied.set("kind", .string(type.kind))
        context.fieldValidation = .ignore
        var value = try interpret(EventConversion.applies(to: type) ? type.shown(applied) : applied, as: type, &context)
        guard let old else {
            value.set(["metadata", "resourceVersion"], nil)
            let made = try create(type, value, context)
            return try show(made, type, request, status: 201, warnings: context.warnings, now: now)
        }
        let object = try update(type, old, to: value, context)
        return try show(object, type, request, warnings: context.warnings, now: now)
    }

    // MARK: - Deleting

    private func deleteOptions(_ request: StandInRequest, _ target: RequestTarget) throws(StatusError) -> DeleteOptions
    {
        guard !request.body.isEmpty else { return try DeleteOptions(target.query, body: nil) }
        guard let body = RequestBody.object(request.body) else {
            throw .badRequest("couldn't get version/kind; json parse error: the body is no object")
        }
        return try DeleteOptions(target.query, body: body)
    }

    private static let shownWhenDeleted: Set<String> = [
        "pods", "services", "serviceaccounts", "persistentvolumes", "persistentvolumeclaims", "podtemplates",
        "resourcequotas",
    ]

    private mutating func answerDelete(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, _ target: RequestTarget,
        now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        let options = try deleteOptions(request, target)
        let object = try find(type, asked)
        switch try delete(type, object, options, now: now) {
        case .waiting(let object): return try show(object, type, request, now: now)
        case .removed(let object):
            // Pods and a few others are shown as they were; of the rest only that it is done.
            if Self.shownWhenDeleted.contains(type.storage) {
                return try show(object, type, request, now: now)
            }
            return StandInAnswer(200, Self.success(type, object))
        }
    }

    static func success(_ type: ResourceType, _ object: StoredObject) -> JSONValue {
        .map([
            "kind": .string("Status"), "apiVersion": .string("v1"), "metadata": .empty, "status": .string("Success"),
            "details": .map([
                "name": .string(object.key.name), "group": type.group.isEmpty ? nil : .string(type.group),
                "kind": .string(type.plural), "uid": .string(object.uid),
            ]),
        ])
    }

    private mutating func answerDeleteCollection(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, _ target: RequestTarget,
        now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        let options = try deleteOptions(request, target)
        let selection = try selection(type, asked, target)
        let page = collections[type.storage]?.page(
            at: nil, namespace: selection.namespace, after: nil, limit: nil
        ) { selection.matches($0.value) }
        var deleted: [StoredObject] = []
        for object in page?.objects ?? [] {
            var own = options
            (own.uid, own.version) = (nil, nil)
            switch try? delete(type, object, own, now: now) {
            case .removed(let object)?, .waiting(let object)?: deleted.append(object)
            case nil: break
            }
        }
        return StandInAnswer(
            200,
            .list(
                .init(
                    type: type, metadata: .map(["resourceVersion": .string(String(version))]), objects: deleted)))
    }

    func checkContentType(_ request: StandInRequest, _ accepted: [String]) throws(StatusError) {
        let media = request.contentType.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        guard media.isEmpty || accepted.contains(media) else { throw .unsupportedMediaType(accepted) }
    }
}
