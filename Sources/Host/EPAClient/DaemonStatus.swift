import WireJSON

/// `berth_status`: what berthd says about itself, without changing anything. The EPA Orchestrator has no such action.
package struct GetStatus: EPAAction {
    /// The value of `action`.
    package static let name = "berth_status"

    /// The request.
    package init() {}

    /// The request has no further members.
    package func write(to writer: inout JSONWriter) {}

    /// Reads the member `berth_status`.
    package static func reply(_ object: ReplyObject) throws(ReplyError) -> DaemonStatus {
        let status = try object.object(name)
        let accepts = try status.truth("accepts_changes")
        return DaemonStatus(
            version: try status.text("daemon"), machine: try status.text("machine"),
            refusal: accepts ? nil : try status.optionalText("reason") ?? "the daemon gives no reason",
            outsidePool: try status.allocations("claims_outside_pool"),
            enforcement: try status.optionalText("enforcement"),
            enforcementLimit: try status.optionalText("enforcement_limit"), json: status.value)
    }
}

/// What berthd says about itself.
package struct DaemonStatus: Sendable, Equatable {
    /// Its version.
    package let version: String
    /// Which machine it serves: `real`, `simulated`, `captured` or `sysfs-root`.
    package let machine: String
    /// Why it refuses changes; nil where it accepts them.
    package let refusal: String?
    /// The claims whose CPUs are not all in the pool any more, with only the CPUs outside of it.
    package let outsidePool: [Allocation]
    /// The strongest isolation that claims can have: `partition`, `cpuset`, `affinity`, `none`; nil where it does not say.
    package let enforcement: String?
    /// Why it is no stronger.
    package let enforcementLimit: String?
    /// The object as it came.
    package let json: JSONValue

    /// A status.
    package init(
        version: String, machine: String, refusal: String?, outsidePool: [Allocation], enforcement: String? = nil,
        enforcementLimit: String? = nil, json: JSONValue = .null
    ) {
        self.enforcement = enforcement
        self.enforcementLimit = enforcementLimit
        self.version = version
        self.machine = machine
        self.refusal = refusal
        self.outsidePool = outsidePool
        self.json = json
    }
}

extension EPAClient {
    /// What the daemon says about itself; nil where it does not support the request: the EPA Orchestrator, or a berthd older
    /// than 0.2.
    ///
    /// - Throws: ``ClientError``.
    package func status() throws(ClientError) -> DaemonStatus? {
        do {
            return try send(GetStatus()).reply
        } catch .refused(let message, _) where message.hasPrefix("Unknown action") {
            return nil
        }
    }
}
