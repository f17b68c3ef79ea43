internal import WireJSON

/// Reads the members of an answer. What it has besides is left alone: a newer daemon says more.
struct AnswerReader {
    let value: JSONValue
    /// The answer as it came; empty for a part of one.
    let bytes: [UInt8]

    init(_ value: JSONValue) {
        self.value = value
        bytes = []
    }

    /// The answer of these bytes.
    init(_ bytes: [UInt8]) throws(BerthError) {
        do { value = try JSONValue(bytes) } catch { throw .malformed(error.description) }
        self.bytes = bytes
    }

    func text(_ name: String) throws(BerthError) -> String {
        guard let text = value[name]?.string else { throw .malformed("\(name) is no text") }
        return text
    }

    func number(_ name: String) throws(BerthError) -> Int {
        guard let number = value[name]?.integer else { throw .malformed("\(name) is no number") }
        return number
    }

    func flag(_ name: String) throws(BerthError) -> Bool {
        guard let flag = value[name]?.boolean else { throw .malformed("\(name) is neither true nor false") }
        return flag
    }

    func cpus(_ name: String) throws(BerthError) -> CPUList { CPUList(try text(name)) }

    func texts(_ name: String) throws(BerthError) -> [String] {
        guard let elements = value[name]?.array else { throw .malformed("\(name) is no list") }
        return elements.compactMap(\.string)
    }

    func object(_ name: String) throws(BerthError) -> AnswerReader {
        guard let member = value[name], member.members != nil else { throw .malformed("\(name) is no object") }
        return AnswerReader(member)
    }

    /// An object; nil where it is missing or null.
    func optional(_ name: String) -> AnswerReader? {
        guard let member = value[name], member.members != nil else { return nil }
        return AnswerReader(member)
    }

    func list<Element>(
        _ name: String, _ read: (AnswerReader) throws(BerthError) -> Element
    ) throws(BerthError) -> [Element] {
        guard let elements = value[name]?.array else { throw .malformed("\(name) is no list") }
        var list: [Element] = []
        for element in elements { list.append(try read(AnswerReader(element))) }
        return list
    }
}

extension Claim {
    /// The claim of a document as the daemon sends it.
    ///
    /// - Throws: ``BerthError/malformed(_:)``.
    package init(json: [UInt8]) throws(BerthError) { try self.init(try AnswerReader(json)) }

    init(_ json: AnswerReader) throws(BerthError) {
        holder = try json.text("holder")
        owner = try json.optional("owner").map { owner throws(BerthError) in
            Owner(uid: try owner.number("uid"), label: owner.value["label"]?.string)
        }
        pool = try json.text("pool")
        cpus = try json.cpus("cpus")
        exclusive = try json.cpus("exclusive")
        grants = try json.list("grants") { grant throws(BerthError) in
            Grant(
                label: try grant.text("label"), cpus: try grant.cpus("cpus"), exclusive: try grant.cpus("exclusive"),
                level: try grant.text("level"), isExplicit: try grant.flag("explicit"),
                isProtected: try grant.flag("protected"))
        }
        memoryNodes = json.value["memory_nodes"]?.array?.compactMap(\.integer) ?? []
        hugePages = try json.list("huge_pages") { pages throws(BerthError) in try HugePages(pages) }
        lease = Lease(try json.object("lease"))
        enforcement = try json.optional("enforcement").map { enforcement throws(BerthError) in
            Enforcement(
                phase: try enforcement.text("phase"), isolation: try enforcement.text("isolation"),
                failure: enforcement.value["failure"]?.string,
                pod: try enforcement.optional("pod").map { pod throws(BerthError) in try Enforcement.Pod(pod) })
        }
        version = try json.text("version")
    }
}

extension Enforcement.Pod {
    fileprivate init(_ json: AnswerReader) throws(BerthError) {
        uid = try json.text("uid")
        containers = try json.list("containers") { container throws(BerthError) in
            Enforcement.Container(
                reference: ContainerReference(name: try container.text("name"), id: try container.text("id")),
                cgroup: container.value["cgroup"]?.string, state: try container.text("state"))
        }
    }
}

extension HugePages {
    fileprivate init(_ json: AnswerReader) throws(BerthError) {
        self.init(node: try json.number("node"), sizeKB: try json.number("size_kb"), count: try json.number("count"))
    }
}

extension Lease {
    fileprivate init(_ json: AnswerReader) {
        if json.value["forever"] != nil {
            self = .forever
        } else if let end = json.value["until"]?.integer {
            self = .until(end)
        } else if let pid = json.value["process"]?["pid"]?.integer {
            self = .process(pid: pid)
        } else if let cgroup = json.value["cgroup"]?.string {
            self = .cgroup(cgroup)
        } else {
            self = .unknown
        }
    }
}

