import WireJSON

extension StandInCluster {
    /// Answers a request for what is not stored: reviews, and the bindings of pods.
    mutating func answerVirtual(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        let body = try parse(request.body, type)
        let spec = body.member("spec") ?? .empty
        func answer(_ status: JSONValue) -> StandInAnswer {
            var object = body
            object.set("kind", .string(type.kind))
            object.set("apiVersion", .string(type.apiVersion))
            if object.member("metadata") == nil { object.set("metadata", .empty) }
            object.set("status", status)
            return StandInAnswer(201, object)
        }
        switch type.kind {
        case "Binding":
            guard let pods = registry.type("", "v1", "pods") else { throw .noSuchResource }
            let key = ObjectKey(namespace: asked.namespace ?? "", name: body.text("metadata", "name") ?? "")
            guard let pod = object(pods, key) else { throw .notFound(pods, key.name) }
            guard let target = RequestTarget(request.target) else { throw .noSuchResource }
            return try bind(pod, pods, request, target, now: now)
        case "SelfSubjectReview":
            return answer(.map(["userInfo": info(request.user)]))
        case "TokenReview":
            guard let user = user(token: spec.text("token") ?? "") else {
                return answer(.map(["error": .string("invalid bearer token"), "user": .empty]))
            }
            return answer(.map(["authenticated": .boolean(true), "user": info(user)]))
        case "SelfSubjectAccessReview":
            return answer(verdict(request.user, spec))
        case "SubjectAccessReview", "LocalSubjectAccessReview":
            let user = StandInUser(spec.text("user") ?? "", groups: spec.member("groups")?.texts ?? [])
            return answer(verdict(user, spec))
        case "SelfSubjectRulesReview":
            let rules =
                request.user.groups.contains("system:masters")
                ? collections["clusterroles.rbac.authorization.k8s.io"]?[
                    ObjectKey(namespace: "", name: "cluster-admin")]?
                    .value.member("rules")?.array ?? []
                : rules(for: request.user, namespace: spec.text("namespace") ?? "")
            return answer(
                .map([
                    "incomplete": .boolean(false),
                    "resourceRules": .array(rules.filter { $0.member("resources") != nil }),
                    "nonResourceRules": .array(rules.filter { $0.member("nonResourceURLs") != nil }),
                ]))
        default: throw .methodNotAllowed
        }
    }

    private func verdict(_ user: StandInUser, _ spec: JSONValue) -> JSONValue {
        let isAllowed = allows(user, AccessAttributes(review: spec))
        return .map(["allowed": .boolean(isAllowed), "reason": isAllowed ? .string("RBAC: allowed") : nil])
    }

    private func info(_ user: StandInUser) -> JSONValue {
        .map([
            "username": .string(user.name), "groups": .strings(user.allGroups),
            "uid": user.uid.isEmpty ? nil : .string(user.uid),
        ])
    }
}
