import WireJSON

/// What a real API server asks of names, labels and annotations, in its words.
enum MetadataRules {
    static let subdomain =
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        + "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        + "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    static let label =
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        + "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
        + "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    private static let qualifiedName =
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        + "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
        + "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
    private static let labelValue =
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        + "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
        + "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

    static func isLabel(_ text: some StringProtocol) -> Bool {
        guard let first = text.utf8.first, let last = Array(text.utf8).last, text.utf8.count <= 63 else { return false }
        return isLower(first) && isLower(last) && text.utf8.allSatisfy { isLower($0) || $0 == UInt8(ascii: "-") }
    }

    static func isSubdomain(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.count <= 253 else { return false }
        return text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
            guard let first = part.utf8.first, let last = part.utf8.last else { return false }
            return isLower(first) && isLower(last) && part.utf8.allSatisfy { isLower($0) || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isLower(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isLower(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }

    private static func isNamePart(_ text: some StringProtocol) -> Bool {
        guard let first = text.utf8.first, let last = Array(text.utf8).last else { return false }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && text.utf8.allSatisfy { isAlphanumeric($0) || "-_.".utf8.contains($0) }
    }

    /// What is wrong with the key of a label or annotation.
    static func labelKeyProblem(_ key: String) -> String? {
        let parts = key.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2 else {
            return "a qualified name \(qualifiedName.dropFirst("name part ".count)) with an optional DNS subdomain "
                + "prefix and '/' (e.g. 'example.com/MyName')"
        }
        if parts.count == 2 {
            if parts[0].isEmpty { return "prefix part must be non-empty" }
            if !isSubdomain(String(parts[0])) { return "prefix part \(subdomain)" }
        }
        let name = parts[parts.count - 1]
        if name.isEmpty { return "name part must be non-empty" }
        if name.utf8.count > 63 { return "name part must be no more than 63 bytes" }
        return isNamePart(name) ? nil : qualifiedName
    }

    /// What is wrong with the value of a label.
    static func labelValueProblem(_ value: String) -> String? {
        if value.utf8.count > 63 { return "must be no more than 63 bytes" }
        return value.isEmpty || isNamePart(value) ? nil : labelValue
    }

    private static let standardFinalizers: Set<String> = [
        "kubernetes", "foregroundDeletion", "orphan", CustomResourceRules.finalizer,
    ]

    /// What is wrong with the metadata of an object.
    static func errors(_ metadata: JSONValue, _ type: ResourceType) -> [FieldError] {
        var errors: [FieldError] = []
        if let name = metadata.text("name"), !name.isEmpty, let problem = nameProblem(name, type) {
            errors.append(.invalid("metadata.name", .string(name), problem))
        }
        for member in metadata.member("labels")?.members ?? [] {
            if let problem = labelKeyProblem(member.name) {
                let words = problem.replacing("a qualified name must", with: "a valid label key must")
                errors.append(.invalid("metadata.labels", .string(member.name), words))
            }
            if let problem = labelValueProblem(member.value.string ?? "") {
                errors.append(.invalid("metadata.labels", member.value, problem))
            }
        }
        var size = 0
        for member in metadata.member("annotations")?.members ?? [] {
            if let problem = labelKeyProblem(member.name.lowercased()) {
                errors.append(.invalid("metadata.annotations", .string(member.name), problem))
            }
            size += member.name.utf8.count + (member.value.string?.utf8.count ?? 0)
        }
        if size > 262_144 { errors.append(.tooLong("metadata.annotations", 262_144)) }
        for (index, finalizer) in (metadata.member("finalizers")?.texts ?? []).enumerated() {
            if let problem = labelKeyProblem(finalizer) {
                errors.append(.invalid("metadata.finalizers[\(index)]", .string(finalizer), problem))
            } else if !type.isCustom, !finalizer.contains("/"), !standardFinalizers.contains(finalizer) {
                errors.append(
                    .invalid(
                        "metadata.finalizers[\(index)]", .string(finalizer),
                        "name is neither a standard finalizer name nor is it fully qualified"))
            }
        }
        return errors + ownerErrors(metadata)
    }

    private static func ownerErrors(_ metadata: JSONValue) -> [FieldError] {
        var errors: [FieldError] = []
        var controllers: [String] = []
        for (index, owner) in (metadata.member("ownerReferences")?.array ?? []).enumerated() {
            for name in ["apiVersion", "kind", "name", "uid"] where owner.text(name) ?? "" == "" {
                let field = "metadata.ownerReferences[\(index)].\(name)"
                errors.append(
                    .invalid(
                        field, .string(""), name == "apiVersion" ? "version must not be empty" : "must not be empty"))
            }
            if owner.member("controller")?.boolean == true { controllers.append(owner.text("kind") ?? "") }
        }
        if controllers.count > 1 {
            errors.append(
                .invalid(
                    "metadata.ownerReferences", metadata.member("ownerReferences") ?? .null,
                    "Only one reference can have Controller set to true. Found \"true\" in references for "
                        + "\(controllers[0]) and \(controllers[1])"))
        }
        return errors
    }

    private static func nameProblem(_ name: String, _ type: ResourceType) -> String? {
        switch type.qualified {
        case "roles.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io",
            "rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io":
            if name == "." || name == ".." { return "may not be '\(name)'" }
            for letter in ["/", "%"] where name.contains(letter) { return "may not contain '\(letter)'" }
            return nil
        case "namespaces", "services":
            if name.utf8.count > 63 { return "must be no more than 63 bytes" }
            return isLabel(name) ? nil : label
        default:
            if name.utf8.count > 253 { return "must be no more than 253 bytes" }
            return isSubdomain(name) ? nil : subdomain
        }
    }
}
