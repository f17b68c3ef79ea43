import CSQLite
import TestSupport
import Testing

@testable import Storage

@Suite struct CorruptionTests {
    /// A store with history, a snapshot and events on both sides of a checkpoint; killed with several commits in the log, or
    /// closed.
    private static func store(closed: Bool) throws -> (database: [UInt8], log: [UInt8], models: [Model]) {
        let steps: [Step] = [
            .append((1...12).map { payload($0, length: 700) }), .compact, .append([payload(13)]), .checkpoint,
            .append([payload(14)]), .append([payload(15), payload(16, length: 9_000)]), .append([payload(17)]),
        ]
        let session = try Session(steps, close: closed)
        let (database, log) = session.final
        return (database, log, session.models)
    }

    /// Where the last transaction of a log starts: behind the last commit but one. Frames of older generations, which have
    /// other salts, may follow it.
    private static func startOfLast(_ log: [UInt8]) -> Int {
        let frames = stride(from: 32, to: log.count, by: 4_120).prefix { log[$0 + 8..<$0 + 16] == log[16..<24] }
        let commits = frames.filter { log[$0 + 4..<$0 + 8].contains { $0 != 0 } }
        return (commits.dropLast().last ?? 32 - 4_120) + 4_120
    }

    @Test(
        "a changed byte anywhere gives the right content or an error that names a file; only in the last transaction of the log may it give the content before",
        arguments: [true, false])
    func flips(_ closed: Bool) throws {
        let (database, log, models) = try Self.store(closed: closed)
        let loader = try Loader()
        let right = try #require(models.last)
        #expect(loader.load(database, log) == .success(right))
        let seed = UInt64.random(in: 0...9_999_999)
        print("flips: seed \(seed)")
        var random = SeededRandom(seed: seed)
        var (refused, harmless, dropped) = (0, 0, 0)

        func check(_ database: [UInt8], _ log: [UInt8], mayDrop: Bool, _ what: String) {
            switch loader.load(database, log) {
            case .success(let model):
                if model == right {
                    harmless += 1
                } else if mayDrop && model == models[models.count - 2] {
                    dropped += 1
                } else {
                    Issue.record("wrong content: seed \(seed), \(what)")
                }
            case .failure(let corruption):
                refused += 1
                if corruption.file != loader.files.database && corruption.file != loader.files.log {
                    Issue.record("names no file of the store: \(corruption), \(what)")
                }
            }
        }
        func patterns(_ byte: UInt8) -> [UInt8] {
            [byte ^ 1, byte ^ 0x80, byte ^ 0xFF, 0, UInt8.random(in: 0...255, using: &random)].filter { $0 != byte }
        }
        // All of both headers and of the first bytes of each page; a sample of the rest.
        var changed = database
        for offset in database.indices
        where exhaustive || offset % 4_096 < 40 || offset < 110 || Int.random(in: 0..<24, using: &random) == 0 {
            for byte in patterns(database[offset]).shuffled(using: &random).prefix(exhaustive || offset < 100 ? 5 : 1) {
                changed[offset] = byte
                check(changed, log, mayDrop: false, "database byte \(offset) = \(byte)")
            }
            changed[offset] = database[offset]
        }
        let databaseRefused = refused
        changed = log
        let last = Self.startOfLast(log)
        for offset in log.indices
        where exhaustive || (offset - 32) % 4_120 < 30 || Int.random(in: 0..<24, using: &random) == 0 {
            for byte in patterns(log[offset]).shuffled(using: &random).prefix(
                exhaustive || (offset - 32) % 4_120 < 30 ? 5 : 1)
            {
                changed[offset] = byte
                let before = refused
                check(database, changed, mayDrop: offset >= last, "log byte \(offset) = \(byte)")
                // Sequence numbers of checkpoints and the like mean nothing to the content, yet are part of checksums.
                if refused == before && offset < last {
                    Issue.record("a change of log byte \(offset) went unnoticed: seed \(seed)")
                }
            }
            changed[offset] = log[offset]
        }
        print("flips: \(refused) refused, \(harmless) harmless, \(dropped) dropped")
        #expect(databaseRefused > 300 && (closed || refused - databaseRefused > 300))
        #expect(closed ? dropped == 0 : dropped > 50)
    }

