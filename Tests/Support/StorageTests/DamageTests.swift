import TestSupport
import Testing

@testable import Storage

@Suite struct DamageTests {
    /// A store with a snapshot and events on both sides of a checkpoint; killed with several commits in the log, or closed.
    private static func store(closed: Bool, logSpace: Int = 0) throws -> (
        session: Session, database: [UInt8], log: [UInt8], models: [Model]
    ) {
        let steps: [Step] = [
            .append((1...12).map { payload($0, length: 700) }), .compact, .append([payload(13)]), .checkpoint,
            .append([payload(14)]), .append([payload(15), payload(16)]), .append([payload(17)]),
        ]
        let session = try Session(steps, close: closed, logSpace: logSpace)
        var (database, log) = (session.database, session.log)
        for operation in session.operations {
            if operation.isLog { log.apply(operation) } else { database.apply(operation) }
        }
        return (session, database, log, session.models)
    }

    @Test(
        "a changed byte anywhere gives the right content or an error that names a file, never less content",
        arguments: [(true, 0), (false, 0), (false, 48 << 10)])
    func flips(_ closed: Bool, _ logSpace: Int) throws {
        let (session, database, log, models) = try Self.store(closed: closed, logSpace: logSpace)
        let loader = Loader(session.files)
        let right = try #require(models.last)
        #expect(loader.load(database, log) == .success(right))
        let seed = UInt64.random(in: 0...9_999_999)
        print("flips: seed \(seed)")
        var random = SeededRandom(seed: seed)
        var (refused, harmless) = (0, 0)

        func check(_ database: [UInt8], _ log: [UInt8], _ what: String) {
            switch loader.load(database, log) {
            case .success(let model):
                harmless += 1
                if model != right { Issue.record("wrong content: seed \(seed), \(what)") }
            case .failure(let damage):
                refused += 1
                if damage.file != session.files.database && damage.file != session.files.log {
                    Issue.record("names no file of the store: \(damage), \(what)")
                }
            }
        }
        func patterns(_ byte: UInt8) -> [UInt8] {
            [byte ^ 1, byte ^ 0x80, byte ^ 0xFF, 0, UInt8.random(in: 0...255, using: &random)].filter { $0 != byte }
        }
        // All of both headers and of the first bytes of each page; a sample of the rest.
        var changed = database
        for offset in database.indices
        where exhaustive || offset % 4_096 < 110 || Int.random(in: 0..<24, using: &random) == 0 {
            for byte in patterns(database[offset]).shuffled(using: &random).prefix(exhaustive || offset < 100 ? 5 : 1) {
                changed[offset] = byte
                check(changed, log, "database byte \(offset) = \(byte)")
            }
            changed[offset] = database[offset]
        }
        changed = log
        // Zeros written ahead lie behind the last commit: a change there may pass, and so may one that is put right.
        let end = (log.lastIndex { $0 != 0 } ?? -1) + 1
        for offset in end..<log.count where exhaustive || offset < end + 50 || offset.isMultiple(of: 97) {
            changed[offset] = UInt8.random(in: 1...255, using: &random)
            check(database, changed, "log byte \(offset), behind the end")
            changed[offset] = 0
        }
        for offset in 0..<end
        where exhaustive || offset < 32 || (offset - 32) % 4_120 < 40 || Int.random(in: 0..<8, using: &random) == 0 {
            for byte in patterns(log[offset]).shuffled(using: &random).prefix(
                exhaustive || (offset - 32) % 4_120 < 40 ? 5 : 1)
            {
                changed[offset] = byte
                let before = refused
                check(database, changed, "log byte \(offset) = \(byte)")
                if refused == before && (byte != 0 || offset < end - 1) {
                    Issue.record("a change of log byte \(offset) went unnoticed: seed \(seed)")
                }
            }
            changed[offset] = log[offset]
        }
        print("flips: \(refused) refused, \(harmless) harmless")
        #expect(refused > 500)
    }

    @Test("a database cut anywhere is damage, a log cut anywhere is damage or ends with a whole transaction")
    func cuts() throws {
        let (session, database, log, models) = try Self.store(closed: false)
        let loader = Loader(session.files)
        for length in stride(from: 0, to: database.count, by: 61) {
            switch loader.load(Array(database.prefix(length)), log) {
            case .success(let model): #expect(model == models.last, "cut at \(length)")
            case .failure: break
            }
        }
        var shortest = models.count
        for length in 0..<log.count where length % 31 == 0 || (length - 32) % 4_120 == 0 {
            let model = try loader.load(database, Array(log.prefix(length))).get()
            let index = try #require(models.lastIndex(of: model), "cut at \(length)")
            // The stated exception: what is cut off at the end looks like what a crash left out; nothing else is missing.
            shortest = min(shortest, index)
        }
        #expect(shortest == 4)
    }

