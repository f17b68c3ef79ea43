import WireJSON

/// A refusal, as the `Status` object that a real API server answers with.
package struct StatusError: Error, Equatable, Sendable {
    /// The HTTP status.
    package var code: Int
    /// The machine-readable reason, such as `NotFound`.
    package var reason: String
    /// The text for people.
    package var message: String
    /// What the refusal is about; nil where it is about no object.
    var details: JSONValue?
    /// The header field Retry-After, in seconds.
    package var retryAfter: Int?
    /// Where a list whose version is forgotten can go on.
    var continueToken: String?

    init(_ code: Int, _ reason: String, _ message: String, details: JSONValue? = nil, retryAfter: Int? = nil) {
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retryAfter = retryAfter
    }

    /// The `Status` object.
    var object: JSONValue {
        var details = details
        if let retryAfter {
            var members = details ?? .empty
            members.set("retryAfterSeconds", .integer(retryAfter))
            details = members
        }
        return .map([
            "apiVersion": .string("v1"), "kind": .string("Status"),
            "metadata": .map(["continue": continueToken.map { .string($0) }]), "status": .string("Failure"),
            "message": .string(message),
            "reason": reason.isEmpty ? nil : .string(reason), "details": details, "code": .integer(code),
        ])
    }

    private static func details(_ type: ResourceType, _ name: String?, kind: String? = nil) -> JSONValue {
        .map([
            "name": name.flatMap { $0.isEmpty ? nil : .string($0) },
            "group": type.group.isEmpty ? nil : .string(type.group),
            "kind": .string(kind ?? type.plural),
        ])
    }

    static func notFound(_ type: ResourceType, _ name: String) -> StatusError {
        StatusError(
            404, "NotFound", "\(type.qualified) \(FieldError.quote(name)) not found", details: details(type, name))
    }

    static func alreadyExists(_ type: ResourceType, _ name: String) -> StatusError {
        StatusError(
            409, "AlreadyExists", "\(type.qualified) \(FieldError.quote(name)) already exists",
            details: details(type, name))
    }

    static func nameNotGenerated(_ type: ResourceType, _ name: String) -> StatusError {
        StatusError(
            409, "AlreadyExists",
            "\(type.qualified) \(FieldError.quote(name)) already exists, the server was not able to generate a unique "
                + "name for the object", details: details(type, name), retryAfter: 1)
    }

    static func conflict(_ type: ResourceType, _ name: String, _ why: String, subresource: String? = nil) -> StatusError
    {
        let resource = subresource.map { "\(type.qualified)/\($0)" } ?? type.qualified
        return StatusError(
            409, "Conflict", "Operation cannot be fulfilled on \(resource) \(FieldError.quote(name)): \(why)",
            details: details(type, name, kind: subresource.map { "\(type.plural)/\($0)" }))
    }

    /// An object of this name is there, and not the one that is meant.
    static func otherUID(_ type: ResourceType, _ key: ObjectKey, wanted: String, found: String) -> StatusError {
        let group = type.isCustom ? "\(type.group)/" : ""
        let place = key.namespace.isEmpty ? key.name : "\(key.namespace)/\(key.name)"
        return .conflict(
            type, key.name,
            "StorageError: invalid object, Code: 4, Key: /registry/\(group)\(type.plural)/\(place), ResourceVersion: 0, "
                + "AdditionalErrorMsg: Precondition failed: UID in precondition: \(wanted), UID in object meta: \(found)"
        )
    }

    /// The words of a conflict of versions.
    static let modified =
        "the object has been modified; please apply your changes to the latest version and try again"

    static func invalid(_ type: ResourceType, _ name: String, _ errors: [FieldError]) -> StatusError {
        var details = details(type, name, kind: type.kind)
        details.set(
            "causes",
            .array(
                errors.map {
                    .map(["reason": .string($0.kind.rawValue), "message": .string($0.body), "field": .string($0.field)])
                }))
        let texts = errors.map(\.description)
        let all = texts.count == 1 ? texts[0] : "[\(texts.joined(separator: ", "))]"
        let kind = type.group.isEmpty ? type.kind : "\(type.kind).\(type.group)"
        return StatusError(
            422, "Invalid", "\(kind) \(FieldError.quote(name)) is invalid: \(all)", details: details)
    }

    static func invalidOptions(_ kind: String, _ errors: [FieldError]) -> StatusError {
        let texts = errors.map(\.description)
        let all = texts.count == 1 ? texts[0] : "[\(texts.joined(separator: ", "))]"
        return StatusError(
            422, "Invalid", "\(kind).meta.k8s.io \"\" is invalid: \(all)",
            details: .map([
                "group": .string("meta.k8s.io"), "kind": .string(kind),
                "causes": .array(
                    errors.map {
                        .map([
                            "reason": .string($0.kind.rawValue), "message": .string($0.body),
                            "field": .string($0.field),
                        ])
                    }),
            ]))
    }

    static func forbidden(_ type: ResourceType, _ name: String?, _ why: String) -> StatusError {
        let subject = name.map { $0.isEmpty ? "" : " \(FieldError.quote($0))" } ?? ""
        return StatusError(
            403, "Forbidden", "\(type.qualified)\(subject) is forbidden: \(why)", details: details(type, name))
    }

    static func badRequest(_ message: String) -> StatusError { StatusError(400, "BadRequest", message) }

    static let unauthorized = StatusError(401, "Unauthorized", "Unauthorized")

    static let noSuchResource = StatusError(
        404, "NotFound", "the server could not find the requested resource", details: .empty)

    static let methodNotAllowed = StatusError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details: .empty)

    static func expired(_ message: String) -> StatusError { StatusError(410, "Expired", message) }

    static func unsupportedMediaType(_ accepted: [String]) -> StatusError {
        StatusError(
            415, "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
                + accepted.joined(separator: ", "))
    }

    static let tooLarge = StatusError(
        413, "RequestEntityTooLarge", "Request entity too large: limit is \(RequestLimits.body)")

    static func tooManyRequests(_ message: String, retryAfter: Int?) -> StatusError {
        StatusError(429, "TooManyRequests", message, retryAfter: retryAfter)
    }

    static func unavailable(_ message: String, retryAfter: Int?) -> StatusError {
        StatusError(503, "ServiceUnavailable", message, retryAfter: retryAfter)
    }

    static func internalError(_ message: String) -> StatusError {
        StatusError(
            500, "InternalError", "Internal error occurred: \(message)",
            details: .map(["causes": .array([.map(["message": .string(message)])])]))
    }

    static func tooLargeVersion(_ version: UInt64, current: UInt64) -> StatusError {
        StatusError(
            504, "Timeout", "Timeout: Too large resource version: \(version), current: \(current)",
            details: .map([
                "causes": .array([
                    .map([
                        "reason": .string("ResourceVersionTooLarge"), "message": .string("Too large resource version"),
                    ])
                ])
            ]), retryAfter: 1)
    }
}

/// What is bounded.
enum RequestLimits {
    /// The bytes of a body.
    static let body = 3_145_728
    /// How deep JSON may be nested.
    static let depth = 128
}
