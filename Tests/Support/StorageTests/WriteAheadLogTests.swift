import CSQLite
import Glibc
import Testing

@testable import Storage

@Suite struct WriteAheadLogTests {
    /// A database and its log with commits in it.
    private func store() throws -> (session: Session, database: [UInt8], log: [UInt8]) {
        let session = try Session((1...6).map { .append([payload($0)]) }, close: false)
        var (database, log) = (session.database, session.log)
        for operation in session.operations {
            if operation.isLog { log.apply(operation) } else { database.apply(operation) }
        }
        return (session, database, log)
    }

    private func put(_ number: UInt32, _ log: inout [UInt8], at offset: Int) {
        withUnsafeBytes(of: number.bigEndian) { log.replaceSubrange(offset..<offset + 4, with: $0) }
    }

    /// The log as a machine of the other byte order writes it.
    private func otherByteOrder(_ log: [UInt8]) -> [UInt8] {
        var other = log
        other[3] ^= 1
        let bigEndian = other[3] & 1 == 1
        var sum = WriteAheadLog.Checksum()
        sum.add(other, 0..<24, bigEndian: bigEndian)
        put(sum.first, &other, at: 24)
        put(sum.second, &other, at: 28)
        for frame in stride(from: 32, to: log.count, by: 4_120) {
            sum.add(other, frame..<frame + 8, bigEndian: bigEndian)
            sum.add(other, frame + 24..<frame + 4_120, bigEndian: bigEndian)
            put(sum.first, &other, at: frame + 16)
            put(sum.second, &other, at: frame + 20)
        }
        return other
    }

    @Test("a log of either byte order reads as SQLite itself reads it")
    func byteOrders() throws {
        let (session, database, log) = try store()
        for log in [log, otherByteOrder(log)] {
            let loader = Loader(session.files)
            #expect(loader.load(database, log) == .success(try #require(session.models.last)))
            let folder = try ScratchFolder()
            let path = "\(folder.path)/copy.db"
            try FileIO.writeNew(path, database)
            try FileIO.writeNew("\(path)-wal", log)
            let connection = try Connection(path, flags: SQLITE_OPEN_READWRITE)
            try connection.set("locking_mode", "EXCLUSIVE", reads: "exclusive")
            #expect(try connection.text("SELECT count(*) FROM record") == "6")
        }
    }

    @Test("a header alone, whole or not, holds nothing; a bad one with frames behind it is damage")
    func headers() throws {
        let (session, _, log) = try store()
        for length in 0...32 {
            var short = Array(log.prefix(length))
            if length == 32 { short[9] ^= 4 }
            let read = try WriteAheadLog(short, file: session.files.log)
            #expect(read.databasePages == 0)
            let end = (short.lastIndex { $0 != 0 } ?? -1) + 1
            #expect(read.tail == (end == 0 ? .clean : .unfinished(bytes: end)))
        }
        for offset in 0..<32 {
            var bad = log
            bad[offset] ^= 0x10
            #expect(throws: Damage.self) { try WriteAheadLog(bad, file: session.files.log) }
        }
    }

    @Test("what a transaction in flight leaves is counted as dropped")
    func dropped() throws {
        let (session, database, log) = try store()
        let torn = Array(log.dropLast(100))
        let image = try SQLiteImage(database: database, log: torn, files: session.files)
        let end = try #require(torn.lastIndex { $0 != 0 }) + 1
        #expect(image.recovered.droppedBytes == end - (log.count - 2 * 4_120))
        #expect(Model(image.recovered) == session.models[5])
    }

    /// A store whose last commit ends in a zero byte, which a crash could have left.
    private func endingInZero() throws -> (session: Session, database: [UInt8], log: [UInt8], end: Int) {
        var chain: UInt64 = 0
        for number in 1...2 {
            chain = payload(number).withUnsafeBytes {
                RecordChain.next(after: chain, seq: Int64(number), kind: .event, part: $0)
            }
        }
        let third = try #require(
            (3...5_000).map { payload($0) }.first { payload in
                let next = payload.withUnsafeBytes { RecordChain.next(after: chain, seq: 3, kind: .event, part: $0) }
                return RecordChain.headCheck(seq: 3, chain: next, state: .open) & 0xFF == 0
            })
        let session = try Session(
            [.append([payload(1)]), .append([payload(2)]), .append([third])], close: false, logSpace: 32 << 10)
        var (database, log) = (session.database, session.log)
        for operation in session.operations {
            if operation.isLog { log.apply(operation) } else { database.apply(operation) }
        }
        let end = 32 + 6 * 4_120
        #expect(log[end - 1] == 0 && log[end - 2] != 0 && log.count > end)
        return (session, database, log, end)
    }

    @Test("a last commit that ends in zeros by itself is not taken for a torn one when a byte of it is changed")
    func naturalZeros() throws {
        let (session, database, log, end) = try endingInZero()
        let loader = Loader(session.files)
        let right = try #require(session.models.last)
        #expect(loader.load(database, log) == .success(right))
        for offset in end - 2 * 4_120..<end {
            for byte in [log[offset] ^ 1, log[offset] ^ 0x80, 0] where byte != log[offset] {
                var changed = log
                changed[offset] = byte
                switch loader.load(database, changed) {
                case .success(let model): #expect(model == right && offset >= end - 8, "byte \(offset) = \(byte)")
                case .failure: break
                }
            }
        }
    }

    @Test("the last bytes of a commit are put back, in the file too, where its checksum tells what they were")
    func completion() throws {
        let (session, database, log, end) = try endingInZero()
        for missing in 1...12 {
            let torn = Array(log.prefix(end - missing))
            let folder = try ScratchFolder()
            try FileIO.prepareFolder(folder.files.folder)
            try FileIO.writeNew(folder.files.database, database)
            try FileIO.writeNew(
                folder.files.log, torn + [UInt8](repeating: 0, count: missing.isMultiple(of: 2) ? 99 : 0))
            let expected = session.models[missing < 8 ? 3 : 2]
            let fail: @Sendable (FileIO.Step, String) -> Int32? = { step, _ in step == .sync ? EIO : nil }
            if (2..<8).contains(missing) {
                #expect(throws: StorageError.self) {
                    try FileIO.$interposer.withValue(fail) { _ = try Journal.open(folder.files) }
                }
            }
            for _ in 1...2 {
                let (journal, recovered) = try Journal.open(folder.files)
                #expect(Model(recovered) == expected, "\(missing) bytes missing")
                #expect(recovered.droppedBytes == 0 || missing >= 8)
                withExtendedLifetime(journal) {}
            }
        }
    }
}
