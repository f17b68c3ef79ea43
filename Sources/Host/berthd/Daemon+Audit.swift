import Host
import Ledger
import LedgerStore
import Logging
import Service
import Storage

/// The audit log: opened, and made to have what the store has.
extension Daemon {
    static func openAudit(
        _ configuration: DaemonConfiguration, _ log: Logger
    ) throws(SystemError) -> LineSink {
        guard let path = configuration.auditLog else { return .standardError }
        return try LineSink(path: path) {
            log.error("the audit log cannot be written", metadata: ["reason": "\($0)"])
        }
    }

    /// Adds the lines of committed records that the audit log does not have, because berthd was killed before it wrote them.
    ///
    /// The log goes on after the last record in its file; if that has none, after the last one in the file that was rotated
    /// last; if that has none either, after the last good state (docs/operations.md, "Decisions").
    ///
    /// - Parameter lastGood: the number of the last record in the last good state; 0 where there is none.
    static func completeAudit(
        at path: String?, from store: LedgerStore, lastGood: Int64, _ decisionLog: DecisionLog, _ log: Logger
    ) {
        guard let path else { return }
        do {
            let last = try AuditLog.lastRecord(in: path) ?? AuditLog.lastRecord(in: "\(path).1")
            var after = min(lastGood, store.newest)
            var written = 0
            if let last {
                guard try isOf(store, last) else {
                    log.warning(
                        "the audit log has records that the state does not have: it is of another state, and nothing is added to it",
                        metadata: ["file": "\(path)", "seq": "\(last.seq)", "stored": "\(store.newest)"])
                    return
                }
                // The last one may lack lines.
                (after, written) = (last.seq - 1, last.lines)
            }
            var count = 0
            while true {
                let records = try store.decisions(from: .after(after), limit: page)
                guard let first = records.first, let end = records.last else { break }
                if written > 0, first.seq != last?.seq { written = 0 }
                decisionLog.addMissing(records, written: written)
                count += records.count - (written > 0 ? 1 : 0)
                (after, written) = (end.seq, 0)
                if records.count < page { break }
            }
            guard count > 0 else { return }
            log.notice(
                "the audit log lacked committed decisions, which were added",
                metadata: ["file": "\(path)", "records": "\(count)"])
        } catch {
            log.error("the audit log cannot be completed", metadata: ["file": "\(path)", "reason": "\(error)"])
        }
    }

    /// How many records are read from the store at a time.
    private static let page = 256

    /// Whether the last record of an audit log is one of the state. One that is not retained any more is taken for one.
    private static func isOf(_ store: LedgerStore, _ last: AuditLog.LastRecord) throws(CommitError) -> Bool {
        guard last.seq <= store.newest else { return false }
        let record = try store.decisions(from: .after(last.seq - 1), limit: 1).first
        return record?.seq != last.seq || record.map { timestamp($0.time) } == last.time
    }
}
