import Ledger
import Machine
import WireJSON

/// A claim in a record of version 2. A member that is empty, or has its usual value, is left out.
///
/// `{"holder":"kind:name","owner":{"uid":0,"label":"…"},"pool":"isolated","grants":[GRANT…],"memory_nodes":[0],
/// "reservations":[{"node":0,"size_kb":2048,"count":3}],"lease":LEASE,"enforcement":{"minimum":"cpuset",
/// "balanced":false,"process":PROCESS,"pod":POD,"phase":"active","id":1,"isolation":"partition",
/// "steps":[{"action":"…","undo":"…"}],"next_steps":[…],"failure":"…"},"predecessor":CLAIM}` with GRANT = `{"cpus":"2-3","exclusive":"2-3","level":"cpu",
/// "explicit":true,"protected":true,"label":"…"}`, LEASE = `{"until":MILLISECONDS}`, `{"process":PROCESS}` or
/// `{"cgroup":{"path":"PATH","boot_id":"…"}}`, PROCESS = `{"id":1,"start_time":2,"boot_id":"…"}` and POD = `{"uid":"…",
/// "containers":[{"name":"…","id":"…"}]}`; `"containers":[{"name":"…","id":"…","cgroup":"PATH","state":"confined"}]` in an
/// enforcement is what was last seen of them. An owner that is
/// left out is the administrators, a pool the isolated CPUs, a lease one that lasts forever.
extension Claim {
    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("holder", holder.fullName)
            if case .user(let uid, let label) = owner {
                writer.name("owner")
                writer.object { writer in
                    writer.member("uid", Int(uid))
                    if let label { writer.member("label", label) }
                }
            }
            if pool != Pool.isolated { writer.member("pool", pool) }
            if !grants.isEmpty {
                writer.name("grants")
                writer.array { array in for grant in grants { grant.write(to: &array) } }
            }
            if !memoryNodes.isEmpty {
                writer.name("memory_nodes")
                writer.array { array in for node in memoryNodes { array.integer(node) } }
            }
            if !reservations.isEmpty {
                writer.name("reservations")
                writer.array { array in for pages in reservations { pages.write(to: &array) } }
            }
            lease.write(to: &writer)
            enforcement?.write(to: &writer)
            if case .claim(let before) = predecessor {
                writer.name("predecessor")
                before.write(to: &writer)
            }
        }
    }

    init(json: JSONValue) throws(RecordError) {
        try self.init(whole: json)
        guard let before = json["predecessor"] else { return }
        let claim = try Claim(whole: before)
        guard claim.holder == holder, claim.enforcement != nil, before["predecessor"] == nil else {
            throw .malformed("a predecessor that is no enforced claim of the same holder")
        }
        predecessor = .claim(claim)
    }

    /// The claim without its predecessor.
    private init(whole json: JSONValue) throws(RecordError) {
        try json.allow(
            [
                "holder", "owner", "pool", "grants", "memory_nodes", "reservations", "lease", "enforcement",
                "predecessor",
            ],
            "a claim")
        guard let name = json["holder"] else { throw .malformed("a claim without holder") }
        self.init(holder: try Holder(json: name), owner: try Owner(json: json["owner"]))
        if let pool = json["pool"] { self.pool = try pool.text("pool") }
        for grant in try json["grants"].elements("grants") { grants.append(try Grant(json: grant)) }
        for node in try json["memory_nodes"].elements("memory_nodes") {
            memoryNodes.append(try node.number("memory_nodes"))
        }
        for pages in try json["reservations"].elements("reservations") {
            reservations.append(try PageReservation(json: pages))
        }
        lease = try Lease(json: json["lease"])
        if let enforcement = json["enforcement"] { self.enforcement = try Enforcement(json: enforcement) }
    }
}

extension Grant {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("cpus", cpus.list)
            writer.member("exclusive", exclusive.list)
            writer.member("level", level.rawValue)
            if isExplicit { writer.member("explicit", true) }
            if isProtected { writer.member("protected", true) }
            if !label.isEmpty { writer.member("label", label) }
        }
    }

    fileprivate init(json: JSONValue) throws(RecordError) {
        try json.allow(["cpus", "exclusive", "level", "explicit", "protected", "label"], "a grant")
        guard let level = json["level"]?.string.flatMap(Exclusiveness.init) else {
            throw .malformed("a grant without a known level")
        }
        self.init(
            cpus: try json["cpus"].cpus("cpus"), exclusive: try json["exclusive"].cpus("exclusive"), level: level,
            isExplicit: try json["explicit"]?.flag("explicit") ?? false,
            isProtected: try json["protected"]?.flag("protected") ?? false,
            label: try json["label"]?.text("label") ?? "")
    }
}

extension PageReservation {
    /// Writes the pages as an object.
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("node", node)
            writer.member("size_kb", sizeKB)
            writer.member("count", count)
        }
    }

    init(json: JSONValue) throws(RecordError) {
        try json.allow(["node", "size_kb", "count"], "a reservation")
        self.init(
            node: try json["node"].number("node"), sizeKB: try json["size_kb"].number("size_kb"),
            count: try json["count"].number("count"))
    }
}

