import Host
import Ledger

/// The translation of EPA's changes to the ledger's requests. It stands here and nowhere else.
extension EPAChange {
    /// The request that the ledger decides.
    ///
    /// - Throws: ``EPARequestError`` for counts that the action has no meaning for, as far as the EPA Orchestrator finds
    ///   that out before it looks at the machine.
    func request(_ policy: EPAPolicy) throws(EPARequestError) -> Request {
        switch self {
        case .allocateCores(let service, let count, let options):
            let demand: CPURequest.Demand =
                switch count {
                case -1: .nothing
                case 0: .defaultShare
                default: .count(count)
                }
            return .claim(ClaimRequest(holder: .service(service), cpus: cores(demand, options, policy)))
        case .allocateCoresPercent(let service, let percent, let options):
            let demand: CPURequest.Demand = percent <= 0 ? .nothing : .percent(percent)
            return .claim(ClaimRequest(holder: .service(service), cpus: cores(demand, options, policy)))
        case .allocateNodeCores(let service, let node, let count, let options):
            guard count != 0 else { throw EPARequestError("num_of_cores=0 is invalid for allocate_numa_cores") }
            let cpus = CPURequest(
                count == -1 ? .nothing : .count(count), pool: options.pool, nodes: [node],
                packing: policy.contains(.wholeCores) ? .wholeCores : .siblingPairs,
                onlineOnly: policy.contains(.onlineOnly), replaces: .nodes,
                preemption: policy.contains(.preferFree) ? .whereNeeded : .allowed, isProtected: options.isProtected,
                isExplicit: true)
            return .claim(ClaimRequest(holder: .service(service), cpus: cpus))
        case .allocatePages(let service, let count, let node, let sizeKB):
            guard count >= -1 else {
                throw EPARequestError(Refusal(.invalidCount(count)).text(.services(action: action)))
            }
            let pages = ReservationRequest(node: node, sizeKB: sizeKB, count: max(count, 0))
            return .claim(ClaimRequest(holder: .service(service), reservations: [pages]))
        }
    }

    private func cores(_ demand: CPURequest.Demand, _ options: Options, _ policy: EPAPolicy) -> CPURequest {
        CPURequest(
            demand, pool: options.pool, packing: policy.contains(.wholeCores) ? .wholeCores : .lowest,
            onlineOnly: policy.contains(.onlineOnly),
            replaces: policy.contains(.keepPins) && demand != .nothing ? .allButExplicit : .everything,
            isProtected: options.isProtected)
    }

    /// The service that it is about.
    var service: String {
        switch self {
        case .allocateCores(let service, _, _), .allocateCoresPercent(let service, _, _),
            .allocateNodeCores(let service, _, _, _), .allocatePages(let service, _, _, _):
            service
        }
    }

    /// The action's name on the wire.
    var action: String {
        switch self {
        case .allocateCores: "allocate_cores"
        case .allocateCoresPercent: "allocate_cores_percent"
        case .allocateNodeCores: "allocate_numa_cores"
        case .allocatePages: "allocate_hugepages"
        }
    }

    /// The figures of the request for the records.
    var parameters: [DecisionRecord.Parameter] {
        switch self {
        case .allocateCores(_, let count, _): [.init("count", count)]
        case .allocateCoresPercent(_, let percent, _): [.init("percent", percent)]
        case .allocateNodeCores(_, let node, let count, _): [.init("node", node), .init("count", count)]
        case .allocatePages(_, let count, let node, let sizeKB):
            [.init("count", count), .init("node", node), .init("size_kb", sizeKB)]
        }
    }

    /// Whether it can make no new claim, so that limits of new names do not matter.
    var onlyGivesBack: Bool {
        switch self {
        case .allocateCores(_, let count, _), .allocateNodeCores(_, _, let count, _): count == -1
        case .allocateCoresPercent(_, let percent, _): percent <= 0
        case .allocatePages(_, let count, _, _): count == -1
        }
    }
}
