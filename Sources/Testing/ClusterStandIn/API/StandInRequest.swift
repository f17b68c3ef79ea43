import WireJSON

/// Who asks.
package struct StandInUser: Hashable, Sendable {
    /// The name, such as `system:serviceaccount:default:berth`.
    package var name: String
    /// The groups, such as `system:masters`, whose members may do everything.
    package var groups: [String]
    package var uid: String

    /// A user.
    package init(_ name: String, groups: [String] = [], uid: String = "") {
        self.name = name
        self.groups = groups
        self.uid = uid
    }

    /// A member of `system:masters`.
    package static let admin = StandInUser("kubernetes-admin", groups: ["system:masters"])

    /// The groups that it has because it has a name.
    var allGroups: [String] {
        var all = groups + ["system:authenticated"]
        let parts = name.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 4, name.hasPrefix("system:serviceaccount:") {
            all += ["system:serviceaccounts", "system:serviceaccounts:\(parts[2])"]
        }
        return all
    }
}

/// A request to the API server.
package struct StandInRequest: Sendable {
    /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE`.
    package var method: String
    /// The path and the query, percent-encoded.
    package var target: String
    /// The body.
    package var body: [UInt8]
    /// The header field Content-Type.
    package var contentType: String
    /// The header field Accept.
    package var accept: String
    /// The header field User-Agent; what is before the slash is the field manager.
    package var agent: String
    /// Who asks.
    package var user: StandInUser
    /// How many changes ago a list that takes any version may show.
    var staleness: UInt64 = 0

    /// A request.
    package init(
        _ method: String, _ target: String, body: [UInt8] = [], contentType: String = "application/json",
        accept: String = "application/json", agent: String = "test/1", user: StandInUser = .admin
    ) {
        self.method = method
        self.target = target
        self.body = body
        self.contentType = contentType
        self.accept = accept
        self.agent = agent
        self.user = user
    }
}

/// The path and the query of a request, decoded.
struct RequestTarget: Equatable, Sendable {
    var path: [String]
    var query: [String: String]

    /// Reads `/a/b?c=d`; nil where it is not encoded correctly.
    init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts.first, path.first == UInt8(ascii: "/") else { return nil }
        self.path = []
        for part in path.split(separator: UInt8(ascii: "/")) {
            guard let segment = String(percentEncoded: part, isQuery: false) else { return nil }
            self.path.append(segment)
        }
        query = [:]
        guard parts.count > 1 else { return }
        for part in parts[1].split(separator: UInt8(ascii: "&")) {
            let sides = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let first = sides.first, let name = String(percentEncoded: first, isQuery: true),
                let value = sides.count > 1 ? String(percentEncoded: sides[1], isQuery: true) : ""
            else { return nil }
            query[name] = value
        }
    }
}

/// What is asked of which objects.
struct ResourceRequest: Equatable, Sendable {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    var verb: String
    var group: String
    var version: String
    var plural: String
    var namespace: String?
    var name: String?
    var subresource: String?

    /// What a method and a path ask; nil where the path is not that of objects.
    init?(method: String, target: RequestTarget) {
        var rest = target.path[...]
        switch rest.first {
        case "api":
            guard rest.count >= 3 else { return nil }
            (group, version) = ("", rest[rest.startIndex + 1])
            rest = rest.dropFirst(2)
        case "apis":
            guard rest.count >= 4 else { return nil }
            (group, version) = (rest[rest.startIndex + 1], rest[rest.startIndex + 2])
            rest = rest.dropFirst(3)
        default: return nil
        }
        var parts = Array(rest)
        if parts.count >= 3, parts[0] == "namespaces", !(parts.count == 3 && ["status", "finalize"].contains(parts[2]))
        {
            namespace = parts[1]
            parts.removeFirst(2)
        }
        guard (1...3).contains(parts.count) else { return nil }
        plural = parts[0]
        name = parts.count > 1 ? parts[1] : nil
        subresource = parts.count > 2 ? parts[2] : nil
        switch method {
        case "GET", "HEAD":
            let isWatch = ["true", "1"].contains(target.query["watch"] ?? "")
            verb = name != nil ? "get" : isWatch ? "watch" : "list"
        case "POST": verb = "create"
        case "PUT": verb = "update"
        case "PATCH": verb = "patch"
        case "DELETE": verb = name != nil ? "delete" : "deletecollection"
        default: return nil
        }
    }

    /// What rules call it: `pods`, `pods/status`.
    var ruleResource: String { subresource.map { "\(plural)/\($0)" } ?? plural }
}
