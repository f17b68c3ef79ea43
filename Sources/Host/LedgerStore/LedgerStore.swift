import Ledger
import Storage

/// Stores a ledger in a state directory: each decision is a record of a journal, the whole ledger a snapshot now and then.
/// Records before the snapshot are retained for a while: they are the audit trail.
package final class LedgerStore: DecisionStore {
    /// The name of the store's files in its directory.
    package static let name = "ledger"

    private let journal: Journal
    private let now: @Sendable () -> Int
    private let report: @Sendable (String) -> Void
    private var lastGoodSeq: Int64
    private var lastGoodTime: Int
    /// The failure reported last, which is not reported again every second.
    private var reported: String?

    /// After how many records the ledger is written anew, when idle and when busy; when busy, the
    /// changes are also twice as many as the claims, so that it costs each change little.
    private static let recordsWhenIdle = 512
    private static let recordsWhenBusy = 1_024
    /// How many records are retained when the ledger is written anew.
    private static let history = 10_000
    /// How often the last good state is stored while there are changes, in milliseconds.
    private static let lastGoodInterval = 60_000

    private init(journal: Journal, now: @escaping @Sendable () -> Int, report: @escaping @Sendable (String) -> Void) {
        self.journal = journal
        self.now = now
        self.report = report
        let lastGood = try? journal.files.readLastGood()
        lastGoodSeq = lastGood?.seq ?? -1
        lastGoodTime = 0
    }

    // MARK: - Opening

    /// What a state directory held.
    package enum Opened {
        /// A sound ledger, and its store.
        case ready(LedgerStore, Ledger)
        /// A state that must not be used and why, and the last good ledger if there is one. Nothing was changed.
        case refused(CommitError, lastGood: Ledger?)
    }

    /// Opens the store in `directory`, after checking all that is in it: records, their numbers, the ledger's rules.
    ///
    /// The caller holds the directory's `StoreLock`. A sound store that cannot be opened for writing is ready too, with
    /// ``failure`` saying why: it refuses changes, and tries again before each and when idle.
    ///
    /// - Parameters:
    ///   - imported: the ledger that a store begins with where there is none yet.
    ///   - vfs: the name of the SQLite VFS, for tests.
    ///   - now: the clock, in milliseconds since 1970.
    ///   - report: gets failures that have no caller.
    /// - Throws: `StorageError` where the files cannot be read or made, which says nothing about their content.
    package static func open(
        directory: String, imported: Ledger? = nil, vfs: String? = nil, now: @escaping @Sendable () -> Int,
        report: @escaping @Sendable (String) -> Void
    ) throws(StorageError) -> Opened {
        let files = StoreFiles(directory: directory, name: name)
        let (journal, recovered): (Journal, Recovered)
        do throws(StorageError) {
            if let imported, imported.count > 0, try files.isFresh() {
                try files.create(snapshot: LedgerRecord.snapshot(of: imported))
            }
            (journal, recovered) = try Journal.open(files, vfs: vfs)
        } catch {
            if case .corrupt(let corruption) = error.reason {
                return .refused(CommitError(corruption), lastGood: lastGood(files))
            }
            // What cannot be opened for writing may be read all the same.
            switch try files.inspect() {
            case .fresh: throw error
            case .corrupt(let corruption): return .refused(CommitError(corruption), lastGood: lastGood(files))
            case .recovered(let found):
                (journal, recovered) = (Journal(unopened: files, vfs: vfs, holding: found, after: error), found)
            }
        }
        do throws(RecordError) {
            var ledger = try Ledger(recovered)
            ledger.forgetOrder()
            // Only what is sound is written to. A failure shows in the journal.
            if journal.failed == nil { try? journal.begin() }
            return .ready(LedgerStore(journal: journal, now: now, report: report), ledger)
        } catch {
            return .refused(CommitError(error, file: files.database), lastGood: lastGood(files))
        }
    }

    /// The ledger that was stored as the last good one; nil where there is none that can be trusted.
    private static func lastGood(_ files: StoreFiles) -> Ledger? {
        guard let state = try? files.readLastGood() else { return nil }
        return try? Ledger(snapshot: state.snapshot)
    }

    // MARK: - Reading without the lock

    /// What a state directory holds, read without changing anything.
    package enum Content {
        /// Nothing was ever stored.
        case fresh
        /// A sound ledger, and the number of its last record.
        case sound(Ledger, seq: Int64)
        /// A state that must not be used, and why.
        case refused(CommitError)
    }

    /// Reads the ledger of a store, which another process may have open.
    package static func read(_ files: StoreFiles) throws(StorageError) -> Content {
        switch try files.inspect() {
        case .fresh: return .fresh
        case .corrupt(let corruption): return .refused(CommitError(corruption))
        case .recovered(let recovered):
            do throws(RecordError) { return .sound(try Ledger(recovered), seq: recovered.seq) } catch {
                return .refused(CommitError(error, file: files.database))
            }
        }
    }

    /// The decisions of a store from `start` on, which another process may have open; oldest first, at most `limit`.
    package static func decisions(
        of files: StoreFiles, from start: HistoryStart, limit: Int
    ) throws(StorageError) -> [DecisionRecord] {
        let seq = try start.number(files.start(ofNewestEvents:))
        return try decisions(files, after: seq, limit: limit) { (after, limit) throws(StorageError) in
            try files.records(after: after, limit: limit)
        }
    }

    /// Snapshots, and records of versions that name no decision, are passed over: only the end of the records makes the
    /// result shorter than `limit`.
    private static func decisions(
        _ files: StoreFiles, after seq: Int64, limit: Int,
        read: (Int64, Int) throws(StorageError) -> [StoredRecord]
    ) throws(StorageError) -> [DecisionRecord] {
        var decisions: [DecisionRecord] = []
        var last = seq
        while decisions.count < limit {
            let records = try read(last, limit - decisions.count)
            guard let end = records.last?.seq else { break }
            last = end
            for record in records where record.kind == .event {
                do throws(RecordError) {
                    if let decision = try LedgerRecord.decision(json: record.payload, seq: record.seq) {
                        decisions.append(decision)
                    }
                } catch {
                    throw StorageError(
                        "read", file: files.database,
                        .corrupt(
                            Corruption(.malformed, file: files.database, what: "record \(record.seq): \(error)")))
                }
            }
        }
        return decisions
    }

    // MARK: - Committing

    /// Why nothing can be stored at present; nil while all is well.
    package var failure: String? { journal.failed }

    /// Never: what is corrupt is not opened.
    package var corruption: CommitError? { nil }

    /// Commits decisions in one transaction; after a failure the store is first made anew from `before`.
    package func commit(_ records: [DecisionRecord], before: Ledger) throws(CommitError) -> Int64 {
        do throws(StorageError) {
            if journal.failed != nil { try rebuild(before) }
            guard !records.isEmpty else { return journal.seq }
            return try journal.append(records.map(\.json))
        } catch {
            throw .failed(error.description)
        }
    }

    /// The committed decisions from `start` on.
    package func decisions(from start: HistoryStart, limit: Int) throws(CommitError) -> [DecisionRecord] {
        do throws(StorageError) {
            let seq = try start.number(journal.start(ofNewestEvents:))
            return try Self.decisions(journal.files, after: seq, limit: limit) {
                (after, limit) throws(StorageError) in try journal.records(after: after, limit: limit)
            }
        } catch {
            throw .failed(error.description)
        }
    }

    /// The number of the oldest record that is retained.
    package var oldest: Int64 { journal.oldest }

    /// The number of the last record.
    package var newest: Int64 { journal.seq }

    /// Heals the store after a failure, writes the ledger anew after many records, empties SQLite's log, stores the last
    /// good state.
    package func maintain(_ ledger: Ledger, isIdle: Bool) {
        do throws(StorageError) {
            if journal.failed != nil {
                guard isIdle else { return }
                try rebuild(ledger)
            }
            let limit = isIdle ? Self.recordsWhenIdle : max(Self.recordsWhenBusy, 2 * ledger.count)
            if journal.recordsSinceSnapshot >= limit {
                try journal.compact(snapshot: LedgerRecord.snapshot(of: ledger), retaining: Self.history)
            }
            guard isIdle else { return }
            try journal.maintain()
            if now() - lastGoodTime >= Self.lastGoodInterval { try storeLastGood(ledger) }
            reported = nil
        } catch {
            guard reported != error.description else { return }
            reported = error.description
            report(error.description)
        }
    }

    /// Stores the last good state and closes the files.
    package func close(_ ledger: Ledger) {
        do throws(StorageError) {
            if journal.failed != nil { try rebuild(ledger) }
            try storeLastGood(ledger)
            try journal.close()
        } catch {
            report(error.description)
        }
    }

    private func rebuild(_ ledger: Ledger) throws(StorageError) {
        try journal.rebuild(snapshot: LedgerRecord.snapshot(of: ledger))
        report("the store was made anew from memory after a failure: \(journal.files.database)")
    }

    private func storeLastGood(_ ledger: Ledger) throws(StorageError) {
        lastGoodTime = now()
        guard journal.seq != lastGoodSeq else { return }
        try journal.files.storeLastGood(
            LastGood(
                snapshot: LedgerRecord.snapshot(of: ledger), seq: journal.seq, time: Int64(lastGoodTime / 1000)))
        lastGoodSeq = journal.seq
    }
}

