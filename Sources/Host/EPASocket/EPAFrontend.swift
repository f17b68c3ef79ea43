import Host
import Ledger
import Machine
import Service
import Synchronization
import WireJSON

/// Translates between the EPA socket and the host: validates a request, answers questions from the last durable ledger,
/// submits changes, words the replies. No rule of allocation is here.
package final class EPAFrontend: Sendable {
    private let host: Host
    private let decisionLog: DecisionLog
    private let status: EPAStatus
    private let lastList = Mutex<(key: ListKey, bytes: [UInt8])?>(nil)
    private let lastMemory = Mutex<(key: MemoryKey, bytes: [UInt8])?>(nil)
    /// Who was logged for a member of an extension that is turned off.
    private let loggedMembers = Mutex<Set<String>>([])

    private struct ListKey: Equatable {
        let version: Int
        let list: EPAList
    }

    private struct MemoryKey: Equatable {
        let version: Int
        let service: String
        let nodes: [PageNode]
    }

    /// A frontend of `host` that logs to `decisionLog`, and says of the program what `status` says.
    package init(host: Host, decisionLog: DecisionLog, status: EPAStatus) {
        self.host = host
        self.decisionLog = decisionLog
        self.status = status
    }

    /// Answers one request.
    ///
    /// - Returns: the reply; nil where `reply` gets it later, on another thread: to a change.
    func answer(
        _ value: JSONValue, from peer: PeerCredentials, isAdministrator: Bool, settings: EPASettings,
        reply: @escaping @Sendable ([UInt8]) -> Void
    ) -> [UInt8]? {
        do throws(EPARequestError) {
            switch try EPARequest(value, extensions: settings.extensions) {
            case .query(let query): return try answer(query, settings)
            case .change(let change):
                noteIgnored(value, settings)
                let caller = Caller(
                    uid: peer.uid, gid: peer.gid, pid: peer.pid, label: peer.label, isAdministrator: isAdministrator,
                    frontend: "epa", cpuLimit: settings.cpusPerUID)
                try submit(change, by: caller, settings, reply)
                return nil
            }
        } catch {
            return EPAReply.error(error.text)
        }
    }

    // MARK: - Questions

    private func answer(_ query: EPAQuery, _ settings: EPASettings) throws(EPARequestError) -> [UInt8] {
        switch query {
        case .listAllocations(let pool): try list(pool, settings)
        case .memoryInfo(let service): memory(service)
        case .status: try statusReply()
        }
    }

    /// The list, written anew only when the ledger or the pool has changed.
    private func list(_ pool: String, _ settings: EPASettings) throws(EPARequestError) -> [UInt8] {
        let isolated = try listed { () throws(CPUListError) in try host.machine.isolated() }
        let onlineOnly = settings.policy.contains(.onlineOnly)
        let eligible = try listed { () throws(CPUListError) in
            try host.machine.eligible(pool, onlineOnly: onlineOnly)
        }
        guard let eligible else {
            throw EPARequestError(Refusal(.noPool(pool)).text(.services(action: "list_allocations")))
        }
        let current = host.current
        let outside = current.ledger.outsidePool(isolated: isolated)
        decisionLog.noteOutsidePool(outside.reduce(into: CPUSet()) { $0.formUnion($1.cpus) })
        let configured = pool == Pool.isolated ? isolated : host.machine.configuredPool(pool) ?? CPUSet()
        let list = EPAList(pool: pool, configured: configured, eligible: eligible, extensions: settings.extensions)
        let key = ListKey(version: current.version, list: list)
        if let last = lastList.withLock({ $0 }), last.key == key { return last.bytes }
        let bytes = list.reply(current.ledger)
        lastList.withLock { $0 = (key, bytes) }
        return bytes
    }

    /// The huge pages, written anew only when the ledger or a figure of the kernel has changed.
    private func memory(_ service: String) -> [UInt8] {
        let nodes = host.machine.pageNodes(onlyFree: true)
        let current = host.current
        let key = MemoryKey(version: current.version, service: service, nodes: nodes)
        if let last = lastMemory.withLock({ $0 }), last.key == key { return last.bytes }
        let bytes = EPAReply.memory(service: service, ledger: current.ledger, nodes: nodes)
        lastMemory.withLock { $0 = (key, bytes) }
        noteVanishedPages(current.ledger, nodes)
        return bytes
    }

    private func statusReply() throws(EPARequestError) -> [UInt8] {
        let isolated = try listed { () throws(CPUListError) in try host.machine.isolated() }
        return status.reply(host.ledger, isolated: isolated, refusal: host.refusal)
    }

    private func noteVanishedPages(_ ledger: Ledger, _ nodes: [PageNode]) {
        let present = Set(nodes.flatMap { node in node.pools.map { "\(node.id)/\($0.sizeKB)" } })
        let reserved = Set(
            ledger.holdersWithPages.flatMap { ledger[$0]?.reservations ?? [] }.map { "\($0.node)/\($0.sizeKB)" })
        decisionLog.noteVanishedPages(reserved.subtracting(present).sorted())
    }

    /// A list that the kernel gives; malformed text is an error reply (EPA specification, "CPU list text").
    private func listed<Value>(_ read: () throws(CPUListError) -> Value) throws(EPARequestError) -> Value {
        do { return try read() } catch { throw EPARequestError(error.description) }
    }

    // MARK: - Changes

    private func submit(
        _ change: EPAChange, by caller: Caller, _ settings: EPASettings, _ reply: @escaping @Sendable ([UInt8]) -> Void
    ) throws(EPARequestError) {
        let request: Request
        do throws(EPARequestError) {
            request = try change.request(settings.policy)
            if !change.onlyGivesBack { try checkName(request.holder, settings) }
        } catch {
            // What the frontend refuses is in the audit log like what the ledger refuses.
            decisionLog.note([
                Host.Report(
                    refused: change.action, of: .service(change.service), by: caller, parameters: change.parameters,
                    at: wallClock(), .invalid(error.text))
            ])
            throw error
        }
        let submission = Submission(request, by: caller, action: change.action, parameters: change.parameters)
        host.submit(submission) { result in
            switch result {
            case .success(let outcome): reply(change.reply(outcome, extensions: settings.extensions))
            case .failure(let failure): reply(EPAReply.error(failure.text(.services(action: change.action))))
            }
        }
    }

    private func checkName(_ holder: Holder, _ settings: EPASettings) throws(EPARequestError) {
        guard settings.nameLimit > 0, holder.name.utf8.count > settings.nameLimit, host.ledger[holder] == nil else {
            return
        }
        throw EPARequestError(
            "service_name has \(holder.name.utf8.count) bytes; new services may have at most \(settings.nameLimit)")
    }

    /// Logs once for each service that a member of an extension was ignored.
    private func noteIgnored(_ value: JSONValue, _ settings: EPASettings) {
        for (name, member, `extension`) in EPAExtensions.names
        where !settings.extensions.contains(`extension`) && value[member] != nil {
            let service = value["service_name"]?.string ?? ""
            let isNew = loggedMembers.withLock { $0.count < 4_096 && $0.insert("\(member) \(service)").inserted }
            guard isNew else { continue }
            decisionLog.noteIgnored(member: member, of: service, extension: name)
        }
    }
}
