import Domain
import Storage
import WireJSON

/// Stores what a domain must not forget in a state directory: each step's changes are records of a journal, all of it a snapshot
/// now and then, the code of functions in files of its own.
///
/// Used by one thread, which holds the directory's `StoreLock`.
package final class DomainStore {
    /// The name of the store's files in its directory.
    package static let name = "domain"

    private let journal: Journal
    /// The code of functions. Where it is stored before a function is taken, a failure concerns that function alone.
    package let code: CodeStore
    private let report: @Sendable (String) -> Void
    private var reported: String?
    /// How often it was idle since code that no function has was removed last.
    private var idleTurns = 0
    private var reportedCode: String?

    /// After how many records the domain is written anew, when idle and when busy.
    private static let recordsWhenIdle = 512
    private static let recordsWhenBusy = 16_384

    private init(
        journal: Journal, code: CodeStore, report: @escaping @Sendable (String) -> Void
    ) {
        self.journal = journal
        self.code = code
        self.report = report
    }

    /// What a state directory held.
    package enum Opened {
        /// What can be trusted, and its store.
        case ready(DomainStore, DomainRecords)
        /// A state that cannot be trusted, and why. Nothing was changed.
        case untrusted(String)
    }

    /// Opens the store in `directory` after checking all that is in it.
    ///
    /// - Parameters:
    ///   - vfs: the name of the SQLite VFS, for tests.
    ///   - digest: the SHA-256 of bytes, as 64 lower-case hexadecimal digits.
    ///   - report: gets failures that have no caller.
    /// - Throws: `StorageError` where the files cannot be read or made, which says nothing about their content.
    package static func open(
        directory: String, vfs: String? = nil, digest: ([UInt8]) -> String, report: @escaping @Sendable (String) -> Void
    ) throws(StorageError) -> Opened {
        let files = StoreFiles(directory: directory, name: name)
        let code = CodeStore(directory: "\(directory)/binaries")
        var records = DomainRecords()
        var known: [String: Binary] = [:]
        let (journal, recovered): (Journal, Recovered)
        do throws(StorageError) { (journal, recovered) = try Journal.open(files, vfs: vfs) } catch {
            if case .corrupt(let corruption) = error.reason { return .untrusted(corruption.description) }
            // What cannot be opened for writing may be read all the same.
            switch try files.inspect() {
            case .fresh: throw error
            case .corrupt(let corruption): return .untrusted(corruption.description)
            case .recovered(let found):
                (journal, recovered) = (Journal(unopened: files, vfs: vfs, holding: found, after: error), found)
            }
        }
        do throws(DomainRecordError) {
            for record in [recovered.snapshot].compactMap(\.self) + recovered.events {
                for change in try changes(in: record, code, &known, digest) { records.apply(change) }
            }
        } catch { return .untrusted("\(files.database): \(error)") }
        for binary in records.instances.values.compactMap(\.specification.binary) where binary.bytes.isEmpty {
            guard digest([]) == binary.digest else {
                return .untrusted("\(code.directory)/\(binary.digest): the code of a function is missing")
            }
        }
        // Only what is trusted is written to. A failure shows in the journal.
        if journal.failed == nil { try? journal.begin() }
        let digests = Set(records.instances.values.compactMap(\.specification.binary?.digest))
        try code.retain(digests)
        return .ready(
            DomainStore(journal: journal, code: code, report: report), records)
    }

    private static func changes(
        in record: [UInt8], _ code: CodeStore, _ known: inout [String: Binary], _ digest: ([UInt8]) -> String
    ) throws(DomainRecordError) -> [DomainChange] {
        let value: JSONValue
        do { value = try JSONValue(record) } catch { throw DomainRecordError(error.description) }
        guard let elements = value.array else { throw DomainRecordError("a record is a list of changes") }
        var changes: [DomainChange] = []
        for element in elements {
            changes.append(
                try DomainChange(json: element) { (name) throws(DomainRecordError) in
                    if let binary = known[name] { return binary }
                    let binary: Binary
                    do { binary = try code.read(name) } catch {
                        // Removed when nothing named it any more, as a later record will say, or missing.
                        return Binary(digest: name, bytes: [])
                    }
                    guard digest(binary.bytes) == name else {
                        throw DomainRecordError("\(code.directory)/\(name): the content is not what its name says")
                    }
                    known[name] = binary
                    return binary
                })
        }
        return changes
    }

    // MARK: - Committing

    /// Why nothing can be stored at present; nil while all is well.
    package var failure: String? { journal.failed ?? code.failure }

    /// Commits changes in one transaction, durable on return; after a failure the store is first made anew from `before`.
    ///
    /// - Parameter before: all that is durable already.
    package func commit(_ changes: [DomainChange], before: DomainRecords) throws(StorageError) {
        guard !changes.isEmpty else { return }
        for case .instance(let record) in changes {
            if let binary = record.specification.binary { try code.store(binary) }
        }
        if journal.failed != nil { try rebuild(before) }
        try journal.append(Self.records(of: changes))
    }

    /// Does what can wait: heals the store after a failure, writes the domain anew after many records, empties SQLite's log.
    package func maintain(_ records: DomainRecords, isIdle: Bool) {
        do throws(StorageError) {
            if isIdle { try maintainCode(records) }
            if journal.failed != nil {
                guard isIdle else { return }
                try rebuild(records)
            }
            // A large domain costs more to write anew, and is so the less often.
            let limit =
                isIdle
                ? max(Self.recordsWhenIdle, records.instances.count / 2)
                : max(Self.recordsWhenBusy, 2 * records.instances.count)
            if journal.recordsSinceSnapshot >= limit {
                try journal.compact(snapshot: Self.record(of: records.snapshot), retaining: 1)
                try retainCode(records)
            }
            if isIdle { try journal.maintain() }
            reported = nil
        } catch {
            guard reported != error.description else { return }
            reported = error.description
            report(error.description)
        }
    }

    /// Closes the files.
    package func close(_ records: DomainRecords) {
        do throws(StorageError) {
            if journal.failed != nil { try rebuild(records) }
            try journal.close()
        } catch {
            report(error.description)
        }
    }

    /// Removes the code that no function has, now and then; sooner, and to see whether it can be stored again, where some could
    /// not be.
    private func maintainCode(_ records: DomainRecords) throws(StorageError) {
        idleTurns += 1
        guard idleTurns >= (code.failure == nil ? Self.idleTurnsKept : Self.idleTurnsFailed) else { return }
        idleTurns = 0
        try retainCode(records)
        let failure = code.failure
        // Told once, whatever the outcome of further attempts.
        if let failure, failure != reportedCode { report(failure) }
        reportedCode = failure
        try? code.retry()
    }

    private static let idleTurnsFailed = 4

    /// Removes the code that no function has.
    private func retainCode(_ records: DomainRecords) throws(StorageError) {
        try code.retain(Set(records.instances.values.compactMap(\.specification.binary?.digest)))
    }

    /// How often the store is idle, twice a second, before it looks for code that no function has.
    private static let idleTurnsKept = 60

    private func rebuild(_ records: DomainRecords) throws(StorageError) {
        try journal.rebuild(snapshot: Self.record(of: records.snapshot))
        report("the store was made anew from memory after a failure: \(journal.files.database)")
    }

    private static func record(of changes: some Collection<DomainChange>) -> [UInt8] {
        var writer = JSONWriter(capacity: 256 * changes.count)
        writer.array { array in for change in changes { change.write(to: &array) } }
        return writer.bytes
    }

    /// Several records where there are many changes, so that none grows beyond what the journal takes: a change alone is within
    /// its limit, as requests have one for their text.
    private static func records(of changes: [DomainChange]) -> [[UInt8]] {
        stride(from: 0, to: changes.count, by: changesPerRecord).map {
            record(of: changes[$0..<min($0 + changesPerRecord, changes.count)])
        }
    }

    private static let changesPerRecord = 32
}

extension Specification {
    /// The code that travels with it.
    fileprivate var binary: Binary? {
        guard case .function(let function) = self else { return nil }
        return function.functionClass.binary
    }
}
