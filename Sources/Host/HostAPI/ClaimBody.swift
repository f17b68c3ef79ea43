import Host
import Ledger
import Machine
import WireJSON

/// The translation of a body to the ledger's request. It stands here and nowhere else.
struct ClaimBody {
    /// What is asked of the ledger.
    private(set) var request: ClaimRequest
    /// The figures of the request for the records.
    let parameters: [DecisionRecord.Parameter]

    /// What every claim needs.
    static let needs = "A claim needs at least one of cpus, memory_nodes and huge_pages; DELETE releases it"

    /// The most nodes, and pages of one size, that a request names.
    private static let nodeLimit = 1_024
    private static let highestNode = 65_535
    /// The most grants of a claim: a pod has fewer containers.
    private static let grantLimit = 256

    /// Reads the body of PUT (`isComplete`) or PATCH.
    ///
    /// - Parameters:
    ///   - holder: whose claim it is; nil for a plan, whose body names the holder.
    ///   - processes: finds the processes that the body names.
    /// - Throws: ``Problem``.
    init(
        _ bytes: [UInt8], holder: Holder?, isComplete: Bool, now: Int, processes: ClaimProcesses
    ) throws(Problem) {
        let body = try JSONReader(body: bytes)
        var members = ["cpus", "memory_nodes", "huge_pages", "lease", "enforcement"]
        if isComplete { members.append("grants") }
        if holder == nil { members.append("holder") }
        try body.allow(members)
        let named: Holder
        if let holder {
            named = holder
        } else {
            guard let text = try body.text("holder", limit: 260), let found = Holder(fullName: text) else {
                throw body.invalid("holder", "takes KIND:NAME, such as \"run:engine\"")
            }
            try Self.check(found)
            named = found
        }
        var parameters: [DecisionRecord.Parameter] = []
        var request = ClaimRequest(holder: named, isComplete: isComplete)
        request.keepsCPUs = true
        if let cpus = try body.object("cpus") {
            request.grants = [try Self.cpus(cpus, isComplete: isComplete, &parameters)]
        }
        if let grants = try body.objects("grants", limit: Self.grantLimit) {
            guard !body.has("cpus") else { throw body.invalid("grants", "and cpus exclude each other") }
            request.grants = try Self.grants(grants, &parameters)
        }
        request.memoryNodes = try body.numbers(
            "memory_nodes", in: 0...Self.highestNode, count: 0...Self.nodeLimit)
        if let nodes = request.memoryNodes {
            parameters.append(.init("memory_nodes", nodes.map(String.init).joined(separator: ",")))
        }
        request.reservations = try Self.pages(body, isComplete: isComplete, &parameters)
        if body["enforcement"] != .null, let enforcement = try body.object("enforcement") {
            request.enforcement = try Self.enforcement(enforcement, processes)
            if let pod = request.enforcement?.pod {
                guard named.kind == .pod else {
                    throw body.invalid("enforcement.pod", "is possible only for a claim pod:NAMESPACE/NAME")
                }
                parameters.append(.init("pod", pod.uid))
            }
            parameters.append(.init("minimum_isolation", request.enforcement?.minimum.rawValue ?? "none"))
        }
        if let lease = try body.object("lease") {
            request.lease = try LeaseBody.read(lease, now: now, processes)
            parameters.append(.init("lease", lease.leaseText))
        }
        if isComplete, request.grants.isEmpty, request.reservations.isEmpty, request.memoryNodes?.isEmpty ?? true {
            throw Problem(.invalidMember, Self.needs, member: "cpus")
        }
        self.request = request
        self.parameters = parameters
    }

    /// Names the pool of a claim that names none: the one that its CPUs are in already, else the machine's default.
    mutating func setPool(_ present: Claim?, _ machine: HostMachine) throws(Problem) {
        guard request.grants.contains(where: { $0.pool == nil }) else { return }
        var pool = request.grants.lazy.compactMap(\.pool).first
        if pool == nil, let present, !present.grants.isEmpty {
            pool = present.pool
        } else if pool == nil, request.namesPodCPUs {
            pool = Pool.machine
        } else if pool == nil, request.holder.kind != .service {
            do { pool = try machine.defaultPool() } catch {
                throw Problem(failure: .facts(FactsError(description: error.description)))
            }
        }
        for index in request.grants.indices { request.grants[index].pool = pool }
    }

