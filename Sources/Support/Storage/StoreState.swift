/// The content of a store as its files say.
package struct Recovered: Sendable, Hashable {
    /// The last snapshot; nil where none was written yet.
    package internal(set) var snapshot: [UInt8]?
    /// The events after it, in order.
    package internal(set) var events: [[UInt8]]
    /// The number of the last row of the log; 0 where it is empty.
    package internal(set) var seq: Int64
    /// The checksum chained over all rows from the snapshot to `seq`.
    package internal(set) var chain: UInt64
    /// Bytes of a transaction that a crash cut off before it was acknowledged, and which were dropped.
    package internal(set) var droppedBytes = 0

    static let empty = Recovered(snapshot: nil, events: [], seq: 0, chain: 0)
}

/// What the files of a store hold.
package enum StoreState: Sendable, Hashable {
    /// Nothing was ever stored here.
    case fresh
    /// Sound content.
    case recovered(Recovered)
    /// Content that cannot be trusted.
    case damaged(Damage)
}

extension StoreFiles {
    /// The largest database or log that is read, in bytes (1 GiB).
    static let sizeLimit = 1 << 30

    /// Reads the store without changing anything and without SQLite touching the files.
    ///
    /// Not while a `Journal` of the same process has it open: closing a second descriptor of a file drops the POSIX
    /// locks of the first.
    /// - Throws: `StorageError` where the files cannot be read, which says nothing about their content.
    package func inspect() throws(StorageError) -> StoreState {
        switch try load() {
        case .fresh: .fresh
        case .image(let image, _): .recovered(image.recovered)
        case .damaged(let damage): .damaged(damage)
        }
    }

    enum Loaded: Sendable {
        case fresh
        case image(SQLiteImage, database: FileIdentity)
        case damaged(Damage)
    }

    func load(schema: Schema = .current) throws(StorageError) -> Loaded {
        guard let (bytes, identity) = try FileIO.read(database, limit: Self.sizeLimit) else {
            for trace in [log, lastGood, marker] where try FileIO.exists(trace) {
                return .damaged(Damage(.missing, file: database, what: "is missing, although \(trace) exists"))
            }
            return .fresh
        }
        let frames = try FileIO.read(log, limit: Self.sizeLimit)?.bytes
        do throws(Damage) {
            let image = try SQLiteImage(database: bytes, log: frames, files: self, schema: schema)
            if try rollbackJournalExists() {
                throw Damage(
                    .foreign, file: rollbackJournal, what: "is not of Berth's making: another program wrote here")
            }
            return .image(image, database: identity)
        } catch {
            return .damaged(error)
        }
    }

    private func rollbackJournalExists() throws(Damage) -> Bool {
        do throws(StorageError) {
            return try FileIO.exists(rollbackJournal)
        } catch {
            throw Damage(.malformed, file: rollbackJournal, what: error.description)
        }
    }
}
