import Testing

@testable import Storage

@Suite struct JournalTests {
    @Test("what was appended is there after reopening, closed or killed", arguments: [true, false])
    func appendAndReopen(_ close: Bool) throws {
        let directory = try ScratchDirectory()
        do {
            let (journal, recovered) = try Journal.open(directory.files)
            #expect(recovered == .empty)
            try journal.append([payload(1)])
            #expect(try journal.append([payload(2), payload(3, length: 0), payload(4, length: 9_000)]) == 2)
            #expect(journal.recordsSinceSnapshot == 4)
            if close { try journal.close() }
        }
        let (journal, recovered) = try Journal.open(directory.files)
        #expect(recovered.events == [payload(1), payload(2), payload(3, length: 0), payload(4, length: 9_000)])
        #expect(recovered.snapshot == nil)
        #expect(recovered.seq == 4)
        #expect(journal.seq == recovered.seq)
        #expect(journal.recordsSinceSnapshot == 4)
    }

    @Test("the last snapshot and the events after it are what is recovered, and the numbers go on")
    func compaction() throws {
        let directory = try ScratchDirectory()
        let state = payload(0, length: 20_000)
        do {
            let (journal, _) = try Journal.open(directory.files)
            for number in 1...100 { try journal.append([payload(number)]) }
            try journal.compact(snapshot: state, retaining: 1)
            #expect(journal.logBytes == 0)
            #expect(journal.recordsSinceSnapshot == 0)
            try journal.append([payload(101)])
        }
        let (journal, recovered) = try Journal.open(directory.files)
        #expect(recovered.snapshot == state)
        #expect(recovered.events == [payload(101)])
        #expect(recovered.seq == 102)
        try journal.compact(snapshot: [], retaining: 1)
        try journal.close()
        guard case .recovered(let last) = try directory.files.inspect() else {
            Issue.record("not recovered")
            return
        }
        #expect(last.snapshot == [])
        #expect(last.events == [])
    }

    @Test("compaction retains the newest records as history, which is read in pages and survives reopening")
    func history() throws {
        let directory = try ScratchDirectory()
        func check(_ records: [StoredRecord], _ first: Int64) {
            #expect(records.map(\.seq) == Array(first...23))
            for record in records {
                let isSnapshot = record.seq == 11 || record.seq == 22
                #expect(record.kind == (isSnapshot ? .snapshot : .event))
                #expect(record.payload == (isSnapshot ? payload(0) : payload(Int(record.seq))))
            }
        }
        do {
            let (journal, _) = try Journal.open(directory.files)
            for number in 1...10 { #expect(try journal.append([payload(number)]) == Int64(number)) }
            try journal.compact(snapshot: payload(0), retaining: 1_000)
            try journal.append((12...21).map { payload($0) })
            try journal.compact(snapshot: payload(0), retaining: 15)
            try journal.append([payload(23)])
            check(try journal.records(after: 0, limit: 100), 8)
            #expect(try journal.records(after: 9, limit: 3).map(\.seq) == [10, 11, 12])
            #expect(try journal.records(after: 23, limit: 3) == [])
            #expect(try journal.records(after: 0, limit: -1) == [])
            // The newest events are 23 and those from 21 down to 12; 11 and 22 are snapshots.
            for (count, start) in [(1, 22), (2, 20), (11, 11), (12, 9), (99, 0), (0, 22)] {
                #expect(try journal.start(ofNewestEvents: count) == Int64(start), "\(count)")
                #expect(try directory.files.start(ofNewestEvents: count) == Int64(start), "\(count)")
            }
        }
        check(try directory.files.records(after: 0, limit: 100), 8)
        let (journal, recovered) = try Journal.open(directory.files)
        #expect(recovered == Recovered(snapshot: payload(0), events: [payload(23)], seq: 23))
        check(try journal.records(after: 10, limit: 100), 11)
        try journal.compact(snapshot: payload(0), retaining: 0)
        #expect(try journal.records(after: 0, limit: 100).map(\.seq) == [24])
    }

    @Test("the log starts anew before it outgrows its limit and when idle, and its file stays for the next commits")
    func logGrowth() throws {
        let directory = try ScratchDirectory()
        let (journal, _) = try Journal.open(directory.files)
        func size() throws -> Int { try #require(try bytes(of: directory.files.log)).count }
        var largest = 0
        for number in 0..<200 {
            try journal.append([payload(number, length: 100_000)])
            largest = max(largest, try size())
        }
        #expect(largest > Journal.logLimit / 2 && largest < Journal.logLimit + 200_000)
        try journal.append([payload(1, length: 2 * Journal.idleLogLimit)])
        #expect(journal.logBytes > Journal.idleLogLimit)
        try journal.maintain()
        #expect(journal.logBytes == 0)
        try journal.append([payload(2)])
        #expect(journal.logBytes < 20_000)
        #expect(try size() == largest)
    }

    @Test("a large record does not leave a large log behind")
    func largeRecord() throws {
        let directory = try ScratchDirectory()
        let (journal, _) = try Journal.open(directory.files)
        try journal.append([payload(1, length: 3 * Journal.logLimit)])
        for number in 2...3 { try journal.append([payload(number)]) }
        #expect(try #require(try bytes(of: directory.files.log)).count <= 2 * Journal.logLimit)
    }
}
