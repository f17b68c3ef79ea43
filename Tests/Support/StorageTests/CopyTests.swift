import CSQLite
import Glibc
import Synchronization
import Testing

@testable import Storage

/// Reading beside a daemon that has the store open.
@Suite struct CopyTests {
    @Test("the state is read while a journal has it open, without a change to the files")
    func reading() throws {
        let directory = try ScratchDirectory()
        let files = directory.files
        let (journal, _) = try Journal.open(files)
        try journal.append([payload(1)])
        try journal.maintain(above: 0)
        try journal.append([payload(2), payload(3)])
        func content() throws -> [[UInt8]?] { [try bytes(of: files.database), try bytes(of: files.log)] }
        let before = try content()
        let listing = names(in: files.directory)
        #expect(
            try files.inspect()
                == .recovered(Recovered(snapshot: nil, events: [payload(1), payload(2), payload(3)], seq: 3)))
        #expect(try files.records(after: 1, limit: 1).map(\.payload) == [payload(2)])
        #expect(try content() == before)
        #expect(names(in: files.directory) == listing)
        try journal.append([payload(4)])
        #expect(try files.records(after: 3, limit: 9).map(\.payload) == [payload(4)])
    }

    private final class Shared: Sendable {
        let acknowledged = Atomic<Int64>(0)
        let isDone = Atomic(false)
    }

    @Test(
        "whatever a busy writer does meanwhile, a reader finds a sound state no older than what was acknowledged before"
    )
    func busy() throws {
        let directory = try ScratchDirectory()
        let files = directory.files
        _ = try Journal.open(files)
        let shared = Shared()
        let writer = Worker {
            let (journal, _) = try Journal.open(files)
            var number = 0
            while !shared.isDone.load(ordering: .relaxed) {
                number += 1
                try journal.append([payload(number, length: number % 5 * 3_000)])
                if number % 7 == 0 { try journal.maintain(above: 0) }
                if number % 40 == 0 { try journal.compact(snapshot: payload(0), retaining: 60) }
                shared.acknowledged.store(journal.seq, ordering: .sequentiallyConsistent)
                if number % 10 == 0 { pause(milliseconds: 5) }
            }
        }
        var moved = 0
        for _ in 0..<60 {
            let before = shared.acknowledged.load(ordering: .sequentiallyConsistent)
            guard case .recovered(let found) = try files.inspect() else {
                Issue.record("\(try files.inspect())")
                break
            }
            #expect(found.seq >= before)
            if found.seq > before { moved += 1 }
        }
        #expect(waits { shared.acknowledged.load(ordering: .relaxed) > 100 })
        shared.isDone.store(true, ordering: .relaxed)
        try writer.join()
        #expect(moved > 0)
    }

    @Test("a copy of the files is private while it is used and gone afterwards")
    func temporary() throws {
        let directory = try ScratchDirectory()
        try Journal.open(directory.files).journal.close()
        var path = ""
        do {
            let copy = try StoreCopy.make(of: directory.files)
            path = copy.files.directory
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0o700)
            try put([], at: "\(path)/anything")
            #expect(stat(copy.files.database, &status) == 0 && status.st_mode & 0o7777 == 0o600)
        }
        #expect(access(path, F_OK) != 0)
    }

    @Test("SQLite reads a copy of the state without any help")
    func plainSQLite() throws {
        let directory = try ScratchDirectory()
        let (journal, _) = try Journal.open(directory.files)
        try journal.append([payload(1), payload(2)])
        let copy = "\(directory.path)/copy.db"
        try put(try #require(try bytes(of: directory.files.database)), at: copy)
        try put(try #require(try bytes(of: directory.files.log)), at: "\(copy)-wal")
        let connection = try Connection(copy, flags: SQLITE_OPEN_READWRITE)
        #expect(try connection.text("PRAGMA integrity_check") == "ok")
        #expect(try connection.text("SELECT count(*) FROM record") == "2")
        #expect(try connection.text("SELECT state FROM store") == "open")
    }
}