extension Ledger {
    /// The ledger that a store holds.
    init(_ recovered: Recovered) throws(RecordError) {
        if let snapshot = recovered.snapshot { try self.init(snapshot: snapshot) } else { self.init() }
        for event in recovered.events { try take(event) }
    }

    /// The ledger of a snapshot.
    package init(snapshot: [UInt8]) throws(RecordError) {
        self.init()
        try take(snapshot)
        forgetOrder()
    }

    private mutating func take(_ record: [UInt8]) throws(RecordError) {
        let change = try LedgerRecord.change(json: record)
        do { try apply(change) } catch { throw .malformed(error.description) }
    }
}

extension HistoryStart {
    /// The number after which it begins.
    ///
    /// - Parameter newest: finds the number after which so many of the newest events come.
    fileprivate func number(_ newest: (Int) throws(StorageError) -> Int64) throws(StorageError) -> Int64 {
        switch self {
        case .after(let seq): seq
        case .newest(let count): try newest(count)
        }
    }
}

extension CommitError {
    fileprivate init(_ corruption: Corruption) {
        self = corruption.kind == .newer ? .newer(corruption.description) : .corrupt(corruption.description)
    }

    fileprivate init(_ error: RecordError, file: String) {
        switch error {
        case .newer: self = .newer("\(file): \(error)")
        case .malformed: self = .corrupt("\(file): \(error)")
        }
    }
}
