import WireJSON

extension StandInCluster {
    /// Answers a request for a part of an object, or for something done to it.
    mutating func answerSubresource(
        _ subresource: String, _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest,
        _ target: RequestTarget, now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        switch (subresource, asked.verb) {
        case ("status", "get"), ("resize", "get"), ("ephemeralcontainers", "get"):
            return try show(try find(type, asked), type, request, now: now)
        case ("status", "update"), ("resize", "update"), ("finalize", "update"), ("ephemeralcontainers", "update"):
            return try answerUpdate(type, asked, request, target, subresource: subresource, now: now)
        case ("status", "patch"), ("resize", "patch"), ("ephemeralcontainers", "patch"):
            return try answerPatch(type, asked, request, target, subresource: subresource, now: now)
        case ("scale", _): return try answerScale(type, asked, request, target, now: now)
        case ("log", "get"): return try log(type, asked, target)
        case ("binding", "create"): return try bind(try find(type, asked), type, request, target, now: now)
        case ("eviction", "create"): return try evict(type, asked, request, target, now: now)
        case ("token", "create"): return try issueToken(type, asked, request, now: now)
        default: throw .methodNotAllowed
        }
    }

    // MARK: - Pods

    /// The text of a container's log.
    private func log(_ type: ResourceType, _ asked: ResourceRequest, _ target: RequestTarget) throws(StatusError)
        -> StandInAnswer
    {
        let pod = try find(type, asked)
        let containers = (pod.value.at("spec", "containers")?.array ?? []).compactMap { $0.text("name") }
        var container = target.query["container"] ?? ""
        if container.isEmpty {
            guard containers.count == 1 else {
                throw .badRequest(
                    "a container name must be specified for pod \(pod.key.name), choose one of: "
                        + "[\(containers.joined(separator: " "))]")
            }
            container = containers[0]
        } else if !containers.contains(container) {
            throw .badRequest("container \(container) is not valid for pod \(pod.key.name)")
        }
        let place = "\(pod.key.namespace)/\(pod.key.name)"
        let text = logs["\(place)/\(container)"] ?? logs[place] ?? "\(container) of \(place) started\n"
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        if let tail = target.query["tailLines"].flatMap({ Int($0) }), tail >= 0 { lines = lines.suffix(tail) }
        return StandInAnswer(200, text: lines.map { "\($0)\n" }.joined())
    }

    /// Gives a pod its node.
    mutating func bind(
        _ pod: StoredObject, _ type: ResourceType, _ request: StandInRequest, _ target: RequestTarget, now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        guard let body = RequestBody.object(request.body) else {
            throw .badRequest("the object provided is unrecognized (must be of type Binding)")
        }
        let name = pod.key.name
        let node = body.text("target", "name") ?? ""
        let kind = body.text("target", "kind") ?? ""
        let context = try WriteContext(request, target.query, now: now, kind: "CreateOptions")
        guard kind.isEmpty || kind == "Node" else {
            throw .invalid(type, name, [.notSupported("target.kind", .string(kind), ["Node", "<empty>"])])
        }
        guard !node.isEmpty else { throw StatusError(500, "", "target.name: Required value") }
        if let uid = body.text("metadata", "uid"), !uid.isEmpty, uid != pod.uid {
            throw .otherUID(type, pod.key, wanted: uid, found: pod.uid)
        }
        guard !pod.isDeleting else {
            throw .conflict(
                type, name, "pod \(name) is being deleted, cannot be assigned to a host", subresource: "binding")
        }
        let assigned = pod.value.text("spec", "nodeName") ?? ""
        guard assigned.isEmpty else {
            throw .conflict(
                type, name, "pod \(name) is already assigned to node \(FieldError.quote(assigned))",
                subresource: "binding")
        }
        var value = pod.value
        value.set(["spec", "nodeName"], .string(node))
        for member in body.at("metadata", "annotations")?.members ?? [] {
            value.set(["metadata", "annotations", member.name], member.value)
        }
        var conditions = (value.at("status", "conditions")?.array ?? []).filter { $0.text("type") != "PodScheduled" }
        conditions.append(
            .map([
                "type": .string("PodScheduled"), "status": .string("True"), "lastProbeTime": .null,
                "lastTransitionTime": .string(now.text),
            ]))
        value.set(["status", "conditions"], .array(conditions))
        if !context.isDryRun { put(value, as: type) }
        return Self.created
    }

    /// The answer to what makes no object.
    private static let created = StandInAnswer(
        201,
        .map([
            "kind": .string("Status"), "apiVersion": .string("v1"), "metadata": .empty, "status": .string("Success"),
            "code": .integer(201),
        ]))

