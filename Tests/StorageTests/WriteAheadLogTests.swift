import CSQLite
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
            #expect(read.tail == (length == 0 ? .clean : .unfinished(bytes: length)))
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
        let image = try SQLiteImage(database: database, log: Array(log.dropLast(100)), files: session.files)
        #expect(image.recovered.droppedBytes == 2 * 4_120 - 100)
        #expect(Model(image.recovered) == session.models[5])
    }
}
