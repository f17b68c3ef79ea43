/// What the files of a store hold.
package enum StoreState: Sendable, Hashable {
    /// Nothing was ever stored here.
    case fresh
    /// Sound content.
    case recovered(Recovered)
    /// Content that cannot be trusted.
    case corrupt(Corruption)
}

extension StoreFiles {
    /// Reads and checks the store without changing anything, also while a `Journal` of another process has it open.
    ///
    /// Not while one of the same process has it open: closing a second descriptor of a file drops the POSIX locks of the
    /// first.
    /// - Throws: `StorageError` where the files cannot be read, which says nothing about their content.
    package func inspect() throws(StorageError) -> StoreState {
        do throws(StorageError) {
            return try readCopy { .recovered($0.recovered) } ?? .fresh
        } catch {
            if case .corrupt(let corruption) = error.reason { return .corrupt(corruption) }
            throw error
        }
    }

    /// Up to `limit` records with numbers above `seq`, in order; like ``inspect()``.
    /// - Throws: `StorageError`, with reason `corrupt` where the content cannot be trusted.
    package func records(after seq: Int64, limit: Int) throws(StorageError) -> [StoredRecord] {
        try readCopy { (database) throws(StorageError) in try database.records(after: seq, limit: limit) } ?? []
    }

    /// The number after which the newest `count` events come, 0 where there are fewer; like ``inspect()``.
    package func start(ofNewestEvents count: Int) throws(StorageError) -> Int64 {
        try readCopy { (database) throws(StorageError) in
            try database.start(ofNewestEvents: count, upTo: database.last)
        } ?? 0
    }

    /// Hands over a checked copy of the files; nil where nothing was ever stored.
    private func readCopy<R>(
        _ body: (OpenDatabase) throws(StorageError) -> R
    ) throws(StorageError) -> R? {
        var attempts = 3
        while true {
            attempts -= 1
            guard try !isFresh() else { return nil }
            do throws(StorageError) {
                let copy = try StoreCopy.make(of: self)
                return try body(
                    OpenDatabase(copy.files, copyOf: self, payloadLimit: Journal.payloadLimit))
            } catch {
                // The clock of a file system is coarse: a change during the copy may have escaped it.
                guard attempts > 0, case .corrupt = error.reason else { throw error }
                pause(milliseconds: 20)
            }
        }
    }

    /// Whether nothing was ever stored here.
    /// - Throws: `StorageError`, with reason `corrupt` where the database is missing and there are traces of it.
    package func isFresh() throws(StorageError) -> Bool {
        if try FileIO.exists(database) { return false }
        for trace in [log, lastGood, marker] where try FileIO.exists(trace) {
            throw StorageError(
                "open", file: database,
                .corrupt(Corruption(.missing, file: database, what: "is missing, although \(trace) exists")))
        }
        return true
    }

    /// Checks what SQLite would take as leave to change files when it opens them.
    /// - Parameter name: the path for errors.
    func checkHeader(name: String) throws(StorageError) {
        func corrupt(_ kind: Corruption.Kind, _ what: String) -> StorageError {
            StorageError("open", file: name, .corrupt(Corruption(kind, file: name, what: what)))
        }
        try checkRollbackJournal()
        let header = try FileReader(database).read(100, at: 0)
        guard header.count == 100 else { throw corrupt(.malformed, "is only \(header.count) bytes long") }
        guard header.starts(with: Array("SQLite format 3\0".utf8)) else {
            throw corrupt(.foreign, "is not a SQLite database")
        }
        // Pages of 4096 bytes, a write-ahead log, and the format that SQLite has written since 2005.
        guard header[16..<20].elementsEqual([0x10, 0, 2, 2]), header[44..<48].elementsEqual([0, 0, 0, 4]) else {
            throw corrupt(.malformed, "its header names another page size, journal mode or format")
        }
    }
}

extension StoreFiles {
    /// Berth leaves no rollback journal, and SQLite would change the database as it says.
    func checkRollbackJournal() throws(StorageError) {
        guard try FileIO.exists(rollbackJournal) else { return }
        let what = "is not of Berth's making: another program wrote here"
        throw StorageError(
            "open", file: rollbackJournal, .corrupt(Corruption(.foreign, file: rollbackJournal, what: what)))
    }
}

extension StorageError {
    static func missingLog(_ files: StoreFiles) -> StorageError {
        let what = "is missing, although the store was not closed"
        return StorageError("open", file: files.log, .corrupt(Corruption(.missing, file: files.log, what: what)))
    }
}