    /// Deletes a pod where its disruption budgets allow it.
    private mutating func evict(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, _ target: RequestTarget,
        now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        let pod = try find(type, asked)
        let body = RequestBody.object(request.body) ?? .empty
        let options = try DeleteOptions(target.query, body: body.member("deleteOptions"))
        let budgets = collections["poddisruptionbudgets.policy"]?.objects.filter { key, budget in
            let selector = LabelSelector(object: budget.value.at("spec", "selector") ?? .empty)
            return key.namespace == pod.key.namespace && selector.matches(pod.value.at("metadata", "labels"))
        }
        let phase = pod.value.text("status", "phase")
        if let budgets, !budgets.isEmpty, !["Pending", "Succeeded", "Failed"].contains(phase) {
            guard budgets.count == 1, let (_, budget) = budgets.first,
                let kind = registry.type(storage: "poddisruptionbudgets.policy")
            else {
                throw .internalError(
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")
            }
            let allowed = budget.value.at("status", "disruptionsAllowed")?.integer ?? 0
            let generation = budget.value.at("metadata", "generation")?.integer ?? 0
            let isObserved = (budget.value.at("status", "observedGeneration")?.integer ?? 0) >= generation
            guard allowed > 0, isObserved else {
                var error = StatusError.tooManyRequests(
                    "Cannot evict pod as it would violate the pod's disruption budget.",
                    retryAfter: isObserved ? nil : 10)
                error.details = .map([
                    "causes": .array([
                        .map([
                            "reason": .string("DisruptionBudget"),
                            "message": .string(
                                isObserved
                                    ? "The disruption budget \(budget.key.name) needs "
                                        + "\(budget.value.at("status", "desiredHealthy")?.integer ?? 0) healthy pods and has "
                                        + "\(budget.value.at("status", "currentHealthy")?.integer ?? 0) currently"
                                    : "The disruption budget \(budget.key.name) is still being processed by the server."
                            ),
                        ])
                    ])
                ])
                throw error
            }
            if !options.isDryRun {
                var value = budget.value
                value.set(["status", "disruptionsAllowed"], .integer(allowed - 1))
                put(value, as: kind)
            }
        }
        _ = try delete(type, pod, options, now: now)
        return Self.created
    }

    // MARK: - Others

    /// The number of replicas, as an object of its own.
    private mutating func answerScale(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, _ target: RequestTarget,
        now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        var object = try find(type, asked)
        func scale(_ object: StoredObject) -> JSONValue {
            let metadata = object.value.member("metadata") ?? .empty
            let labels = object.value.at("spec", "selector", "matchLabels")?.dictionary ?? [:]
            return .map([
                "kind": .string("Scale"), "apiVersion": .string("autoscaling/v1"),
                "metadata": .map([
                    "name": metadata.member("name"), "namespace": metadata.member("namespace"),
                    "uid": metadata.member("uid"), "resourceVersion": metadata.member("resourceVersion"),
                    "creationTimestamp": metadata.member("creationTimestamp"),
                ]),
                "spec": .map(["replicas": object.value.at("spec", "replicas")]),
                "status": .map([
                    "replicas": object.value.at("status", "replicas") ?? .integer(0),
                    "selector": .string(
                        labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")),
                ]),
            ])
        }
        guard asked.verb != "get" else { return StandInAnswer(200, scale(object)) }
        guard asked.verb == "update" || asked.verb == "patch" else { throw .methodNotAllowed }
        guard let body = RequestBody.object(request.body) else {
            throw .badRequest("the object provided is unrecognized (must be of type Scale)")
        }
        let wanted =
            asked.verb == "update"
            ? body
            : request.contentType.hasPrefix("application/json-patch")
                ? try JSONPatch.apply(body, to: scale(object)) : MergePatch.apply(body, to: scale(object))
        guard let replicas = wanted.at("spec", "replicas")?.integer, replicas >= 0 else {
            throw .invalid(
                type, object.key.name,
                [
                    .invalid(
                        "spec.replicas", wanted.at("spec", "replicas") ?? .null, "must be greater than or equal to 0")
                ])
        }
        var context = try WriteContext(request, target.query, now: now, kind: "UpdateOptions")
        context.subresource = "scale"
        var value = object.value
        value.set(["spec", "replicas"], .integer(replicas))
        value.set(["metadata", "resourceVersion"], wanted.at("metadata", "resourceVersion"))
        object = try update(type, object, to: value, context)
        return StandInAnswer(200, scale(object))
    }

    /// Issues a token for a service account.
    private mutating func issueToken(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        let account = try find(type, asked)
        let body = RequestBody.object(request.body) ?? .empty
        let seconds = body.at("spec", "expirationSeconds")?.integer ?? 3_600
        let token = "standin.\(random.uuid())"
        issuedTokens[token] = StandInUser(
            "system:serviceaccount:\(account.key.namespace):\(account.key.name)",
            uid: account.uid)
        var answer = body
        answer.set("kind", .string("TokenRequest"))
        answer.set("apiVersion", .string("authentication.k8s.io/v1"))
        answer.set(["spec", "expirationSeconds"], .integer(seconds))
        answer.set(
            "status",
            .map([
                "token": .string(token),
                "expirationTimestamp": .string(now.advanced(seconds: Double(seconds)).text),
            ]))
        return StandInAnswer(201, answer)
    }

    /// The user that an issued token stands for; nil where there is none, or its service account is gone.
    package func user(token: String) -> StandInUser? {
        guard let user = issuedTokens[token], references[user.uid] != nil else { return nil }
        return user
    }
}
