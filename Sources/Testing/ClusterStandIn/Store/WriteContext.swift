import WireJSON

/// What comes with a change besides the object.
struct WriteContext: Sendable {
    /// What becomes of members that a kind does not have.
    enum FieldValidation: String, Sendable {
        case ignore = "Ignore"
        case warn = "Warn"
        case strict = "Strict"
    }

    var user: StandInUser
    /// The field manager.
    var manager: String
    var now: StandInTime
    var isDryRun = false
    var fieldValidation = FieldValidation.warn
    /// Whether an apply takes fields from others.
    var isForced = false
    /// `Update` or `Apply`.
    var operation = "Update"
    /// The subresource that is written.
    var subresource = ""
    /// What the client is to be warned of.
    var warnings: [String] = []

    init(user: StandInUser, manager: String, now: StandInTime) {
        self.user = user
        self.manager = manager
        self.now = now
    }

    /// The context of a request.
    ///
    /// - Throws: ``StatusError`` where a parameter makes no sense.
    init(_ request: StandInRequest, _ query: [String: String], now: StandInTime, kind: String) throws(StatusError) {
        user = request.user
        self.now = now
        manager =
            query["fieldManager"].flatMap { $0.isEmpty ? nil : $0 }
            ?? String(request.agent.prefix { $0 != "/" }.prefix(128))
        if manager.isEmpty { manager = "unknown" }
        guard manager.utf8.count <= 128 else {
            throw .invalidOptions(kind, [.tooLong("fieldManager", 128)])
        }
        if let text = query["fieldValidation"], !text.isEmpty {
            guard let known = FieldValidation(rawValue: text) else {
                throw .invalidOptions(
                    kind,
                    [.notSupported("fieldValidation", .string(text), ["", "Ignore", "Strict", "Warn"])])
            }
            fieldValidation = known
        }
        if let text = query["dryRun"], !text.isEmpty {
            guard text == "All" else {
                throw .invalidOptions(kind, [.notSupported("dryRun", .strings([text]), ["All"])])
            }
            isDryRun = true
        }
        isForced = ["true", "1"].contains(query["force"] ?? "")
    }
}

/// The options of a deletion.
struct DeleteOptions: Sendable {
    enum Propagation: String, Sendable {
        case background = "Background"
        case foreground = "Foreground"
        case orphan = "Orphan"
    }

    var grace: Int?
    var propagation: Propagation?
    var uid: String?
    var version: String?
    var isDryRun = false

    init() {}

    /// Reads the options of a query and of a body.
    ///
    /// - Throws: ``StatusError`` where they make no sense.
    init(_ query: [String: String], body: JSONValue?) throws(StatusError) {
        let text: (String) -> String? = { body?.text($0) ?? query[$0] }
        if let seconds = body?.member("gracePeriodSeconds")?.integer ?? query["gracePeriodSeconds"].flatMap({ Int($0) })
        {
            // A negative period counts as one second.
            grace = seconds < 0 ? 1 : min(seconds, 1_000_000_000)
        }
        if let policy = text("propagationPolicy"), !policy.isEmpty {
            guard let known = Propagation(rawValue: policy) else {
                throw .invalidOptions(
                    "DeleteOptions",
                    [
                        .notSupported(
                            "propagationPolicy", .string(policy), ["Foreground", "Background", "Orphan", "nil"])
                    ])
            }
            propagation = known
        } else if let orphans = body?.member("orphanDependents")?.boolean
            ?? query["orphanDependents"].map({ $0 == "true" })
        {
            propagation = orphans ? .orphan : .background
        }
        uid = body?.text("preconditions", "uid")
        version = body?.text("preconditions", "resourceVersion")
        isDryRun = body?.member("dryRun")?.texts == ["All"] || query["dryRun"] == "All"
    }
}
