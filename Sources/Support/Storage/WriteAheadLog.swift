/// A read-only look at the frames of SQLite's write-ahead log.
///
/// SQLite reads the log up to the first frame that does not fit and drops the rest without a word. This look finds out
/// whether committed transactions are among the rest. Each transaction is synced before the next begins, and so is each
/// truncation of the log. A crash can therefore leave one incomplete transaction at the end, with any of its blocks
/// missing, and behind it only zeros or frames of an older generation, which have other salts. Frames of a second
/// transaction behind the first broken frame are corruption.
/// Format: "Database File Format", section 4, sqlite.org/fileformat2.html.
struct WriteAheadLog {
    static let headerSize = 32
    static let frameSize = 24 + Schema.pageSize
    /// The smallest unit in which a disk loses writes.
    private static let sectorSize = 512

    /// Throws an error with reason `corrupt` where frames of a second transaction follow the first broken frame.
    /// - Parameter name: the path for the error, where `path` is a copy.
    static func check(_ path: String, name: String) throws(StorageError) {
        let file = try FileReader(path)
        func corrupt(_ what: String) -> StorageError {
            StorageError("open", file: name, .corrupt(Corruption(.malformed, file: name, what: what)))
        }
        func frame(_ number: Int) throws(StorageError) -> Frame? {
            Frame(try file.read(frameSize, at: headerSize + number * frameSize))
        }
        guard let header = Header(try file.read(headerSize, at: 0)) else {
            // The header is synced before the first frame: behind one that a crash broke there is nothing.
            guard try file.isZero(from: headerSize) else {
                throw corrupt("the header of the write-ahead log is broken")
            }
            return
        }
        // 1. The first broken frame, and where its transaction starts.
        var (sum, number, start) = (header.checksum, 0, 0)
        while let next = try frame(number), next.salts == header.salts, header.follows(next, sum) {
            sum = next.checksum
            number += 1
            if next.isCommit { start = number }
        }
        // 2. The frames of this generation from the start of its transaction on. A transaction writes each page once, in ascending order,
        // and only its last frame commits: a frame behind that, or a page out of order, is of a second transaction.
        let broken = number
        var (lastPage, isCommitted, previous) = (UInt32(0), false, Checksum?.none)
        var next = try frame(start)
        number = start
        while let this = next {
            next = try frame(number + 1)
            // A frame with broken salts is shown to be of this generation by the next one, whose checksum goes on from its own.
            let isContinued = next.map { $0.salts == header.salts && header.follows($0, this.checksum) } ?? false
            if this.salts == header.salts || isContinued {
                // A header across two sectors may be half of an older generation: unless its checksum fits, it proves that the frame
                // exists and no more.
                let isWhole = (headerSize + number * frameSize) % sectorSize <= sectorSize - 24
                let isTrusted = isWhole || previous.map { header.follows(this, $0) } ?? false
                guard !isCommitted, !isTrusted || this.page > lastPage else {
                    throw corrupt(
                        "frame \(broken + 1) of the write-ahead log is broken, and later transactions follow it")
                }
                if isTrusted { (lastPage, isCommitted) = (this.page, this.isCommit) }
                previous = this.checksum
            } else {
                previous = nil
            }
            number += 1
        }
    }
}

extension WriteAheadLog {
    private struct Checksum: Equatable {
        var first: UInt32 = 0
        var second: UInt32 = 0

        /// Adds pairs of 32-bit words.
        mutating func add(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool) {
            var (first, second) = (self.first, self.second)
            bytes.withUnsafeBytes { buffer in
                for offset in stride(from: 0, to: buffer.count - 7, by: 8) {
                    let words = buffer.loadUnaligned(fromByteOffset: offset, as: (UInt32, UInt32).self)
                    first &+= (isBigEndian ? words.0.bigEndian : words.0.littleEndian) &+ second
                    second &+= (isBigEndian ? words.1.bigEndian : words.1.littleEndian) &+ first
                }
            }
            (self.first, self.second) = (first, second)
        }
    }

    /// The header of the log; nil where it is not intact.
    private struct Header {
        let salts: UInt64
        let checksum: Checksum
        private let isBigEndian: Bool

        init?(_ bytes: [UInt8]) {
            guard bytes.count == headerSize, big32(bytes, 0) & ~1 == 0x377F_0682, big32(bytes, 8) == Schema.pageSize
            else { return nil }
            isBigEndian = bytes[3] & 1 == 1
            salts = big64(bytes, 16)
            var sum = Checksum()
            sum.add(bytes[..<24], isBigEndian: isBigEndian)
            checksum = sum
            guard checksum == Checksum(first: big32(bytes, 24), second: big32(bytes, 28)) else { return nil }
        }

        /// Whether the checksum of a frame is right behind a frame with the checksum given.
        func follows(_ frame: Frame, _ previous: Checksum) -> Bool {
            var sum = previous
            sum.add(frame.bytes[..<8], isBigEndian: isBigEndian)
            sum.add(frame.bytes[24...], isBigEndian: isBigEndian)
            return sum == frame.checksum
        }
    }

    /// A frame as it is in the file; nil where the file ends before it does.
    private struct Frame {
        let bytes: [UInt8]

        init?(_ bytes: [UInt8]) {
            guard bytes.count == frameSize else { return nil }
            self.bytes = bytes
        }

        var page: UInt32 { big32(bytes, 0) }
        var isCommit: Bool { big32(bytes, 4) != 0 }
        var salts: UInt64 { big64(bytes, 8) }
        var checksum: Checksum { Checksum(first: big32(bytes, 16), second: big32(bytes, 20)) }
    }
}

private func big32(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    bytes.withUnsafeBytes { UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
}

private func big64(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
    bytes.withUnsafeBytes { UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
}