    /// The characters that the name of a new claim may have: a pod's namespace has up to 63, its name up to 253.
    static let nameLimit = 63 + 1 + 253

    /// Refuses names that cannot be used for new claims; an EPA service may have any.
    static func check(_ holder: Holder) throws(Problem) {
        let isPlain = holder.name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        guard !holder.name.isEmpty, holder.name.unicodeScalars.count <= nameLimit, isPlain else {
            throw Problem(
                .invalidName, "The name of a claim has 1 to \(nameLimit) characters and no control characters")
        }
    }

    // MARK: - CPUs

    /// The grants of a claim that has several. They are of one pool, take nothing from others, and differ in their label or
    /// in whether they are shared.
    private static func grants(
        _ bodies: [JSONReader], _ parameters: inout [DecisionRecord.Parameter]
    ) throws(Problem) -> [CPURequest] {
        var grants: [CPURequest] = []
        for body in bodies {
            var own: [DecisionRecord.Parameter] = []
            let grant = try cpus(body, isComplete: true, &own)
            guard !grants.contains(where: { $0.label == grant.label && $0.isShared == grant.isShared }) else {
                throw body.invalid("label", "is there twice: two grants of one kind need different labels")
            }
            if let pool = grant.pool, let other = grants.lazy.compactMap(\.pool).first, other != pool {
                throw body.invalid("pool", "differs from that of another grant; all grants of a claim are of one pool")
            }
            guard grant.preemption == .never else {
                throw body.invalid("preemption", "is possible only where a claim has one grant, in the member cpus")
            }
            if let other = grants.first, other.isProtected != grant.isProtected {
                throw body.invalid("protected", "differs from that of another grant; a claim is protected as a whole")
            }
            if grants.isEmpty { parameters += own }
            grants.append(grant)
        }
        if grants.count > 1 { parameters.append(.init("grants", grants.count)) }
        return grants
    }

    private static func cpus(
        _ body: JSONReader, isComplete: Bool, _ parameters: inout [DecisionRecord.Parameter]
    ) throws(Problem) -> CPURequest {
        let members = [
            "count", "percent", "cores", "list", "default_share", "pool", "nodes", "smt", "packing", "spread", "shared",
            "level", "label", "preemption", "explicit", "protected",
        ]
        try body.allow(isComplete ? members : members + ["none", "replaces"])
        var request = CPURequest(try demand(body, &parameters), onlineOnly: true)
        request.pool = try body.text("pool")
        if let pool = request.pool { parameters.append(.init("pool", pool)) }
        request.nodes = try body.numbers("nodes", in: 0...highestNode, count: 1...nodeLimit)
        if let nodes = request.nodes {
            parameters.append(.init("nodes", nodes.map(String.init).joined(separator: ",")))
        }
        request.smt = try body.choice("smt", of: ["any": .any, "whole": .whole, "one": .one]) ?? .any
        request.packing =
            try body.choice(
                "packing", of: ["lowest": .lowest, "sibling_pairs": .siblingPairs, "whole_cores": .wholeCores])
            ?? .lowest
        request.spread = try body.choice("spread", of: ["nodes": .nodes, "caches": .caches])
        request.level = try level(body)
        request.label = try body.text("label") ?? ""
        request.preemption =
            try body.choice("preemption", of: ["never": .never, "allowed": .allowed, "where_needed": .whereNeeded])
            ?? .never
        request.isExplicit = try body.flag("explicit") ?? false
        request.isProtected = try body.flag("protected")
        request.replaces =
            try body.choice(
                "replaces",
                of: [
                    "everything": .everything, "all_but_explicit": .allButExplicit, "nodes": .nodes, "label": .grant,
                ]) ?? .everything
        if request.isExplicit, request.level == .none { throw body.invalid("explicit", "excludes shared CPUs") }
        return request
    }

