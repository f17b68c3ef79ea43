import Host
import Ledger
import Logging
import Machine
import Service
import Synchronization
import WireJSON

/// Tells the operator of each decision: a line in the audit log, and one in the log where a person should look.
///
/// What the audit log says already is logged at the level `debug` only. A decision is noted in the order in which it was
/// taken, and written after the reply has left, so that nobody waits for a log.
package final class Journalist: Sendable {
    /// A decision that is to be written.
    private struct Entry: Sendable {
        let request: EPARequest
        let holder: Holder
        let peer: Peer
        let result: Result<Decision, Host.Failure>
    }

    private let noted = Mutex<[Entry]>([])
    /// Held while lines of decisions are written: they keep their order.
    private let writing = Mutex(())
    private let audit: Mutex<AuditLog>
    private let logger: Mutex<Logger>
    private let machine: HostMachine
    private let lastDrift = Mutex(CPUSet())
    private let lastVanished = Mutex<[String]>([])
    private let denials = Mutex<[UInt32: (second: Int, unwritten: Int)]>([:])

    /// A journalist who writes to `audit` and `logger`; `machine` says which granted CPUs are offline.
    package init(audit: AuditLog, logger: Logger, machine: HostMachine) {
        self.audit = Mutex(audit)
        self.logger = Mutex(logger)
        self.machine = machine
    }

    /// The logger.
    package var log: Logger { logger.withLock { $0 } }

    /// Puts other logs in place, after a reload.
    package func replace(audit: AuditLog, logger: Logger) {
        self.audit.withLock { $0 = audit }
        self.logger.withLock { $0 = logger }
    }

    /// A peer that may not use the socket, or has too many connections. One line a second and user; the next line has the
    /// number of those that were not written.
    package func denied(_ peer: Peer, reason: String) {
        let second = wallClock() / 1000
        let unwritten: Int? = denials.withLock { denials in
            let last = denials[peer.uid] ?? (second: 0, unwritten: 0)
            let isDue = last.second != second
            denials[peer.uid] = (second, isDue ? 0 : last.unwritten + 1)
            return isDue ? last.unwritten : nil
        }
        guard let unwritten else { return }
        audit.withLock { $0 }.record("denied", action: "connect", holder: nil, peer: peer) { line in
            line.member("reason", reason)
            if unwritten > 0 { line.member("unwritten_before", unwritten) }
        }
    }

    /// CPUs that are held although they are not isolated any more; logged when they change (section 7, item 23).
    func noteDrift(_ drift: CPUSet) {
        let isNew = lastDrift.withLock { last in
            defer { last = drift }
            return last != drift
        }
        guard isNew, !drift.isEmpty else { return }
        log.warning("CPUs are allocated that are not isolated any more", metadata: ["cpus": "\(drift)"])
    }

    /// Huge pages that are booked on a node or in a size that the machine does not have, as `node/size in kB`; logged when
    /// they change (section 7, item 30).
    func noteVanishedPages(_ vanished: [String]) {
        let isNew = lastVanished.withLock { last in
            defer { last = vanished }
            return last != vanished
        }
        guard isNew, !vanished.isEmpty else { return }
        log.warning(
            "huge pages are booked that the machine does not have",
            metadata: ["pools": "\(vanished.joined(separator: ","))"])
    }

    /// Notes what a request for a change came to; to be called in the order of the decisions.
    func note(_ request: EPARequest, holder: Holder, peer: Peer, result: Result<Decision, Host.Failure>) {
        noted.withLock { $0.append(Entry(request: request, holder: holder, peer: peer, result: result)) }
    }

    /// Writes what was noted. Whoever has sent the replies calls it; the end of the program does once more.
    package func writeNoted() {
        writing.withLock { _ in
            let entries = noted.withLock { noted in
                defer { noted = [] }
                return noted
            }
            for entry in entries {
                switch entry.result {
                case .success(let decision):
                    record(entry.request, holder: entry.holder, peer: entry.peer, decision: decision)
                case .failure(let failure):
                    record(entry.request, holder: entry.holder, peer: entry.peer, failure: failure)
                }
            }
        }
    }

    /// A change that was carried out, or that changed nothing.
    private func record(_ request: EPARequest, holder: Holder, peer: Peer, decision: Decision) {
        let audit = audit.withLock { $0 }
        audit.record(decision.word, action: request.action, holder: holder.fullName, peer: peer) { line in
            request.write(to: &line)
            if !decision.granted.isEmpty { line.member("cpus", decision.granted.list) }
            for case .released(_, let cpus) in decision.events { line.member("released", cpus.list) }
        }
        for event in decision.events {
            if case .taken(let loser, _, let cpus) = event {
                audit.record("taken", action: request.action, holder: loser.fullName, peer: peer) { line in
                    line.member("by", holder.fullName)
                    line.member("cpus", cpus.list)
                }
            }
            log(event)
        }
    }

    /// A change that was not carried out.
    private func record(_ request: EPARequest, holder: Holder, peer: Peer, failure: Host.Failure) {
        let text = failure.text(action: request.action)
        audit.withLock { $0 }.record("refused", action: request.action, holder: holder.fullName, peer: peer) { line in
            request.write(to: &line)
            line.member("reason", text)
            guard case .refused(let refusal) = failure, !refusal.blockers.isEmpty else { return }
            line.name("held_by")
            line.object { line in
                for blocker in refusal.blockers.prefix(16) {
                    line.member(blocker.holder.fullName, blocker.cpus.list)
                }
            }
        }
        let level: Logger.Level = if case .notKept = failure { .error } else { .debug }
        log.log(
            level: level, "refused",
            metadata: ["action": "\(request.action)", "service": "\(holder.displayName)", "reason": "\(text)"])
    }

    private func log(_ event: LedgerEvent) {
        let log = log
        switch event {
        case .granted(let holder, let cpus, let protection):
            let offline = machine.reader.online().map { cpus.subtracting($0) } ?? CPUSet()
            log.debug(
                "CPUs allocated",
                metadata: ["service": "\(holder.displayName)", "cpus": "\(cpus)", "protection": "\(protection)"])
            if !offline.isEmpty {
                log.warning(
                    "CPUs allocated that are offline; the policy online-only leaves them out",
                    metadata: ["service": "\(holder.displayName)", "cpus": "\(offline)"])
            }
        case .released(let holder, let cpus):
            log.debug("CPUs released", metadata: ["service": "\(holder.displayName)", "cpus": "\(cpus)"])
        case .taken(let loser, let winner, let cpus):
            log.warning(
                "automatic CPUs taken by a NUMA request",
                metadata: [
                    "from": "\(loser.displayName)", "by": "\(winner.displayName)", "cpus": "\(cpus)",
                ])
        case .unpinned(let holder, let cpus):
            log.warning(
                "explicit CPUs lost their protection by the service's own request; the policy keep-pins keeps them",
                metadata: ["service": "\(holder.displayName)", "cpus": "\(cpus)"])
        case .booked(let holder, let node, let size, let count):
            log.debug(
                "huge pages booked",
                metadata: [
                    "service": "\(holder.displayName)", "node": "\(node)", "size_kb": "\(size)", "count": "\(count)",
                ])
        case .overcommitted(let node, let size, let total, let used, let booked):
            log.warning(
                "huge pages may be overcommitted: what is in use may not be what was booked",
                metadata: [
                    "node": "\(node)", "size_kb": "\(size)", "total": "\(total)", "used": "\(used)",
                    "booked": "\(booked)",
                ])
        case .nothingToShare(let holder):
            log.warning(
                "no isolated CPU is left to share: shared_cpus is empty, and nova then pins nothing",
                metadata: ["service": "\(holder.displayName)"])
        }
    }
}

extension Decision {
    /// The decision in one word for the audit log.
    fileprivate var word: String {
        if change.isEmpty { return "unchanged" }
        return found ? "released" : "granted"
    }
}

extension EPARequest {
    /// The figures of the request for the audit log.
    fileprivate func write(to line: inout JSONWriter) {
        switch self {
        case .allocateCores(_, let count): line.member("count", count)
        case .allocateCoresPercent(_, let percent): line.member("percent", percent)
        case .allocateNodeCores(_, let node, let count):
            line.member("node", node)
            line.member("count", count)
        case .allocatePages(_, let count, let node, let sizeKB):
            line.member("count", count)
            line.member("node", node)
            line.member("size_kb", sizeKB)
        case .listAllocations, .memoryInfo: break
        }
    }
}
