import Host
import Ledger
import Machine
import Service
import Synchronization
import WireJSON

/// Translates between the EPA socket and the host: finds out what a request depends on, asks the owner of the ledger,
/// words the answer. No rule of allocation lives here.
package final class EPAFace: Sendable {
    /// What an operator may change while the face serves.
    package struct Options: Equatable, Sendable {
        /// The choices that differ from the reference's.
        package var policy: Policy
        /// The most bytes of a new service's name; 0 for no limit of its own.
        package var nameLimit: Int

        /// Options; the reference's choices unless told otherwise.
        package init(policy: Policy = [], nameLimit: Int = 0) {
            self.policy = policy
            self.nameLimit = nameLimit
        }
    }

    private let host: Host
    private let machine: HostMachine
    private let journalist: Journalist
    private let lastList = Mutex<(version: Int, isolated: CPUSet, bytes: [UInt8])?>(nil)

    /// A face of `host` on `machine`; `journalist` tells the operator of decisions.
    package init(host: Host, machine: HostMachine, journalist: Journalist) {
        self.host = host
        self.machine = machine
        self.journalist = journalist
    }

    /// Answers one request. `reply` is called once: at once for questions, on the host's thread for changes.
    package func answer(
        _ value: JSONValue, from peer: Peer, isAdministrator: Bool, options: Options,
        reply: @escaping @Sendable ([UInt8]) -> Void
    ) {
        do throws(EPARequestError) {
            let request = try EPARequest(value)
            switch request {
            case .listAllocations:
                reply(list(isolated: try isolated(options)))
            case .memoryInfo(let service):
                let ledger = host.ledger
                let nodes = pageNodes()
                reply(EPAReply.memory(service: service, ledger: ledger, nodes: nodes))
                noteVanishedPages(ledger, nodes)
            default:
                try change(request, from: peer, isAdministrator: isAdministrator, options: options, reply: reply)
            }
        } catch {
            reply(EPAReply.error(error.text))
        }
    }

    // MARK: - Questions

    private func isolated(_ options: Options) throws(EPARequestError) -> CPUSet {
        let isolated = try listed { () throws(CPUListError) in
            try machine.isolated(onlineOnly: options.policy.contains(.onlineOnly))
        }
        journalist.noteDrift(host.ledger.drift(isolated: isolated))
        return isolated
    }

    /// The list, written anew only when the ledger or the isolated CPUs have changed.
    private func list(isolated: CPUSet) -> [UInt8] {
        let current = host.current
        if let last = lastList.withLock({ $0 }), last.version == current.version, last.isolated == isolated {
            return last.bytes
        }
        let bytes = EPAReply.list(current.ledger, isolated: isolated)
        lastList.withLock { $0 = (current.version, isolated, bytes) }
        return bytes
    }

    private func pageNodes() -> [(id: Int, pools: [HugePagePool])] {
        (machine.reader.nodeIDs() ?? []).map { ($0, machine.reader.hugePages(ofNode: $0) ?? []) }
    }

    private func noteVanishedPages(_ ledger: Ledger, _ nodes: [(id: Int, pools: [HugePagePool])]) {
        let present = Set(nodes.flatMap { node in node.pools.map { "\(node.id)/\($0.sizeKB)" } })
        let booked = Set(
            ledger.holdersWithPages.flatMap { ledger[$0]?.pages ?? [] }.map { "\($0.node)/\($0.sizeKB)" })
        journalist.noteVanishedPages(booked.subtracting(present).sorted())
    }

    /// A list that the kernel gives; malformed text is an error reply (EPA specification, "CPU list text").
    private func listed<Value>(_ read: () throws(CPUListError) -> Value) throws(EPARequestError) -> Value {
        do { return try read() } catch { throw EPARequestError(error.description) }
    }

    // MARK: - Changes

    private func change(
        _ request: EPARequest, from peer: Peer, isAdministrator: Bool, options: Options,
        reply: @escaping @Sendable ([UInt8]) -> Void
    ) throws(EPARequestError) {
        let command = try command(for: request, options: options)
        if !command.onlyGivesBack { try checkName(command.holder, options) }
        let caller = Caller(
            uid: peer.uid, gid: peer.gid, pid: peer.pid, label: peer.label, isAdministrator: isAdministrator)
        host.submit(command, by: caller, policy: options.policy) { [journalist] result in
            journalist.note(request, holder: command.holder, peer: peer, result: result.map(\.decision))
            switch result {
            case .success(let outcome): reply(request.reply(outcome))
            case .failure(let failure): reply(EPAReply.error(failure.text(action: request.action)))
            }
        }
    }

    private func command(for request: EPARequest, options: Options) throws(EPARequestError) -> Command {
        switch request {
        case .allocateCores(let service, let count):
            return try coresCommand(service, count == 0 ? .byDefault : .exactly(count), count, options)
        case .allocateCoresPercent(let service, let percent):
            return try coresCommand(service, .percent(percent), percent <= 0 ? -1 : percent, options)
        case .allocateNodeCores(let service, let node, let count):
            guard count != 0 else { throw EPARequestError("num_of_cores=0 is invalid for allocate_numa_cores") }
            let facts = try listed { () throws(CPUListError) in try machine.node(node) }
            let isolated = try isolated(options)
            if count == -1 { return .releaseNodeCores(.service(service), node: facts, isolated: isolated) }
            return .allocateNodeCores(
                .service(service), count: count, node: facts, isolated: isolated,
                cores: machine.cores(isolated: isolated))
        case .allocatePages(let service, let count, let node, let sizeKB):
            guard count >= -1 else { throw invalid(count, request) }
            guard count > 0 else { return .unbookPages(.service(service), node: node, sizeKB: sizeKB) }
            return .bookPages(
                .service(service), node: node, sizeKB: sizeKB, count: count,
                capacity: machine.pages(node: node, sizeKB: sizeKB))
        case .listAllocations, .memoryInfo:
            throw EPARequestError("\(request.action) changes nothing")
        }
    }

    private func coresCommand(
        _ service: String, _ count: CoreCount, _ number: Int, _ options: Options
    ) throws(EPARequestError) -> Command {
        let isolated = try isolated(options)
        if number == -1 { return .releaseCores(.service(service), isolated: isolated) }
        let cores = options.policy.contains(.wholeCores) ? machine.cores(isolated: isolated) : nil
        return .allocateCores(.service(service), count, isolated: isolated, cores: cores)
    }

    private func invalid(_ count: Int, _ request: EPARequest) -> EPARequestError {
        EPARequestError(Refusal(.invalidCount(count)).text(action: request.action))
    }

    private func checkName(_ holder: Holder, _ options: Options) throws(EPARequestError) {
        guard options.nameLimit > 0, holder.name.utf8.count > options.nameLimit, host.ledger[holder] == nil else {
            return
        }
        throw EPARequestError(
            "service_name has \(holder.name.utf8.count) bytes; new services may have at most \(options.nameLimit)")
    }
}

