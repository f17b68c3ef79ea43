import Dispatch
import Ledger
import LedgerStore
import Logging
import Machine
import Service
import Synchronization
import WireJSON

/// Logs each decision: a line in the audit log, and one in the log where a person should look.
///
/// What the audit log says already is logged at the level `debug` only. Lines are written by a thread of their own, in the
/// order of the decisions, so that nobody waits for a log, not even where its disk hangs.
package final class DecisionLog: Sendable {
    private enum Entry: Sendable {
        case decisions([Host.Report])
        case missing([DecisionRecord], written: Int)
        case denied(PeerCredentials, reason: String, unwritten: Int)
        case warning(String, Logger.Metadata)
        case error(String)
        case flush(DispatchSemaphore)
    }

    /// The most entries that wait for a log whose disk hangs; those beyond are counted. The store has every decision.
    private let queue = WorkQueue<Entry>(limit: 65_536)
    private let lost = Atomic(0)
    private let audit: Mutex<AuditLog>
    private let logger: Mutex<Logger>
    private let lastOutside = Mutex(CPUSet())
    private let lastVanished = Mutex<[String]>([])
    private let denials = Mutex<[UInt32: (second: Int, unwritten: Int)]>([:])

    /// A log of decisions in `audit` and `logger`.
    ///
    /// - Throws: `SystemError` where its thread cannot be started.
    package init(audit: AuditLog, logger: Logger) throws(SystemError) {
        self.audit = Mutex(audit)
        self.logger = Mutex(logger)
        try startThread(named: "decision log") { [self] in
            while true {
                let (entries, isClosed) = queue.takeAll()
                for entry in entries { write(entry) }
                let count = lost.exchange(0, ordering: .relaxed)
                if count > 0 {
                    log.error("log lines were lost: the log's disk was too slow", metadata: ["count": "\(count)"])
                }
                if isClosed { return }
            }
        }
    }

    /// The logger.
    package var log: Logger { logger.withLock { $0 } }

    /// Puts other logs in place, after a reload.
    package func replace(audit: AuditLog, logger: Logger) {
        self.audit.withLock { $0 = audit }
        self.logger.withLock { $0 = logger }
    }

    /// Logs what was decided. Never waits.
    package func note(_ reports: [Host.Report]) { add(.decisions(reports)) }

    /// Adds the lines of records to the audit log, where they are missing.
    ///
    /// - Parameter written: how many lines of the first record are there.
    package func addMissing(_ records: [DecisionRecord], written: Int) { add(.missing(records, written: written)) }

    private func add(_ entry: Entry) {
        if queue.add(entry) == .full { lost.add(1, ordering: .relaxed) }
    }

    /// Waits until what was noted is written, for `seconds` at most.
    package func flush(within seconds: Int) {
        let done = DispatchSemaphore(value: 0)
        guard queue.add(.flush(done)) == .yes else { return }
        _ = done.wait(timeout: .now() + .seconds(seconds))
    }

    /// Writes what was noted, for `seconds` at most, and ends.
    package func stop(within seconds: Int) {
        flush(within: seconds)
        queue.close()
    }

    /// Logs a peer that may not use a socket, or has too many connections. One line a second and user; the next line has
    /// the number of those that were not written.
    package func denied(_ peer: PeerCredentials, reason: String) {
        let second = wallClock() / 1000
        let unwritten: Int? = denials.withLock { denials in
            let last = denials[peer.uid] ?? (second: 0, unwritten: 0)
            let isDue = last.second != second
            denials[peer.uid] = (second, isDue ? 0 : last.unwritten + 1)
            return isDue ? last.unwritten : nil
        }
        guard let unwritten else { return }
        add(.denied(peer, reason: reason, unwritten: unwritten))
    }

    /// Logs CPUs that are held although they are not isolated any more, when they change (EPA specification, section 7,
    /// item 23).
    package func noteOutsidePool(_ cpus: CPUSet) {
        let isNew = lastOutside.withLock { last in
            defer { last = cpus }
            return last != cpus
        }
        guard isNew, !cpus.isEmpty else { return }
        add(.warning("CPUs are allocated that are not isolated any more", ["cpus": "\(cpus)"]))
    }

    /// Logs huge pages that are reserved on a node or in a size that the machine does not have, as `node/size in kB`, when
    /// they change (item 30).
    package func noteVanishedPages(_ vanished: [String]) {
        let isNew = lastVanished.withLock { last in
            defer { last = vanished }
            return last != vanished
        }
        guard isNew, !vanished.isEmpty else { return }
        add(
            .warning(
                "huge pages are reserved that the machine does not have",
                ["pools": "\(vanished.joined(separator: ","))"]))
    }

    /// Logs that a member of a request was ignored because its extension is turned off.
    package func noteIgnored(member: String, of service: String, extension name: String) {
        add(
            .warning(
                "a member of a request was ignored: its extension is turned off",
                ["service": "\(service)", "member": "\(member)", "extension": "\(name)"]))
    }

    /// Logs something about the machine that an operator should look at.
    package func noteWarning(_ message: String) { add(.warning(message, [:])) }

    /// Logs a failure that has no caller.
    package func noteFailure(_ message: String) { add(.error(message)) }

    // MARK: - Writing

    private func write(_ entry: Entry) {
        switch entry {
        case .decisions(let reports): for report in reports { write(report) }
        case .missing(let records, var written):
            for record in records {
                writeLines(of: record, after: written)
                written = 0
            }
        case .denied(let peer, let reason, let unwritten):
            audit.withLock { $0 }.record("denied", action: "connect", holder: nil, peer: peer) { line in
                line.member("reason", reason)
                if unwritten > 0 { line.member("unwritten_before", unwritten) }
            }
        case .warning(let message, let metadata): log.warning("\(message)", metadata: metadata)
        case .error(let message): log.error("\(message)")
        case .flush(let done): done.signal()
        }
    }

    private func line(
        _ decision: String, of record: DecisionRecord, _ holder: Holder, in audit: AuditLog,
        details: (inout JSONWriter) -> Void
    ) {
        audit.record(
            decision, action: record.action, holder: holder.fullName, peer: record.caller?.credentials,
            time: record.time
        ) { line in
            if record.seq > 0 { line.member("seq", Int(record.seq)) }
            details(&line)
        }
    }

    /// A line for what a record came to, and one for each holder that lost CPUs.
    ///
    /// - Parameter written: how many of them are there already.
    private func writeLines(of record: DecisionRecord, after written: Int = 0) {
        let audit = audit.withLock { $0 }
        if written == 0 {
            line(record.outcome.rawValue, of: record, record.holder, in: audit) { line in
                record.writeParameters(to: &line)
                if !record.granted.isEmpty { line.member("cpus", record.granted.list) }
                if !record.released.isEmpty { line.member("released", record.released.list) }
            }
        }
        for loss in record.preempted.dropFirst(max(written - 1, 0)) {
            line("taken", of: record, loss.holder, in: audit) { line in
                line.member("by", record.holder.fullName)
                line.member("cpus", loss.cpus.list)
            }
        }
    }

    private func write(_ report: Host.Report) {
        let record = report.record
        if let failure = report.failure {
            let text = failure.text(record.caller?.frontend == "epa" ? .services(action: record.action) : .claims)
            line("refused", of: record, record.holder, in: audit.withLock { $0 }) { line in
                record.writeParameters(to: &line)
                line.member("reason", text)
                guard case .refused(let refusal) = failure, !refusal.blockers.isEmpty else { return }
                line.name("held_by")
                line.object { line in
                    for blocker in refusal.blockers.prefix(16) {
                        line.member(blocker.holder.fullName, blocker.cpus.list)
                    }
                }
            }
            let level: Logger.Level = if case .notCommitted = failure { .error } else { .debug }
            log.log(
                level: level, "refused",
                metadata: [
                    "action": "\(record.action)", "service": "\(record.holder.displayName)", "reason": "\(text)",
                ])
            return
        }
        writeLines(of: record)
        for event in report.events { event.log(to: log) }
    }
}

