import CSQLite
import Glibc
import TestSupport
import Testing

@testable import Storage

/// The look at the frames of SQLite's log.
@Suite struct WriteAheadLogTests {
    /// A log with transactions of random sizes, and where each of them ends.
    private struct History {
        let log: [UInt8]
        let ends: [Int]

        init(_ random: inout SeededRandom, transactions: Int) throws {
            let steps: [Step] = (0..<transactions).map { number in
                let sizes = [0, 60, 60, 900, 4_000, 20_000]
                let count = Int.random(in: 1...3, using: &random)
                return .append(
                    (0..<count).map { _ in
                        let size = sizes.randomElement(using: &random) ?? 0
                        return Bool.random(using: &random)
                            ? [UInt8](repeating: 0, count: size) : payload(number, length: size)
                    })
            }
            let session = try Session(steps, close: false)
            log = session.final.log
            let frames = stride(from: 32, to: log.count, by: 4_120)
            let log = log
            ends = [32] + frames.filter { log[$0 + 4..<$0 + 8].contains { $0 != 0 } }.map { $0 + 4_120 }
        }
    }

    private let directory: ScratchDirectory

    init() throws { directory = try ScratchDirectory() }

    private func isCorrupt(_ log: [UInt8], of database: [UInt8] = []) throws -> Bool {
        let (path, databasePath) = ("\(directory.path)/log", "\(directory.path)/database")
        for (path, content) in [(path, log), (databasePath, database)] {
            let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
            try #require(descriptor >= 0 && write(descriptor, content, content.count) == content.count)
            close(descriptor)
        }
        do throws(StorageError) {
            try WriteAheadLog.check(path, of: databasePath, name: path)
            return false
        } catch {
            guard case .corrupt = error.reason else { throw error }
            return true
        }
    }

    @Test(
        "whatever blocks of the last transaction a power loss kept, over zeros or older frames, the log is not corrupt",
        arguments: [512, 4_096])
    func lastTransaction(_ block: Int) throws {
        let seed = UInt64.random(in: 0...9_999_999)
        print("last transaction: seed \(seed)")
        var random = SeededRandom(seed: seed)
        var older = try History(&random, transactions: 40)
        var tried = 0
        for _ in 0..<(exhaustive ? 60 : 12) {
            let history = try History(&random, transactions: Int.random(in: 1...12, using: &random))
            // The log ends after each transaction in turn; the next one was in flight.
            for number in 1..<history.ends.count {
                let (start, end) = (history.ends[number - 1], history.ends[number])
                for attempt in 0..<8 {
                    // What was there before: nothing, zeros, or frames of an older generation.
                    var log = Array(history.log[..<start])
                    switch attempt % 3 {
                    case 0: break
                    case 1: log += [UInt8](repeating: 0, count: 100_000)
                    default: log += older.log.dropFirst(start)
                    }
                    let first = start / block * block
                    for offset in stride(from: first, to: end, by: block)
                    where Int.random(in: 0..<4, using: &random) > 0 {
                        // Some blocks only in part.
                        let isTorn = Int.random(in: 0..<8, using: &random) == 0
                        let last = min(
                            isTorn ? offset + Int.random(in: 0..<block, using: &random) : offset + block, end)
                        guard last > max(offset, start) else { continue }
                        if log.count < last { log.resize(last) }
                        log.replaceSubrange(max(offset, start)..<last, with: history.log[max(offset, start)..<last])
                    }
                    tried += 1
                    if try isCorrupt(log) {
                        Issue.record("seed \(seed), transaction \(number) of \(history.ends), attempt \(attempt)")
                    }
                }
            }
            older = history.log.count > 200_000 ? history : older
        }
        #expect(tried > 300)
    }

    @Test("every block of the last transaction may be missing by itself, or be the only one there")
    func singleBlocks() throws {
        let seed = UInt64.random(in: 0...9_999_999)
        print("single blocks: seed \(seed)")
        var random = SeededRandom(seed: seed)
        let older = try History(&random, transactions: 20)
        for _ in 0..<(exhaustive ? 20 : 2) {
            let history = try History(&random, transactions: 6)
            for number in 1..<history.ends.count {
                let (start, end) = (history.ends[number - 1], history.ends[number])
                for background in [[UInt8](repeating: 0, count: older.log.count), older.log] {
                    for offset in stride(from: start / 512 * 512, to: end, by: 512) {
                        let range = max(start, offset)..<min(offset + 512, end)
                        var only = history.log[..<start] + background.dropFirst(start)
                        var missing = history.log[..<end] + background.dropFirst(end)
                        if only.count < end { only += [UInt8](repeating: 0, count: end - only.count) }
                        only.replaceSubrange(range, with: history.log[range])
                        missing.replaceSubrange(range, with: background[range])
                        if try isCorrupt(Array(only)) {
                            Issue.record("seed \(seed), only \(range) of \(start)..<\(end)")
                        }
                        if try isCorrupt(Array(missing)) {
                            Issue.record("seed \(seed), all but \(range) of \(start)..<\(end)")
                        }
                    }
                }
            }
        }
    }