extension Lease {
    fileprivate func write(to writer: inout JSONWriter) {
        guard self != .forever else { return }
        writer.name("lease")
        writer.object { writer in
            switch self {
            case .forever: break
            case .until(let end): writer.member("until", end)
            case .process(let process): process.write(to: &writer)
            case .cgroup(let path, let bootID):
                writer.name("cgroup")
                writer.object { writer in
                    writer.member("path", path)
                    writer.member("boot_id", bootID)
                }
            }
        }
    }

    fileprivate init(json: JSONValue?) throws(RecordError) {
        guard let json else {
            self = .forever
            return
        }
        try json.allow(["until", "process", "cgroup"], "a lease")
        if let end = json["until"] {
            self = .until(try end.number("until"))
        } else if let process = json["process"] {
            self = .process(try ProcessIdentity(json: process))
        } else if let cgroup = json["cgroup"] {
            try cgroup.allow(["path", "boot_id"], "a cgroup")
            self = .cgroup(path: try cgroup["path"].text("path"), bootID: try cgroup["boot_id"].text("boot_id"))
        } else {
            throw .malformed("a lease of an unknown kind")
        }
    }
}

extension ProcessIdentity {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.name("process")
        writer.object { writer in
            writer.member("id", id)
            writer.member("start_time", startTime)
            writer.member("boot_id", bootID)
        }
    }

    fileprivate init(json: JSONValue) throws(RecordError) {
        try json.allow(["id", "start_time", "boot_id"], "a process")
        self.init(
            id: try json["id"].number("id"), startTime: try json["start_time"].number("start_time"),
            bootID: try json["boot_id"].text("boot_id"))
    }
}

extension Enforcement {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.name("enforcement")
        writer.object { writer in
            if request.minimum != .none { writer.member("minimum", request.minimum.rawValue) }
            if !request.isBalanced { writer.member("balanced", false) }
            request.process?.write(to: &writer)
            request.pod?.write(to: &writer)
            writer.member("phase", phase.rawValue)
            writer.member("id", id)
            writer.member("isolation", isolation.rawValue)
            Self.write(steps, "steps", to: &writer)
            if !nextSteps.isEmpty { Self.write(nextSteps, "next_steps", to: &writer) }
            if !containers.isEmpty {
                writer.name("containers")
                writer.array { array in for container in containers { container.write(to: &array) } }
            }
            if let failure { writer.member("failure", failure) }
        }
    }

    private static func write(_ steps: [EnforcementStep], _ name: String, to writer: inout JSONWriter) {
        writer.name(name)
        writer.array { array in
            for step in steps {
                array.object { writer in
                    writer.member("action", step.action)
                    writer.member("undo", step.undo)
                }
            }
        }
    }

    private static func steps(_ json: JSONValue?, _ name: String) throws(RecordError) -> [EnforcementStep] {
        var steps: [EnforcementStep] = []
        for step in try json.elements(name) {
            try step.allow(["action", "undo"], "a step")
            steps.append(
                EnforcementStep(action: try step["action"].text("action"), undo: try step["undo"].text("undo")))
        }
        return steps
    }

    fileprivate init(json: JSONValue) throws(RecordError) {
        try json.allow(
            [
                "minimum", "balanced", "process", "pod", "phase", "id", "isolation", "steps", "next_steps",
                "containers",
                "failure",
            ],
            "an enforcement")
        func isolation(_ name: String) throws(RecordError) -> Isolation? {
            guard let value = json[name] else { return nil }
            guard let isolation = value.string.flatMap(Isolation.init) else {
                throw .malformed("an enforcement of an unknown \(name)")
            }
            return isolation
        }
        guard let phase = json["phase"]?.string.flatMap(Phase.init) else {
            throw .malformed("an enforcement without a known phase")
        }
        var request = EnforcementRequest(minimum: try isolation("minimum") ?? .none)
        request.isBalanced = try json["balanced"]?.flag("balanced") ?? true
        if let process = json["process"] { request.process = try ProcessIdentity(json: process) }
        if let pod = json["pod"] { request.pod = try PodReference(json: pod) }
        self.init(
            request, phase: phase, id: try json["id"].number("id"), isolation: try isolation("isolation") ?? .none,
            failure: try json["failure"]?.text("failure"))
        steps = try Self.steps(json["steps"], "steps")
        if let next = json["next_steps"] { nextSteps = try Self.steps(next, "next_steps") }
        for container in try json["containers"].elements("containers") {
            containers.append(try ContainerState(json: container))
        }
    }
}

extension Holder {
    init(json: JSONValue) throws(RecordError) {
        guard let fullName = json.string, let holder = Holder(fullName: fullName) else {
            throw .malformed("a holder is not kind:name")
        }
        self = holder
    }
}

extension Owner {
    init(json: JSONValue?) throws(RecordError) {
        guard let json else {
            self = .administrators
            return
        }
        try json.allow(["uid", "label"], "an owner")
        guard let uid = json["uid"]?.integer.flatMap(UInt32.init(exactly:)) else {
            throw .malformed("an owner without uid")
        }
        self = .user(uid: uid, label: try json["label"]?.text("label"))
    }
}
