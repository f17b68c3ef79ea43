import CFaultVFS
import TestSupport
import Testing

@testable import Storage

@Suite struct CrashTests {
    @Test("a crash at any write, torn at any byte, loses nothing acknowledged and is never called damage")
    func tornAtEveryByte() throws {
        let session = try Session(Step.short)
        let loader = Loader(session.files)
        var database = session.database
        var log = session.log
        var states = 0
        for (index, operation) in session.operations.enumerated() {
            let allowed = session.allowed(at: index)
            func check(_ database: [UInt8], _ log: [UInt8], _ cut: Int) throws {
                states += 1
                switch loader.load(database, log) {
                case .success(let model) where allowed.contains(model): break
                case let other: Issue.record("operation \(index) cut at \(cut): \(other)")
                }
            }
            if operation.isWrite {
                // A tear changes one more byte at a time: the state of the byte before is the start of the next.
                let start = operation.offset
                for (cut, byte) in operation.bytes.enumerated() {
                    if cut.isMultiple(of: operation.isLog ? 1 : 8) || cut < 100 { try check(database, log, cut) }
                    if operation.isLog { log.put(byte, at: start + cut) } else { database.put(byte, at: start + cut) }
                }
            } else if operation.isTruncate {
                try check(database, log, 0)
                if operation.isLog { log.resize(operation.size) } else { database.resize(operation.size) }
            }
            try check(database, log, operation.size)
        }
        #expect(states > 50_000)
        #expect(loader.load(database, log) == .success(try #require(session.models.last)))
    }
}

extension [UInt8] {
    mutating func put(_ byte: UInt8, at offset: Int) {
        if offset < count { self[offset] = byte } else {
            resize(offset)
            append(byte)
        }
    }

    mutating func resize(_ size: Int) {
        if size < count { removeLast(count - size) } else { append(contentsOf: repeatElement(0, count: size - count)) }
    }
}
