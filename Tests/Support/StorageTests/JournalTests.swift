import Testing

@testable import Storage

@Suite struct JournalTests {
    @Test("what was appended is there after reopening, closed or killed", arguments: [true, false])
    func appendAndReopen(_ close: Bool) throws {
        let folder = try ScratchFolder()
        do {
            let (journal, recovered) = try Journal.open(folder.files)
            #expect(recovered == .empty)
            try journal.append([payload(1)])
            try journal.append([payload(2), payload(3, length: 0), payload(4, length: 9_000)])
            #expect(journal.recordsSinceSnapshot == 4)
            if close { try journal.close() }
        }
        let (journal, recovered) = try Journal.open(folder.files)
        #expect(recovered.events == [payload(1), payload(2), payload(3, length: 0), payload(4, length: 9_000)])
        #expect(recovered.snapshot == nil)
        #expect(recovered.seq == 6)
        #expect((journal.seq, journal.chain) == (recovered.seq, recovered.chain))
        #expect(journal.recordsSinceSnapshot == 4)
    }

    @Test("a snapshot replaces every record before it and the numbers go on")
    func compaction() throws {
        let folder = try ScratchFolder()
        let state = payload(0, length: 20_000)
        do {
            let (journal, _) = try Journal.open(folder.files)
            for number in 1...100 { try journal.append([payload(number)]) }
            try journal.compact(snapshot: state)
            #expect(journal.logBytes == 0)
            #expect(journal.recordsSinceSnapshot == 0)
            try journal.append([payload(101)])
        }
        let (journal, recovered) = try Journal.open(folder.files)
        #expect(recovered.snapshot == state)
        #expect(recovered.events == [payload(101)])
        #expect(recovered.seq == 106)
        try journal.compact(snapshot: [])
        try journal.close()
        guard case .recovered(let last) = try folder.files.inspect() else {
            Issue.record("not recovered")
            return
        }
        #expect(last.snapshot == [])
        #expect(last.events == [])
    }
}