    @Test("a missing file is damage, except a log after a clean end")
    func missing() throws {
        for closed in [true, false] {
            let (session, database, _, models) = try Self.store(closed: closed)
            switch Loader(session.files).load(database, nil) {
            case .success(let model): #expect(closed && model == models.last)
            case .failure(let damage): #expect(!closed && damage.kind == .missing && damage.file == session.files.log)
            }
        }
        for rest in ["ledger.db-wal", "ledger.last-good", "ledger.created"] {
            let folder = try ScratchFolder()
            try FileIO.prepareFolder(folder.files.folder)
            #expect(try folder.files.inspect() == .fresh)
            try put([], at: "\(folder.files.folder)/\(rest)")
            guard case .damaged(let damage) = try folder.files.inspect() else {
                Issue.record("\(rest) alone is not damage")
                continue
            }
            #expect(damage.kind == .missing && damage.file == folder.files.database)
            #expect(throws: StorageError.self) { try Journal.open(folder.files) }
            #expect(names(in: folder.files.folder) == [rest])
        }
    }

    @Test("a block of zeros in the middle of the log is damage: what follows it waited for its sync")
    func blankedBlock() throws {
        let (session, database, log, models) = try Self.store(closed: false)
        let loader = Loader(session.files)
        for start in stride(from: 0, to: log.count, by: 4_096) {
            var blank = log
            for offset in start..<min(start + 4_096, log.count) { blank[offset] = 0 }
            // In the last transaction it is what a power loss leaves.
            let last = start >= log.count - 2 * 4_120
            switch loader.load(database, blank) {
            case .success(let model): #expect(last && model == models[models.count - 2], "block at \(start)")
            case .failure: #expect(!last, "block at \(start)")
            }
        }
    }

    @Test(
        "no block of a transaction is blank, nor would be with one byte changed: else damage could pass for a power loss"
    )
    func noBlankBlocks() throws {
        let seed = UInt64.random(in: 0...9_999_999)
        print("no blank blocks: seed \(seed)")
        var random = SeededRandom(seed: seed)
        var steps: [Step] = []
        for number in 1...(exhaustive ? 900 : 150) {
            let sizes = [0, 8, 60, 200, 1_500, 4_000, 4_001, 13_000]
            let count = [1, 1, 1, 2, 8].randomElement(using: &random) ?? 1
            steps.append(
                .append(
                    (0..<count).map { _ in
                        // Zeros are the worst payload.
                        [UInt8](repeating: 0, count: sizes.randomElement(using: &random) ?? 0)
                    }))
            if number % 110 == 0 { steps.append(.compact) }
        }
        let session = try Session(steps)
        var log = session.log
        var synced = 0
        var frames = 0
        for operation in session.operations where operation.isLog {
            log.apply(operation)
            if operation.isTruncate { synced = 0 }
            guard operation.isSync, log.count > synced else { continue }
            if log.count > 32 && log.suffix(8).count(where: { $0 != 0 }) < 2 {
                Issue.record("seed \(seed), end of the commit at \(log.count)")
            }
            for frame in stride(from: max(32, synced), to: log.count, by: 4_120) {
                frames += 1
                let starts = [frame, frame + 24].filter { 4_096 - $0 % 4_096 >= 16 }
                let blocks = stride(from: (frame + 4_095) / 4_096 * 4_096, to: frame + 4_120, by: 4_096)
                for start in starts + blocks {
                    let end = min((start / 4_096 + 1) * 4_096, log.count)
                    var offset = start
                    var nonzero = 0
                    while offset < end && nonzero < 2 {
                        if log[offset] != 0 { nonzero += 1 }
                        offset += 1
                    }
                    if nonzero < 2 { Issue.record("seed \(seed), frame at \(frame), from \(start)") }
                }
            }
            if synced > 0 { #expect(synced % 4_096 != 4_088) }
            synced = log.count
        }
        #expect(frames > 500)
    }

    @Test(
        "a file of another application, of a newer version, or with a foreign journal beside it is named and left alone"
    )
    func foreign() throws {
        let folder = try ScratchFolder()
        let files = folder.files
        try Journal.open(files).journal.close()
        let other = StoreFiles(folder: files.folder, name: files.name, applicationID: 7)
        guard case .damaged(let damage) = try other.inspect() else {
            Issue.record("taken for its own")
            return
        }
        #expect(damage.kind == .foreign)
        var newer = try #require(try bytes(of: files.database))
        newer[63] = 9
        try put(newer, at: files.database)
        let error = #expect(throws: StorageError.self) { try Journal.open(files) }
        #expect(error?.description.contains("schema number 9, newer than 1") == true)
        #expect(try bytes(of: files.database) == newer)
        newer[63] = 1
        try put(newer, at: files.database)
        try put([1], at: files.rollbackJournal)
        #expect(throws: StorageError.self) { try Journal.open(files) }
    }
}
