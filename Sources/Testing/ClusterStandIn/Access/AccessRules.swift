import WireJSON

/// What a user asks to do, as rules see it.
struct AccessAttributes: Equatable, Sendable {
    var verb: String
    var group = ""
    /// `pods`, `pods/status`.
    var resource = ""
    var namespace = ""
    var name = ""
    /// The path of what is no object; nil for objects.
    var path: String?

    /// The attributes of a request for objects.
    init(_ asked: ResourceRequest) {
        verb = asked.verb
        group = asked.group
        resource = asked.ruleResource
        // A namespace is an object of the cluster, and yet rules of the namespace apply to it.
        namespace = asked.namespace ?? (asked.plural == "namespaces" ? asked.name ?? "" : "")
        name = asked.name ?? ""
    }

    init(verb: String, path: String) {
        self.verb = verb
        self.path = path
    }

    /// The attributes of an access review.
    init(review spec: JSONValue) {
        if let attributes = spec.member("nonResourceAttributes") {
            verb = attributes.text("verb") ?? ""
            path = attributes.text("path") ?? ""
            return
        }
        let attributes = spec.member("resourceAttributes") ?? .empty
        verb = attributes.text("verb") ?? ""
        group = attributes.text("group") ?? ""
        resource = attributes.text("resource") ?? ""
        if let subresource = attributes.text("subresource"), !subresource.isEmpty { resource += "/\(subresource)" }
        namespace = attributes.text("namespace") ?? ""
        name = attributes.text("name") ?? ""
    }

    /// Whether a rule of a role allows this.
    func isAllowed(by rule: JSONValue) -> Bool {
        func has(_ list: String, _ text: String) -> Bool {
            let texts = rule.member(list)?.texts ?? []
            return texts.contains("*") || texts.contains(text)
        }
        guard has("verbs", verb) else { return false }
        if let path {
            return (rule.member("nonResourceURLs")?.texts ?? []).contains { pattern in
                pattern == "*" || pattern == path || (pattern.hasSuffix("*") && path.hasPrefix(pattern.dropLast()))
            }
        }
        guard has("apiGroups", group) else { return false }
        let subresource = resource.firstIndex(of: "/").map { String(resource[$0...]) }
        let resources = rule.member("resources")?.texts ?? []
        guard
            resources.contains("*") || resources.contains(resource)
                || subresource.map({ resources.contains("*\($0)") }) == true
        else { return false }
        let names = rule.member("resourceNames")?.texts ?? []
        return names.isEmpty || names.contains(name)
    }
}

extension StandInCluster {
    /// The rules that apply to a user: of the whole cluster, and of one namespace.
    func rules(for user: StandInUser, namespace: String) -> [JSONValue] {
        let group = "rbac.authorization.k8s.io"
        func role(_ kind: String, _ namespace: String, _ name: String) -> [JSONValue] {
            let plural = kind == "ClusterRole" ? "clusterroles" : "roles"
            let key = ObjectKey(namespace: kind == "ClusterRole" ? "" : namespace, name: name)
            return collections["\(plural).\(group)"]?[key]?.value.member("rules")?.array ?? []
        }
        func binds(_ binding: JSONValue, _ namespace: String) -> Bool {
            let groups = user.allGroups
            return (binding.member("subjects")?.array ?? []).contains { subject in
                let name = subject.text("name") ?? ""
                switch subject.text("kind") {
                case "User": return name == user.name
                case "Group": return groups.contains(name)
                case "ServiceAccount":
                    let own = subject.text("namespace") ?? namespace
                    return user.name == "system:serviceaccount:\(own):\(name)"
                default: return false
                }
            }
        }
        var rules: [JSONValue] = []
        for binding in collections["clusterrolebindings.\(group)"]?.objects.values ?? [:].values
        where binds(binding.value, "") {
            rules += role("ClusterRole", "", binding.value.text("roleRef", "name") ?? "")
        }
        guard !namespace.isEmpty else { return rules }
        for (key, binding) in collections["rolebindings.\(group)"]?.objects ?? [:]
        where key.namespace == namespace && binds(binding.value, namespace) {
            let reference = binding.value.member("roleRef")
            rules += role(reference?.text("kind") ?? "", namespace, reference?.text("name") ?? "")
        }
        return rules
    }

    /// Whether a user may do something.
    func allows(_ user: StandInUser, _ attributes: AccessAttributes) -> Bool {
        if user.groups.contains("system:masters") { return true }
        return rules(for: user, namespace: attributes.namespace).contains { attributes.isAllowed(by: $0) }
    }

    /// Checks that a request for objects is allowed.
    ///
    /// - Throws: ``StatusError`` in the words of a real API server.
    func authorize(_ request: StandInRequest, _ asked: ResourceRequest) throws(StatusError) {
        let attributes = AccessAttributes(asked)
        guard !allows(request.user, attributes) else { return }
        throw Self.refusal(request.user, asked)
    }

    /// The refusal of a request for objects.
    static func refusal(_ user: StandInUser, _ asked: ResourceRequest) -> StatusError {
        let resource = asked.ruleResource
        let place = asked.namespace.map { " in the namespace \(FieldError.quote($0))" } ?? " at the cluster scope"
        let why =
            "User \(FieldError.quote(user.name)) cannot \(asked.verb) resource \(FieldError.quote(resource)) in API group "
            + "\(FieldError.quote(asked.group))\(place)"
        let qualified = asked.group.isEmpty ? asked.plural : "\(asked.plural).\(asked.group)"
        let subject = asked.name.map { " \(FieldError.quote($0))" } ?? ""
        return StatusError(
            403, "Forbidden", "\(qualified)\(subject) is forbidden: \(why)",
            details: .map([
                "name": asked.name.map { .string($0) }, "group": asked.group.isEmpty ? nil : .string(asked.group),
                "kind": .string(asked.plural),
            ]))
    }

    /// Checks that a request for something else is allowed.
    func authorize(_ request: StandInRequest, _ target: RequestTarget) throws(StatusError) {
        let path = "/" + target.path.joined(separator: "/")
        let verb = request.method == "HEAD" ? "head" : request.method.lowercased()
        guard !["/healthz", "/livez", "/readyz"].contains(path),
            !allows(request.user, AccessAttributes(verb: verb, path: path))
        else { return }
        throw StatusError(
            403, "Forbidden",
            "forbidden: User \(FieldError.quote(request.user.name)) cannot \(verb) path \(FieldError.quote(path))",
            details: .empty)
    }

    /// Checks that a user may act as another.
    package func mayImpersonate(_ user: StandInUser, _ other: StandInUser) -> Bool {
        var attributes = AccessAttributes(verb: "impersonate", path: "")
        attributes.path = nil
        attributes.resource = "users"
        attributes.name = other.name
        guard allows(user, attributes) else { return false }
        attributes.resource = "groups"
        return other.groups.allSatisfy { group in
            attributes.name = group
            return allows(user, attributes)
        }
    }
}