    @Test("a changed byte before the last transaction is corruption, wherever the transactions end")
    func earlierBytes() throws {
        let seed = UInt64.random(in: 0...9_999_999)
        print("earlier bytes: seed \(seed)")
        var random = SeededRandom(seed: seed)
        let older = try History(&random, transactions: 30)
        var (tried, missed) = (0, 0)
        for _ in 0..<(exhaustive ? 40 : 8) {
            let history = try History(&random, transactions: Int.random(in: 2...30, using: &random))
            for number in 2..<history.ends.count {
                let end = history.ends[number]
                var log = Array(history.log[..<end])
                if Bool.random(using: &random) { log += older.log.dropFirst(end) }
                // Bytes of the transaction before the last one, which is the hardest, and of earlier ones.
                for attempt in 0..<10 {
                    let from = attempt < 6 ? history.ends[number - 2] : 0
                    var offset = Int.random(in: from..<history.ends[number - 1], using: &random)
                    // Headers of frames are rare among all bytes.
                    if attempt % 2 == 0 && offset >= 32 {
                        offset = (offset - 32) / 4_120 * 4_120 + 32 + Int.random(in: 0..<24, using: &random)
                    }
                    let byte = log[offset]
                    log[offset] = UInt8.random(in: 0...255, using: &random)
                    if log[offset] == byte { log[offset] ^= 1 << Int.random(in: 0..<8, using: &random) }
                    tried += 1
                    if try !isCorrupt(log) {
                        missed += 1
                        // The stated exception: a frame whose header lies across two sectors, or the checksum before it.
                        let frame = (offset - 32) / 4_120
                        let isChecksum = (16..<24).contains((offset - 32) % 4_120)
                        func isSplit(_ frame: Int) -> Bool { (32 + frame * 4_120) % 512 > 512 - 24 }
                        if !isSplit(frame) && !(isChecksum && isSplit(frame + 1)) {
                            Issue.record("seed \(seed), byte \(offset) of frame \(frame), ends \(history.ends)")
                        }
                    }
                    log[offset] = byte
                }
            }
        }
        print("earlier bytes: \(tried) tried, \(missed) missed")
        #expect(tried > 400 && missed * 50 < tried)
    }

    @Test("a header alone, whole or not, holds nothing; a broken one with frames behind it is corruption")
    func headers() throws {
        var random = SeededRandom(seed: 1)
        let log = try History(&random, transactions: 3).log
        for length in 0...32 {
            var short = Array(log.prefix(length))
            if length == 32 { short[9] ^= 4 }
            #expect(try !isCorrupt(short))
            #expect(try !isCorrupt(short + [UInt8](repeating: 0, count: 100_000)))
        }
        for offset in 0..<32 {
            var bad = log
            bad[offset] ^= 0x10
            #expect(try isCorrupt(bad), "byte \(offset)")
        }
    }

    @Test("a broken header before frames that the database has is a crash; before others it is corruption")
    func headerOfCheckpointedLog() throws {
        let steps: [Step] = (1...4).map { .append([payload($0, length: 6_000)]) }
        let stale = try Session(steps + [.checkpoint], close: false).final
        #expect(stale.log.count > 5 * 4_120)
        let open = try Session(steps, close: false).final
        for offset in 0..<32 {
            for (files, isLost) in [(stale, false), (open, true)] {
                var log = files.log
                log[offset] ^= 0x10
                #expect(try isCorrupt(log, of: files.database) == isLost, "byte \(offset)")
            }
        }
        // A lost first block takes the salts of the first frame with it.
        let lost = [UInt8](repeating: 0, count: 512) + open.log.dropFirst(512)
        #expect(try isCorrupt(lost, of: open.database))
    }

    @Test("a log of the other byte order is read as well")
    func byteOrder() throws {
        var random = SeededRandom(seed: 2)
        let log = try History(&random, transactions: 4).log
        var other = log
        other[3] ^= 1
        let isBig = other[3] & 1 == 1
        var (one, two) = (UInt32(0), UInt32(0))
        func add(_ range: Range<Int>) {
            for offset in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
                let words = [offset, offset + 4].map { start in
                    other[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                }
                one &+= (isBig ? words[0] : words[0].byteSwapped) &+ two
                two &+= (isBig ? words[1] : words[1].byteSwapped) &+ one
            }
        }
        func put(at offset: Int) {
            for (index, word) in [one, two].enumerated() {
                withUnsafeBytes(of: word.bigEndian) {
                    other.replaceSubrange(offset + 4 * index..<offset + 4 * index + 4, with: $0)
                }
            }
        }
        add(0..<24)
        put(at: 24)
        for frame in stride(from: 32, to: log.count, by: 4_120) {
            add(frame..<frame + 8)
            add(frame + 24..<frame + 4_120)
            put(at: frame + 16)
        }
        #expect(try !isCorrupt(other))
        for (log, offset) in [(log, 32 + 700), (other, 32 + 700)] {
            var bad = log
            bad[offset] ^= 1
            #expect(try isCorrupt(bad))
        }
    }
}