    @Test("a database cut anywhere is corrupt, a log cut anywhere is corrupt or ends with a whole transaction")
    func cuts() throws {
        let (database, log, models) = try Self.store(closed: false)
        let loader = try Loader()
        var refused = 0
        for length in stride(from: 0, to: database.count, by: 61) {
            switch loader.load(Array(database.prefix(length)), log) {
            case .success(let model): #expect(model == models.last, "cut at \(length)")
            case .failure: refused += 1
            }
        }
        #expect(refused > 50)
        var shortest = models.count
        for length in 0..<log.count where length % 31 == 0 || (length - 32) % 4_120 == 0 {
            let model = try loader.load(database, Array(log.prefix(length))).get()
            let index = try #require(models.lastIndex(of: model), "cut at \(length)")
            // The stated exception: what is cut off at the end looks like what a crash left out; nothing else is missing.
            shortest = min(shortest, index)
        }
        #expect(shortest == 4)
    }

    @Test("a missing file is corruption, except a log after a clean end, and nothing is changed or made")
    func missing() throws {
        for closed in [true, false] {
            let (database, _, models) = try Self.store(closed: closed)
            let directory = try ScratchDirectory()
            try FileIO.prepareDirectory(directory.files.directory)
            try put(database, at: directory.files.database)
            if closed {
                let (_, recovered) = try Journal.open(directory.files)
                #expect(Model(recovered) == models.last)
            } else {
                let error = #expect(throws: StorageError.self) { try Journal.open(directory.files) }
                guard case .corrupt(let corruption) = error?.reason else {
                    Issue.record("\(String(describing: error))")
                    continue
                }
                #expect(corruption.kind == .missing && corruption.file == directory.files.log)
                #expect(try directory.files.inspect() == .corrupt(corruption))
                #expect(names(in: directory.files.directory) == ["ledger.db"])
                #expect(try bytes(of: directory.files.database) == database)
            }
        }
        for rest in ["ledger.db-wal", "ledger.last-good", "ledger.created"] {
            let directory = try ScratchDirectory()
            try FileIO.prepareDirectory(directory.files.directory)
            #expect(try directory.files.inspect() == .fresh)
            try put([], at: "\(directory.files.directory)/\(rest)")
            guard case .corrupt(let corruption) = try directory.files.inspect() else {
                Issue.record("\(rest) alone is not corrupt")
                continue
            }
            #expect(corruption.kind == .missing && corruption.file == directory.files.database)
            #expect(throws: StorageError.self) { try Journal.open(directory.files) }
            #expect(names(in: directory.files.directory) == [rest])
        }
    }

    @Test("a block of zeros in the middle of the log is corruption: what follows it waited for its sync")
    func blankedBlock() throws {
        let (database, log, models) = try Self.store(closed: false)
        let loader = try Loader()
        let last = Self.startOfLast(log)
        for size in [512, 4_096] {
            for start in stride(from: 0, to: log.count, by: size) {
                var blank = log
                for offset in start..<min(start + size, log.count) { blank[offset] = 0 }
                guard blank != log else { continue }
                // In the last transaction it is what a power loss leaves. A block that has the end of the one before as well
                // leaves nothing that would tell of the last one.
                switch loader.load(database, blank) {
                case .success(let model):
                    let earliest = start >= last ? models.count - 2 : models.count - 3
                    #expect(start + size > last && models[earliest...].contains(model), "block at \(start)")
                case .failure: #expect(start < last, "block at \(start)")
                }
            }
        }
    }

