import Glibc

/// The committed pages of a SQLite write-ahead log, read from its bytes alone, and what follows them.
///
/// SQLite itself drops everything from the first bad checksum on, without a word; here a bad checksum that no crash can
/// explain is damage. What a crash can explain rests on three rules that the journal keeps: the log is only ever emptied
/// (so it holds no frames of an older generation), each transaction is synced before the next begins (so at most one
/// is incomplete), and no page ends in eight bytes of which fewer than two are not zero.
///
/// The journal writes zeros ahead of the frames, so the log ends with its last byte that is not zero; a shorter file
/// reads as if zeros followed.
/// Source of the format: "Database File Format", section 4 (the write-ahead log), sqlite.org/fileformat2.html.
struct WriteAheadLog: Sendable {
    /// What follows the last committed frame.
    enum Tail: Sendable, Hashable {
        case clean
        /// A transaction that a crash cut off: so many bytes to drop.
        case unfinished(bytes: Int)
    }

    /// The end of a committed frame that the file lacks: what to write where, to have what its checksum asks for.
    struct Completion: Sendable, Hashable {
        let offset: Int
        let bytes: [UInt8]
    }

    static let pageSize = 4_096
    static let headerSize = 32
    static let frameSize = 24 + pageSize
    /// The unit in which a file system loses writes at a power loss.
    static let blockSize = 4_096

    /// Where the latest committed version of a page lies in the log.
    private(set) var pages: [UInt32: Int] = [:]
    /// The size of the database in pages after the last commit; 0 where the log holds none.
    private(set) var databasePages = 0
    /// Where the last committed frame ends; 0 where there is none.
    private(set) var committedEnd = 0
    private(set) var tail = Tail.clean
    /// What SQLite needs to find the last commit too; nil where the file has all of it.
    private(set) var completion: Completion?
    /// The log as it was read: to the end of its last frame at least, and completed.
    private(set) var bytes: [UInt8]

    init(_ bytes: [UInt8], file: String) throws(Damage) {
        var log = bytes
        self.bytes = bytes
        let end = Self.end(of: log)
        // A header is synced before the first frame follows it: alone or cut short it holds nothing.
        guard end > Self.headerSize else {
            tail = end == 0 ? .clean : .unfinished(bytes: end)
            return
        }
        let frames = (end - Self.headerSize + Self.frameSize - 1) / Self.frameSize
        let limit = Self.headerSize + frames * Self.frameSize
        if log.count < limit { log.append(contentsOf: repeatElement(0, count: limit - log.count)) }
        guard let header = Header(log) else {
            throw Damage(.malformed, file: file, what: "the header of the write-ahead log is damaged")
        }
        committedEnd = Self.headerSize
        var checksum = header.checksum
        var pending: [UInt32: Int] = [:]
        var offset = Self.headerSize
        while offset < limit {
            var frame = Frame(log, at: offset, header: header, after: checksum)
            let missing = offset + Self.frameSize - end
            if frame == nil && missing > 0 {
                // A write stopped here: no change of one byte makes the last eight bytes of a page zeros.
                if missing >= 8 { break }
                frame = Frame(completing: &log, at: offset, header: header, after: checksum, missing: missing)
                if let frame, frame.commitPages > 0 {
                    let last = offset + Self.frameSize
                    completion = Completion(offset: last - missing, bytes: Array(log[last - missing..<last]))
                }
            }
            guard let frame else {
                try Self.explain(log, from: committedEnd, badFrame: offset, header: header, file: file)
                break
            }
            checksum = frame.checksum
            pending[frame.page] = offset + 24
            offset += Self.frameSize
            if frame.commitPages > 0 {
                pages.merge(pending) { $1 }
                pending.removeAll(keepingCapacity: true)
                databasePages = Int(frame.commitPages)
                committedEnd = offset
                // Zeros that belong to the frame may lie past the end of the file, too.
                if completion == nil && offset > bytes.count {
                    completion = Completion(offset: bytes.count, bytes: Array(log[bytes.count..<offset]))
                }
            }
        }
        self.bytes = log
        if committedEnd < end { tail = .unfinished(bytes: end - committedEnd) }
        if databasePages == 0 { committedEnd = 0 }
    }

    /// Where the zeros begin that reach to the end of the file.
    private static func end(of log: [UInt8]) -> Int {
        var end = log.count
        for step in [blockSize, 64, 1] {
            while end >= step && isZero(log, end - step..<end) { end -= step }
        }
        return end
    }

