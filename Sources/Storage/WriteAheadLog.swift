/// The committed pages of a SQLite write-ahead log, read from its bytes alone, and what follows them.
///
/// SQLite itself drops everything from the first bad checksum on, without a word; here a bad checksum that no crash can
/// explain is damage. What a crash can explain rests on three rules that the journal keeps: the log is only ever emptied
/// (so it holds no frames of an older generation), each transaction is synced before the next begins (so at most one
/// is incomplete), and no page ends in eight zero bytes.
/// Source of the format: "Database File Format", section 4 (the write-ahead log), sqlite.org/fileformat2.html.
struct WriteAheadLog: Sendable {
    /// What follows the last committed frame.
    enum Tail: Sendable, Hashable {
        case clean
        /// A transaction that a crash cut off: so many bytes to drop.
        case unfinished(bytes: Int)
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

    init(_ bytes: [UInt8], file: String) throws(Damage) {
        let log = bytes
        // A header is synced before the first frame follows it: alone or cut short it holds nothing.
        guard log.count > Self.headerSize else {
            tail = log.isEmpty ? .clean : .unfinished(bytes: log.count)
            return
        }
        guard let header = Header(log) else {
            throw Damage(.malformed, file: file, what: "the header of the write-ahead log is damaged")
        }
        committedEnd = Self.headerSize
        var checksum = header.checksum
        var pending: [UInt32: Int] = [:]
        var offset = Self.headerSize
        while offset + Self.frameSize <= log.count {
            guard let frame = Frame(log, at: offset, header: header, after: checksum) else {
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
            }
        }
        if committedEnd < log.count { tail = .unfinished(bytes: log.count - committedEnd) }
        if databasePages == 0 { committedEnd = 0 }
    }

    /// Whether a power loss explains the bad frame: a block of the unfinished transaction that never reached the disk, as
    /// a whole or in its newest version, reads as zeros, and nothing of a later transaction follows, since that would have
    /// waited for the sync.
    private static func explain(
        _ log: [UInt8], from synced: Int, badFrame: Int, header: Header, file: String
    ) throws(Damage) {
        func isZero(_ range: Range<Int>) -> Bool {
            log.withUnsafeBytes { bytes in
                for offset in range where bytes[offset] != 0 { return false }
                return true
            }
        }
        let number = (badFrame - headerSize) / frameSize + 1
        // A block may be on the disk as it was before any of the writes into it: SQLite writes the head of a frame, then
        // its page. Less than 16 bytes prove nothing: one changed byte could have made them zeros.
        let starts = [badFrame, badFrame + 24].filter { blockSize - $0 % blockSize >= 16 && $0 % blockSize != 0 }
        let blocks = stride(
            from: (badFrame + blockSize - 1) / blockSize * blockSize, to: badFrame + frameSize, by: blockSize)
        let lost = (starts + blocks).contains { isZero($0..<min(($0 / blockSize + 1) * blockSize, log.count)) }
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
            guard page > lastPage, big(log, offset + 4) == 0 || isZero(offset + frameSize..<log.count) else {
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
    }
}
