/// A read-only look at the frames of SQLite's write-ahead log.
///
/// SQLite reads the log up to the first frame that does not fit and drops the rest without a word. This look finds out
/// whether committed transactions are among the rest. Each transaction is synced before the next begins, and so are each
/// truncation of the log and each new header. A crash can therefore leave one incomplete transaction at the end, with any
/// of its blocks missing, and behind it only zeros or frames of an older generation, which have other salts. Frames of a
/// second transaction behind the first broken frame are corruption.
/// Format: "Database File Format", section 4, sqlite.org/fileformat2.html.
struct WriteAheadLog {
    static let headerSize = 32
    static let frameSize = 24 + Schema.pageSize
    /// The smallest unit in which a disk loses writes.
    private static let sectorSize = 512

    private let isBigEndian: Bool
    private let salts: UInt64
    private let checksum: UInt64

    /// Throws an error with reason `corrupt` where frames of a second transaction follow the first broken frame.
    /// - Parameters:
    ///   - path: the log.
    ///   - database: the database that it belongs to.
    ///   - name: the log's path for the error, where `path` is a copy.
    static func check(_ path: String, of database: String, name: String) throws(StorageError) {
        let file = try FileReader(path)
        func corrupt(_ what: String) -> StorageError {
            StorageError("open", file: name, .corrupt(Corruption(.malformed, file: name, what: what)))
        }
        func frame(_ number: Int) throws(StorageError) -> Frame? {
            let bytes = try file.read(frameSize, at: headerSize + number * frameSize)
            return bytes.count == frameSize ? Frame(bytes: bytes) : nil
        }
        guard let log = WriteAheadLog(header: try file.read(headerSize, at: 0)) else {
            // The header is synced before the first frame: behind one that a crash broke there is nothing, or the
            // generation before, all of which is in the database.
            if try file.isZero(from: headerSize) { return }
            if try holdsOnly(pagesOf: FileReader(database), frame) { return }
            throw corrupt("the header of the write-ahead log is broken")
        }
        // 1. The first broken frame, and where its transaction starts.
        var (number, start, checksum) = (0, 0, log.checksum)
        while let next = try frame(number), next.salts == log.salts, log.follows(next, checksum) {
            number += 1
            checksum = next.checksum
            if next.isCommit { start = number }
        }
        // 2. The frames of this generation from the start of its transaction on. A transaction writes each page once, in
        // ascending order, and only its last frame commits: a frame behind that, or a page out of order, is of a second
        // transaction.
        let broken = number + 1
        var (lastPage, isCommitted, previous) = (UInt32(0), false, UInt64?.none)
        var next = try frame(start)
        number = start
        while let this = next {
            next = try frame(number + 1)
            // A frame with broken salts is shown to be of this generation by the next one, whose checksum goes on from it.
            let isContinued = next.map { $0.salts == log.salts && log.follows($0, this.checksum) } ?? false
            let isOurs = this.salts == log.salts || isContinued
            if isOurs {
                // A header across two sectors may be half of an older generation: unless its checksum fits, it proves that
                // the frame exists and no more.
                let isWhole = (headerSize + number * frameSize) % sectorSize <= sectorSize - 24
                let isTrusted = isWhole || previous.map { log.follows(this, $0) } ?? false
                guard !isCommitted, !isTrusted || this.page > lastPage else {
                    throw corrupt("frame \(broken) of the write-ahead log is broken, and later transactions follow it")
                }
                if isTrusted { (lastPage, isCommitted) = (this.page, this.isCommit) }
            }
            previous = isOurs ? this.checksum : nil
            number += 1
        }
    }

    /// Whether the generation of the first frame ends with a commit and left each of its pages as `database` has it.
    private static func holdsOnly(
        pagesOf database: FileReader, _ frame: (Int) throws(StorageError) -> Frame?
    ) throws(StorageError) -> Bool {
        var (committed, pages, number) = ([UInt32: ArraySlice<UInt8>](), [UInt32: ArraySlice<UInt8>](), 0)
        let first = try frame(0)
        while let next = try frame(number), next.salts == first?.salts, next.page > 0 {
            pages[next.page] = next.bytes[24...]
            if next.isCommit { committed = pages }
            number += 1
        }
        for (page, bytes) in committed {
            let stored = try database.read(Schema.pageSize, at: (Int(page) - 1) * Schema.pageSize)
            guard stored.elementsEqual(bytes) else { return false }
        }
        return !committed.isEmpty
    }

    /// Reads the header; nil where it is not intact.
    private init?(header: [UInt8]) {
        guard header.count == Self.headerSize, big(header, 0) & ~(1 << 32) == 0x377F_0682_002D_E218,
            big(header, 8) >> 32 == Schema.pageSize
        else { return nil }
        isBigEndian = header[3] & 1 == 1
        salts = big(header, 16)
        checksum = Self.add(header[..<24], to: 0, isBigEndian)
        guard checksum == big(header, 24) else { return nil }
    }

    /// Whether the checksum of a frame is right behind a frame with the checksum given.
    private func follows(_ frame: Frame, _ previous: UInt64) -> Bool {
        let sum = Self.add(frame.bytes[..<8], to: previous, isBigEndian)
        return Self.add(frame.bytes[24...], to: sum, isBigEndian) == frame.checksum
    }

    /// SQLite's checksum: two sums over pairs of 32-bit words.
    private static func add(_ bytes: ArraySlice<UInt8>, to sum: UInt64, _ isBigEndian: Bool) -> UInt64 {
        var (first, second) = (UInt32(truncatingIfNeeded: sum >> 32), UInt32(truncatingIfNeeded: sum))
        bytes.withUnsafeBytes { buffer in
            for offset in stride(from: 0, to: buffer.count - 7, by: 8) {
                let words = buffer.loadUnaligned(fromByteOffset: offset, as: (UInt32, UInt32).self)
                first &+= (isBigEndian ? words.0.bigEndian : words.0.littleEndian) &+ second
                second &+= (isBigEndian ? words.1.bigEndian : words.1.littleEndian) &+ first
            }
        }
        return UInt64(first) << 32 | UInt64(second)
    }
}

/// A frame as it is in the file.
private struct Frame {
    let bytes: [UInt8]

    var page: UInt32 { UInt32(truncatingIfNeeded: big(bytes, 0) >> 32) }
    var isCommit: Bool { UInt32(truncatingIfNeeded: big(bytes, 0)) != 0 }
    var salts: UInt64 { big(bytes, 8) }
    var checksum: UInt64 { big(bytes, 16) }
}

private func big(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
    bytes.withUnsafeBytes { UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
}