extension ChangedClaim {
    init(_ json: AnswerReader, isNew: Bool) throws(BerthError) {
        claim = try Claim(json)
        self.json = json.bytes
        self.isNew = isNew
        let effects = try json.object("effects")
        self.effects = Effects(
            changed: try effects.flag("changed"), granted: try effects.cpus("granted"),
            released: try effects.cpus("released"),
            preempted: try effects.list("preempted") { holding throws(BerthError) in try Holding(holding) },
            noLongerExplicit: try effects.cpus("no_longer_explicit"), warnings: try effects.texts("warnings"))
    }
}

extension Holding {
    fileprivate init(_ json: AnswerReader) throws(BerthError) {
        holder = try json.text("holder")
        cpus = try json.cpus("cpus")
    }
}

extension MachineSummary {
    init(_ json: AnswerReader) throws(BerthError) {
        online = try json.cpus("online")
        offline = try json.cpus("offline")
        isolated = try json.cpus("isolated")
        housekeeping = try json.cpus("housekeeping")
        cores = try json.number("cores")
        coreCPUs = try json.texts("core_cpus").map { CPUList($0) }
        packages = try json.list("packages") { package throws(BerthError) in
            Package(id: package.value["id"]?.integer, cpus: try package.cpus("cpus"))
        }
        nodes = try json.list("nodes") { node throws(BerthError) in
            Node(
                id: try node.number("id"), cpus: try node.cpus("cpus"), memoryKB: node.value["memory_kb"]?.integer,
                hugePages: try node.list("huge_pages") { pages throws(BerthError) in
                    PageFigures(
                        sizeKB: try pages.number("size_kb"), total: try pages.number("total"),
                        inUse: try pages.number("in_use"), kernelReserved: try pages.number("kernel_reserved"),
                        reserved: try pages.number("reserved"), free: try pages.number("free"),
                        claimed: try pages.number("claimed"))
                })
        }
        problems = try json.texts("problems")
    }
}

extension Pool {
    init(_ json: AnswerReader) throws(BerthError) {
        name = try json.text("name")
        cpus = try json.cpus("cpus")
        freeCPUs = try json.cpus("free_cpus")
        total = try json.number("total")
        exclusive = try json.number("exclusive")
        shared = try json.number("shared")
        free = try json.number("free")
        claims = try json.number("claims")
    }
}

extension DaemonSummary {
    init(_ json: AnswerReader) throws(BerthError) {
        let caller = try json.object("caller")
        version = try json.text("version")
        machine = try json.text("machine")
        refusal = json.value["reason"]?.string
        uid = try caller.number("uid")
        isAdministrator = try caller.flag("administrator")
    }
}

extension HostDecision {
    init(_ bytes: [UInt8]) throws(BerthError) {
        let json = try AnswerReader(bytes)
        self.json = bytes
        sequence = try json.number("seq")
        time = try json.number("time")
        action = try json.text("action")
        holder = try json.text("holder")
        outcome = try json.text("outcome")
        let caller = json.optional("caller")?.value
        uid = caller?["uid"]?.integer
        pid = caller?["pid"]?.integer
        frontend = caller?["frontend"]?.string
        granted = try json.cpus("granted")
        released = try json.cpus("released")
        releasedPages = try json.list("released_pages") { pages throws(BerthError) in try HugePages(pages) }
        preempted = try json.list("preempted") { holding throws(BerthError) in try Holding(holding) }
        claims = try json.list("claims") { claim throws(BerthError) in try Claim(claim) }
        removed = try json.texts("removed")
    }
}

extension Problem {
    /// The problem of an answer; what says nothing of itself is one by its status.
    package init(status: Int, _ bytes: [UInt8]) {
        let json = try? AnswerReader(bytes)
        self.status = status
        self.json = bytes
        code = json?.value["code"]?.string ?? "status_\(status)"
        title = json?.value["title"]?.string ?? "HTTP status \(status)"
        detail = json?.value["detail"]?.string ?? "The daemon answered with the HTTP status \(status)"
        member = json?.value["member"]?.string
        requested = json?.value["requested"]?.integer
        available = json?.value["available"]?.integer
        heldBy = (try? json?.list("held_by") { holding throws(BerthError) in try Holding(holding) }) ?? []
        wouldFit =
            (try? json?.list("would_fit") { alternative throws(BerthError) in
                Alternative(text: try alternative.text("text"), cpus: try alternative.cpus("cpus"))
            }) ?? []
    }
}