    private static func level(_ body: JSONReader) throws(Problem) -> Exclusiveness {
        let level: Exclusiveness? = try body.choice(
            "level", of: ["none": .none, "cpu": .cpu, "core": .core, "socket": .socket, "numa": .numa])
        guard let isShared = try body.flag("shared") else { return level ?? .cpu }
        guard level == nil else { throw body.invalid("shared", "and level say the same thing: give one of them") }
        return isShared ? .none : .cpu
    }

    private static func demand(
        _ body: JSONReader, _ parameters: inout [DecisionRecord.Parameter]
    ) throws(Problem) -> CPURequest.Demand {
        let given = ["none", "count", "percent", "cores", "list", "default_share"].filter { body.has($0) }
        guard given.count == 1, let name = given.first else {
            throw body.invalid(
                "count", "or one of percent, cores, list and default_share is needed, and only one of them")
        }
        switch name {
        case "count":
            let count = try body.number("count", in: 1...CPUSet.maximumCPU) ?? 1
            parameters.append(.init("count", count))
            return .count(count)
        case "percent":
            let percent = try body.number("percent", in: 1...100) ?? 1
            parameters.append(.init("percent", percent))
            return .percent(percent)
        case "cores":
            let count = try body.number("cores", in: 1...CPUSet.maximumCPU) ?? 1
            parameters.append(.init("cores", count))
            return .wholeCores(count)
        case "list":
            let text = try body.text("list", limit: 16_384) ?? ""
            let list: CPUSet
            do { list = try CPUSet(list: text) } catch {
                throw body.invalid("list", "takes CPUs such as 4-7,9: \(error)")
            }
            guard !list.isEmpty else { throw body.invalid("list", "takes at least one CPU") }
            parameters.append(.init("list", list.list))
            return .list(list)
        default:
            guard try body.flag(name) == true else { throw body.invalid(name, "takes true") }
            parameters.append(.init(name, 1))
            return name == "none" ? .nothing : .defaultShare
        }
    }

    // MARK: - Huge pages and enforcement

    private static func pages(
        _ body: JSONReader, isComplete: Bool, _ parameters: inout [DecisionRecord.Parameter]
    ) throws(Problem) -> [ReservationRequest] {
        var reservations: [ReservationRequest] = []
        for pages in try body.objects("huge_pages", limit: nodeLimit) ?? [] {
            try pages.allow("node", "size_kb", "count")
            guard let node = try pages.number("node", in: 0...highestNode),
                let size = try pages.number("size_kb", in: 1...(1 << 40)),
                let count = try pages.number("count", in: (isComplete ? 1 : 0)...PageReservation.maximumCount)
            else { throw pages.invalid("node", "size_kb and count are all needed") }
            guard !reservations.contains(where: { $0.node == node && $0.sizeKB == size }) else {
                throw pages.invalid("node", "and size_kb are there twice")
            }
            reservations.append(ReservationRequest(node: node, sizeKB: size, count: count))
            if reservations.count == 1 {
                parameters += [.init("node", node), .init("size_kb", size), .init("pages", count)]
            }
        }
        return reservations
    }

    private static func enforcement(
        _ body: JSONReader, _ processes: ClaimProcesses
    ) throws(Problem) -> EnforcementRequest {
        try body.allow("minimum", "balanced", "process", "pod")
        var request = EnforcementRequest()
        request.minimum =
            try body.choice(
                "minimum", of: ["none": .none, "affinity": .affinity, "cpuset": .cpuset, "partition": .partition])
            ?? .none
        request.isBalanced = try body.flag("balanced") ?? true
        if let pod = try body.object("pod") {
            guard !body.has("process") else { throw body.invalid("pod", "and process exclude each other") }
            guard request.isBalanced else { throw body.invalid("balanced", "cannot be false for a pod") }
            request.pod = try PodReference(body: pod)
        }
        if let process = body["process"] {
            request.process = try processes.identity(process, body.invalid("process", "takes a process id or \"self\""))
        }
        return request
    }
}

extension ClaimRequest {
    /// Whether it names the CPUs of a pod, which somebody else has chosen.
    fileprivate var namesPodCPUs: Bool {
        holder.kind == .pod
            && grants.allSatisfy { if case .list = $0.demand { true } else { false } }
    }
}
