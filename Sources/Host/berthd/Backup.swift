import Glibc
import Ledger
import LedgerStore
import Service
import Storage

/// A copy that an operator made of the state: a `ledger.last-good`, a `ledger.db`, or a directory with such files.
struct Backup {
    let ledger: Ledger
    /// What it is, for people.
    let source: String
    /// Why a better part of the copy was not used.
    let warnings: [String]

    /// A copy that cannot be used, and why.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
    }

    /// Reads a copy, without changing it.
    ///
    /// - Throws: ``Unusable`` where it is corrupt or something else; `StorageError` or `SystemError` where it cannot be
    ///   read.
    init(_ path: String) throws {
        var status = stat()
        guard stat(path, &status) == 0 else { throw SystemError("open \(path)", errno: errno) }
        if status.st_mode & S_IFMT == S_IFDIR {
            try self.init(directory: path, name: path)
            return
        }
        let bytes = try readBytes(path, limit: 1 << 30, mustBeRegular: true)
        let temporary = try TemporaryPaths(environment: processEnvironment(), name: "berth-backup")
        defer { temporary.remove() }
        let files = StoreFiles(directory: temporary.directory, name: LedgerStore.name)
        if bytes.starts(with: Array("BERTHLG".utf8)) {
            try writeDurably(bytes, to: files.lastGood)
        } else if bytes.starts(with: Array("SQLite format 3\0".utf8)) {
            try writeDurably(bytes, to: files.database)
            do throws(SystemError) {
                try writeDurably(try readBytes("\(path)-wal", limit: 1 << 30, mustBeRegular: true), to: files.log)
            } catch {
                guard error.isAbsence else { throw error }
            }
        } else {
            let hint = bytes.first == UInt8(ascii: "{") ? "; a state.json is restored with --from-state" : ""
            throw Unusable(description: "\(path): is neither a ledger.last-good nor a ledger.db\(hint)")
        }
        try self.init(directory: temporary.directory, name: path)
    }

    /// The database where it is sound, else the last good state beside it.
    private init(directory: String, name: String) throws {
        let files = StoreFiles(directory: directory, name: LedgerStore.name)
        func named(_ text: String) -> String { text.replacing("\(directory)/", with: "\(name): ") }
        var problem: String?
        if access(files.database, F_OK) == 0 {
            switch try LedgerStore.read(files) {
            case .sound(let ledger, let seq):
                self.init(ledger: ledger, source: "the database of \(name) (record \(seq))", warnings: [])
                return
            case .refused(let error): problem = named("\(error)")
            case .fresh: break
            }
        }
        guard access(files.lastGood, F_OK) == 0 else {
            throw Unusable(
                description: problem
                    ?? "\(name): there is neither \(LedgerStore.name).db nor \(LedgerStore.name).last-good in it")
        }
        do {
            let lastGood = try files.readLastGood()
            self.init(
                ledger: try Ledger(snapshot: lastGood.snapshot),
                source: "the state of \(lastGood.timeText) in \(name) (record \(lastGood.seq))",
                warnings: problem.map { [$0] } ?? [])
        } catch let error as StorageError {
            guard case .corrupt = error.reason else { throw error }
            throw Unusable(description: named("\(error)"))
        } catch let error as RecordError {
            throw Unusable(description: "\(name): \(error)")
        }
    }

    private init(ledger: Ledger, source: String, warnings: [String]) {
        self.ledger = ledger
        self.source = source
        self.warnings = warnings
    }
}

extension LastGood {
    /// When it was stored, for people.
    var timeText: String { timestamp(Int(time) * 1000) }
}