extension EPARequest {
    /// The action's name on the wire.
    var action: String {
        switch self {
        case .allocateCores: "allocate_cores"
        case .allocateCoresPercent: "allocate_cores_percent"
        case .allocateNodeCores: "allocate_numa_cores"
        case .listAllocations: "list_allocations"
        case .memoryInfo: "get_memory_info"
        case .allocatePages: "allocate_hugepages"
        }
    }

    /// The reply to a change that was carried out.
    fileprivate func reply(_ outcome: Host.Outcome) -> [UInt8] {
        let (decision, statistics) = (outcome.decision, outcome.statistics)
        switch self {
        case .allocateCores(let service, let count):
            let isRelease = count == -1
            return EPAReply.cores(
                service: service, count: isRelease ? 0 : count, decision: decision, statistics: statistics)
        case .allocateCoresPercent(let service, _):
            return EPAReply.coresPercent(service: service, decision: decision, statistics: statistics)
        case .allocateNodeCores(let service, let node, let count):
            return EPAReply.nodeCores(
                service: service, node: node, count: count, decision: decision, statistics: statistics)
        case .allocatePages(let service, let count, let node, let sizeKB):
            let message =
                if count > 0 {
                    "Successfully set allocation request to \(count) hugepages"
                } else if decision.found {
                    "Removed recorded hugepage allocation"
                } else {
                    "No existing record to remove"
                }
            return EPAReply.pages(service: service, count: count, message: message, node: node, sizeKB: sizeKB)
        case .listAllocations, .memoryInfo:
            return EPAReply.error("\(action) changes nothing")
        }
    }
}

extension Host.Failure {
    /// The text of the error reply.
    func text(action: String) -> String {
        switch self {
        case .refused(let refusal): refusal.text(action: action)
        case .notKept(let error): "\(error)"
        case .stopping: "The service is stopping"
        }
    }
}

extension Command {
    /// Whether it can make no new claim, so that limits of new names do not matter.
    fileprivate var onlyGivesBack: Bool {
        switch self {
        case .releaseCores, .releaseNodeCores, .unbookPages, .end: true
        case .allocateCores, .allocateNodeCores, .bookPages, .put: false
        }
    }
}
