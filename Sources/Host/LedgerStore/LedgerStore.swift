import Ledger
import Storage

/// Keeps a ledger in a state folder: each change is a record of a journal, the whole ledger a snapshot now and then.
package final class LedgerStore: LedgerKeeper {
    /// The name of the store's files in its folder.
    package static let name = "ledger"

    private let journal: Journal
    private let now: @Sendable () -> Int
    private let report: @Sendable (String) -> Void
    private var lastGoodSeq: Int64
    private var lastGoodTime: Int
    /// The failure told last, which is not told again every second.
    private var told: String?

    /// After how many records the ledger is written anew, when idle and when busy; when busy, the
    /// changes are also twice as many as the claims, so that it costs each change little.
    private static let recordsWhenIdle = 512
    private static let recordsWhenBusy = 4_096
    /// How many records stay as history when the ledger is written anew.
    private static let history = 10_000
    /// How often the last good state is kept while there are changes, in milliseconds.
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

    /// What a state folder held.
    package enum Opened {
        /// A ledger that can be trusted, and its keeper.
        case ready(LedgerStore, Ledger)
        /// A state that cannot be trusted and why, and the last good ledger if there is one. Nothing was changed.
        case untrusted(String, lastGood: Ledger?)
    }

    /// Opens the store in `folder`, after checking all that is in it: records, their chain, the ledger's rules.
    ///
    /// The caller holds the folder's `StoreLock`. A sound store that cannot be opened for writing is ready too, with
    /// ``failure`` saying why: it refuses changes, and tries again before each and when idle.
    ///
    /// - Parameters:
    ///   - imported: the ledger that a store begins with where there is none yet.
    ///   - vfs: the name of the SQLite VFS, for tests.
    ///   - now: the clock, in milliseconds since 1970.
    ///   - report: is told of failures that have no caller.
    /// - Throws: `StorageError` where the files cannot be read or made, which says nothing about their content.
    package static func open(
        folder: String, imported: Ledger? = nil, vfs: String? = nil, now: @escaping @Sendable () -> Int,
        report: @escaping @Sendable (String) -> Void
    ) throws(StorageError) -> Opened {
        let files = StoreFiles(directory: folder, name: name)
        let (journal, recovered): (Journal, Recovered)
        do throws(StorageError) {
            if let imported, imported.count > 0, try files.isFresh() {
                try files.create(snapshot: LedgerChange(snapshotOf: imported).json)
            }
            (journal, recovered) = try Journal.open(files, vfs: vfs)
        } catch {
            if case .corrupt(let corruption) = error.reason {
                return .untrusted(corruption.description, lastGood: lastGood(files))
            }
            // What cannot be opened for writing may be read all the same.
            switch try files.inspect() {
            case .fresh: throw error
            case .corrupt(let corruption):
                return .untrusted(corruption.description, lastGood: lastGood(files))
            case .recovered(let found):
                (journal, recovered) = (Journal(unopened: files, vfs: vfs, holding: found, after: error), found)
            }
        }
        do throws(RecordError) {
            var ledger = try Ledger(recovered)
            ledger.forgetOrder()
            // Only what is trusted is written to. A failure shows in the journal.
            if journal.failed == nil { try? journal.begin() }
            return .ready(LedgerStore(journal: journal, now: now, report: report), ledger)
        } catch {
            return .untrusted("\(files.database): \(error)", lastGood: lastGood(files))
        }
    }

    /// The ledger that was kept as the last good one in `folder`, with its time in milliseconds since 1970; nil where
    /// there is none that can be trusted.
    private static func lastGood(_ files: StoreFiles) -> Ledger? {
        guard let kept = try? files.readLastGood() else { return nil }
        return try? Ledger(snapshot: kept.snapshot)
    }

    /// What a state folder holds, read without changing anything.
    package enum Content {
        /// Nothing was ever stored.
        case fresh
        /// A ledger that can be trusted, and the number of its last record.
        case sound(Ledger, seq: Int64)
        /// A state that cannot be trusted, and why.
        case untrusted(String)
    }

    /// Reads the ledger of a store, which another process may have open.
    package static func read(_ files: StoreFiles) throws(StorageError) -> Content {
        switch try files.inspect() {
        case .fresh: return .fresh
        case .corrupt(let corruption): return .untrusted(corruption.description)
        case .recovered(let recovered):
            do throws(RecordError) { return .sound(try Ledger(recovered), seq: recovered.seq) } catch {
                return .untrusted("\(files.database): \(error)")
            }
        }
    }

    // MARK: - Keeping

    /// Why nothing can be stored at present; nil while all is well.
    package var failure: String? { journal.failed }

    /// Never: what cannot be trusted is not opened.
    package var untrusted: KeepingError? { nil }

    /// Keeps changes in one transaction; after a failure the store is first made anew from `before`.
    package func keep(_ changes: [LedgerChange], before: Ledger) throws(KeepingError) {
        do throws(StorageError) {
            if journal.failed != nil { try rebuild(before) }
            try journal.append(changes.map(\.json))
        } catch {
            throw .failed(error.description)
        }
    }

    /// Heals the store after a failure, writes the ledger anew after many records, empties SQLite's log, keeps the last
    /// good state.
    package func maintain(_ ledger: Ledger, isIdle: Bool) {
        do throws(StorageError) {
            if journal.failed != nil {
                guard isIdle else { return }
                try rebuild(ledger)
            }
            let limit = isIdle ? Self.recordsWhenIdle : max(Self.recordsWhenBusy, 2 * ledger.count)
            if journal.recordsSinceSnapshot >= limit {
                try journal.compact(snapshot: LedgerChange(snapshotOf: ledger).json, retaining: Self.history)
            }
            guard isIdle else { return }
            try journal.maintain()
            if now() - lastGoodTime >= Self.lastGoodInterval { try keepLastGood(ledger) }
            told = nil
        } catch {
            guard told != error.description else { return }
            told = error.description
            report(error.description)
        }
    }

    /// Keeps the last good state and closes the files.
    package func close(_ ledger: Ledger) {
        do throws(StorageError) {
            if journal.failed != nil { try rebuild(ledger) }
            try keepLastGood(ledger)
            try journal.close()
        } catch {
            report(error.description)
        }
    }

    private func rebuild(_ ledger: Ledger) throws(StorageError) {
        try journal.rebuild(snapshot: LedgerChange(snapshotOf: ledger).json)
        report("the store was made anew from memory after a failure: \(journal.files.database)")
    }

    private func keepLastGood(_ ledger: Ledger) throws(StorageError) {
        lastGoodTime = now()
        guard journal.seq != lastGoodSeq else { return }
        try journal.files.storeLastGood(
            LastGood(
                snapshot: LedgerChange(snapshotOf: ledger).json, seq: journal.seq, time: Int64(lastGoodTime / 1000)))
        lastGoodSeq = journal.seq
    }
}

/// Stands in for a store that cannot be trusted: keeps nothing, and so refuses every change.
package final class UntrustedStore: LedgerKeeper {
    private let error: KeepingError

    /// A keeper that gives `reason` for each refusal.
    package init(reason: String) { error = .untrusted(reason) }

    /// A keeper in place of a store that was to begin with a state that cannot be trusted.
    package init(refusedImport reason: String) { error = .untrustedImport(reason) }

    /// The reason.
    package var untrusted: KeepingError? { error }

    /// Never: nothing is tried.
    package var failure: String? { nil }

    /// Refuses.
    package func keep(_ changes: [LedgerChange], before: Ledger) throws(KeepingError) { throw error }

    /// Does nothing.
    package func maintain(_ ledger: Ledger, isIdle: Bool) {}

    /// Does nothing.
    package func close(_ ledger: Ledger) {}
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
        let change = try LedgerChange(json: record)
        do { try apply(change) } catch { throw RecordError(error.description) }
    }
}