extension DecisionRecord {
    fileprivate func writeParameters(to line: inout JSONWriter) {
        for parameter in parameters { parameter.write(to: &line) }
    }
}

extension Caller {
    fileprivate var credentials: PeerCredentials {
        PeerCredentials(uid: uid, gid: gid, pid: pid, label: label)
    }
}

extension LedgerEvent {
    /// Writes the event to the log: as a warning where somebody should look.
    fileprivate func log(to log: Logger) {
        func service(_ holder: Holder) -> Logger.Metadata { ["service": "\(holder.displayName)"] }
        func service(_ holder: Holder, _ cpus: CPUSet) -> Logger.Metadata {
            ["service": "\(holder.displayName)", "cpus": "\(cpus)"]
        }
        switch self {
        case .granted(let holder, let cpus, let isExplicit):
            log.debug(
                "CPUs allocated",
                metadata: service(holder, cpus).merging(["kind": isExplicit ? "explicit" : "automatic"]) { $1 })
        case .grantedOffline(let holder, let cpus):
            log.warning(
                "CPUs allocated that are offline; the policy online-only leaves them out",
                metadata: service(holder, cpus))
        case .released(let holder, let cpus): log.debug("CPUs released", metadata: service(holder, cpus))
        case .preempted(let loser, let winner, let cpus):
            log.warning(
                "automatic CPUs taken by a NUMA request",
                metadata: ["from": "\(loser.displayName)", "by": "\(winner.displayName)", "cpus": "\(cpus)"])
        case .explicitLost(let holder, let cpus):
            log.warning(
                "explicit CPUs lost their protection by the service's own request; the policy keep-pins keeps them",
                metadata: service(holder, cpus))
        case .reserved(let holder, let node, let size, let count):
            log.debug(
                "huge pages reserved",
                metadata: service(holder).merging([
                    "node": "\(node)", "size_kb": "\(size)", "count": "\(count)",
                ]) { $1 })
        case .overcommitted(let node, let size, let total, let used, let reserved):
            log.warning(
                "huge pages may be overcommitted: what is in use may not be what was reserved",
                metadata: [
                    "node": "\(node)", "size_kb": "\(size)", "total": "\(total)", "used": "\(used)",
                    "reserved": "\(reserved)",
                ])
        case .beyondKernelReservations(let node, let size, let free, let kernelReserved, let reserved):
            log.warning(
                "huge pages were reserved that the kernel has reserved for mappings already",
                metadata: [
                    "node": "\(node)", "size_kb": "\(size)", "free": "\(free)", "resv_hugepages": "\(kernelReserved)",
                    "reserved": "\(reserved)",
                ])
        case .nothingToShare(let holder):
            guard holder.kind == .service else { return }
            log.warning(
                "no isolated CPU is left to share: shared_cpus is empty, and nova then pins nothing",
                metadata: service(holder))
        case .renewed(let holder, let lease):
            log.debug("lease renewed", metadata: service(holder).merging(["lease": "\(lease)"]) { $1 })
        case .replaced(let holder, let offline, let others):
            log.warning(
                "CPUs are offline, and others take their place",
                metadata: service(holder).merging(["offline": "\(offline)", "cpus": "\(others)"]) { $1 })
        case .containersChanged(let holder, let containers):
            log.info(
                "the containers of a pod have changed",
                metadata: service(holder).merging(
                    ["containers": "\(containers.map { "\($0.container.name) \($0.state)" }.joined(separator: ", "))"]
                ) { $1 })
        case .recovered(let holder): log.notice("the kernel follows the claim again", metadata: service(holder))
        case .expired(let holder, let lease):
            log.notice("claim ended with its lease", metadata: service(holder).merging(["lease": "\(lease)"]) { $1 })
        case .weaklyIsolated(let holder, let isolation, let why):
            log.notice(
                "claim without a partition",
                metadata: service(holder).merging(["isolation": "\(isolation.rawValue)", "reason": "\(why)"]) { $1 })
        case .enforcementFailed(let holder, let why):
            log.error("claim not enforced", metadata: service(holder).merging(["reason": "\(why)"]) { $1 })
        }
    }
}