    @Test(
        "records that were changed, deleted or added in a sound database are corruption",
        arguments: [
            ("DELETE FROM record WHERE seq = 14", "after number 13"),
            ("DELETE FROM record WHERE seq = 11", "after number 10"),
            ("UPDATE record SET payload = x'00' WHERE seq = 12", "record 12"),
            ("UPDATE record SET kind = 2 WHERE seq = 15", "record 15"),
            ("UPDATE record SET payload = x'00' WHERE seq = 13", "record 13"),
            ("UPDATE record SET checksum = (SELECT checksum FROM record WHERE seq = 14) WHERE seq = 15", "record 15"),
            ("DELETE FROM record WHERE seq = 18", "end at number 17"),
            ("UPDATE store SET state = 'x'", "table store"),
            ("UPDATE store SET last = 40", "end at number 18"),
            ("DELETE FROM store", "table store"),
            ("CREATE TABLE other(a)", "its tables"),
        ])
    func rows(_ change: String, _ message: String) throws {
        let directory = try ScratchDirectory()
        let (database, _, models) = try Self.store(closed: true)
        try FileIO.prepareDirectory(directory.files.directory)
        try put(database, at: directory.files.database)
        #expect(try Journal.open(directory.files).recovered.events.count == (models.last?.events.count ?? 0) - 12)
        do {
            let connection = try Connection(directory.files.database, flags: SQLITE_OPEN_READWRITE)
            try connection.run(change)
            #expect(sqlite3_changes(connection.handle) == 1 || change.hasPrefix("CREATE"))
        }
        let before = try bytes(of: directory.files.database)
        let error = #expect(throws: StorageError.self) { try Journal.open(directory.files) }
        #expect(error?.description.contains(message) == true, "\(String(describing: error))")
        #expect(try bytes(of: directory.files.database) == before)
    }

    @Test(
        "a file of another application, of a newer version, or with a foreign journal beside it is named and left alone"
    )
    func foreign() throws {
        let directory = try ScratchDirectory()
        let files = directory.files
        try Journal.open(files).journal.close()
        let other = StoreFiles(directory: files.directory, name: files.name, applicationID: 7)
        guard case .corrupt(let corruption) = try other.inspect() else {
            Issue.record("taken for its own")
            return
        }
        #expect(corruption.kind == .foreign)
        do {
            let connection = try Connection(files.database, flags: SQLITE_OPEN_READWRITE)
            try connection.run("PRAGMA user_version = 3")
        }
        let newer = try bytes(of: files.database)
        let error = #expect(throws: StorageError.self) { try Journal.open(files) }
        guard case .corrupt(let reason) = error?.reason else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason.kind == .newer && reason.what.contains("schema number 3, newer than 2"))
        #expect(try files.inspect() == .corrupt(reason))
        #expect(try bytes(of: files.database) == newer)
        do {
            let connection = try Connection(files.database, flags: SQLITE_OPEN_READWRITE)
            try connection.run("PRAGMA user_version = 2")
        }
        #expect(try Journal.open(files).recovered == .empty)
        try put([1], at: files.rollbackJournal)
        #expect(throws: StorageError.self) { try Journal.open(files) }
        #expect(try bytes(of: files.rollbackJournal) == [1])
    }

    @Test("a record of an unknown kind with a right checksum is refused as newer")
    func unknownKind() throws {
        let directory = try ScratchDirectory()
        try Journal.open(directory.files).journal.close()
        do {
            let sum = [1, 2].withUnsafeBytes {
                StoredRecord.checksum(seq: 1, kind: 9, payload: UnsafeRawBufferPointer(rebasing: $0[..<0]))
            }
            let connection = try Connection(directory.files.database, flags: SQLITE_OPEN_READWRITE)
            try connection.run("INSERT INTO record VALUES (1, 9, x'', \(Int64(bitPattern: sum)))")
            try connection.run("UPDATE store SET last = 1")
        }
        guard case .corrupt(let corruption) = try directory.files.inspect() else {
            Issue.record("not refused")
            return
        }
        #expect(corruption.kind == .newer)
    }
}