    private static func isZero(_ log: [UInt8], _ range: Range<Int>) -> Bool {
        log.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, !range.isEmpty else { return true }
            let first = base + range.lowerBound
            // Each byte is the same as its neighbour, and the first is zero.
            return bytes[range.lowerBound] == 0 && memcmp(first, first + 1, range.count - 1) == 0
        }
    }

    /// Whether a power loss explains the bad frame: a block of the unfinished transaction that never reached the disk, as
    /// a whole or in its newest version, reads as zeros, and nothing of a later transaction follows, since that would have
    /// waited for the sync.
    private static func explain(
        _ log: [UInt8], from synced: Int, badFrame: Int, header: Header, file: String
    ) throws(Damage) {
        let number = (badFrame - headerSize) / frameSize + 1
        // A block may be on the disk as it was before any of the writes into it: SQLite writes the head of a frame, then
        // its page. Less than 16 bytes prove nothing: one changed byte could have made them zeros.
        let starts = [badFrame, badFrame + 24].filter { blockSize - $0 % blockSize >= 16 && $0 % blockSize != 0 }
        let blocks = stride(
            from: (badFrame + blockSize - 1) / blockSize * blockSize, to: badFrame + frameSize, by: blockSize)
        let lost = (starts + blocks).contains { isZero(log, $0..<min(($0 / blockSize + 1) * blockSize, log.count)) }
        guard lost else {
            throw Damage(
                .malformed, file: file,
                what: "frame \(number) of the write-ahead log, at byte \(badFrame), has a wrong checksum")
        }
        // One transaction writes each page once, in ascending order, and its last frame is its only commit.
        var lastPage: UInt32 = 0
        for offset in stride(from: synced, through: log.count - frameSize, by: frameSize)
        where header.owns(log, frameAt: offset) {
            let page = big(log, offset)
            guard page > lastPage, big(log, offset + 4) == 0 || isZero(log, offset + frameSize..<log.count) else {
                throw Damage(
                    .malformed, file: file,
                    what:
                        "frame \(number) of the write-ahead log, at byte \(badFrame), is blank, but later ones are not")
            }
            lastPage = page
        }
    }
}

extension WriteAheadLog {
    fileprivate static func big(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes.withUnsafeBytes { UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
    }

    /// SQLite's running checksum over pairs of 32-bit words in the byte order that the header names.
    struct Checksum: Sendable, Hashable {
        var first: UInt32 = 0
        var second: UInt32 = 0

        /// Adds a range whose ends are multiples of 8, as all parts of a log are.
        mutating func add(_ bytes: [UInt8], _ range: Range<Int>, bigEndian: Bool) {
            var (first, second) = (self.first, self.second)
            bytes.withUnsafeBytes { buffer in
                guard let base = buffer.baseAddress, range.upperBound <= buffer.count else { return }
                var words = (base + range.lowerBound).assumingMemoryBound(to: UInt32.self)
                let end = (base + range.upperBound).assumingMemoryBound(to: UInt32.self)
                if bigEndian {
                    while words < end {
                        first &+= words[0].bigEndian &+ second
                        second &+= words[1].bigEndian &+ first
                        words += 2
                    }
                } else {
                    while words < end {
                        first &+= words[0].littleEndian &+ second
                        second &+= words[1].littleEndian &+ first
                        words += 2
                    }
                }
            }
            (self.first, self.second) = (first, second)
        }
    }

    /// The log's header; nil where it is not intact. The caller has checked that its 32 bytes are there.
    fileprivate struct Header {
        let bigEndian: Bool
        let salts: (UInt32, UInt32)
        let checksum: Checksum

        init?(_ log: [UInt8]) {
            let magic = big(log, 0)
            guard magic & ~1 == 0x377F_0682, big(log, 4) == 3_007_000, big(log, 8) == pageSize else { return nil }
            bigEndian = magic & 1 == 1
            salts = (big(log, 16), big(log, 20))
            var sum = Checksum()
            sum.add(log, 0..<24, bigEndian: bigEndian)
            guard sum.first == big(log, 24), sum.second == big(log, 28) else { return nil }
            checksum = sum
        }

        /// Whether the frame says that it belongs to this log, whatever its checksum.
        func owns(_ log: [UInt8], frameAt offset: Int) -> Bool {
            (big(log, offset + 8), big(log, offset + 12)) == salts
        }
    }

    /// A frame that fits what comes before it; nil where it does not. The caller has checked that it is all there.
    fileprivate struct Frame {
        let page: UInt32
        let commitPages: UInt32
        let checksum: Checksum

        init?(_ log: [UInt8], at offset: Int, header: Header, after previous: Checksum) {
            page = big(log, offset)
            commitPages = big(log, offset + 4)
            guard page != 0, (big(log, offset + 8), big(log, offset + 12)) == header.salts else { return nil }
            var sum = previous
            sum.add(log, offset..<offset + 8, bigEndian: header.bigEndian)
            sum.add(log, offset + 24..<offset + frameSize, bigEndian: header.bigEndian)
            guard sum.first == big(log, offset + 16), sum.second == big(log, offset + 20) else { return nil }
            checksum = sum
        }

        /// A frame whose last bytes, fewer than eight, are zeros but should not be. A crash in the middle of its write
        /// leaves it so, but so does a changed byte in a frame that was synced long ago; it can be had whole in both
        /// cases, because the checksum determines the last eight bytes. The rest of those must be as it says.
        init?(completing log: inout [UInt8], at offset: Int, header: Header, after previous: Checksum, missing: Int) {
            let last = offset + frameSize - 8
            var sum = previous
            sum.add(log, offset..<offset + 8, bigEndian: header.bigEndian)
            sum.add(log, offset + 24..<last, bigEndian: header.bigEndian)
            let (first, second) = (big(log, offset + 16), big(log, offset + 20))
            let words = [first &- sum.first &- sum.second, second &- sum.second &- first]
            let bytes = words.flatMap { word in
                withUnsafeBytes(of: header.bigEndian ? word.bigEndian : word.littleEndian) { Array($0) }
            }
            guard bytes.prefix(8 - missing).elementsEqual(log[last..<last + 8 - missing]) else { return nil }
            var completed = log
            completed.replaceSubrange(last..<last + 8, with: bytes)
            self.init(completed, at: offset, header: header, after: previous)
            log = completed
        }
    }
}
