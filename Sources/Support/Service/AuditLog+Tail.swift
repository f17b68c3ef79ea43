import Glibc
import WireJSON

extension AuditLog {
    /// The last record that a file of an audit log has lines of.
    package struct LastRecord: Equatable, Sendable {
        /// Its number.
        package let seq: Int64
        /// Its time, as ``timestamp(_:)`` writes it.
        package let time: String
        /// How many lines it has.
        package let lines: Int
    }

    /// So much of the end of a file is read: far more lines without a record than any start leaves.
    private static let tailLimit = 16 << 20

    /// Reads the end of the file at `path`; nil where there is no such file, or no line of a record in it.
    ///
    /// - Throws: ``SystemError`` where it cannot be read.
    package static func lastRecord(in path: String) throws(SystemError) -> LastRecord? {
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard fd >= 0 else {
            guard errno != ENOENT else { return nil }
            throw SystemError("open \(path)", errno: errno)
        }
        defer { close(fd) }
        var status = stat()
        guard fstat(fd, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        var start = Int(status.st_size)
        let limit = max(start - tailLimit, 0)
        var tail: [UInt8] = []
        var found: LastRecord?
        while start > limit {
            let count = min(start - limit, 65_536)
            start -= count
            var piece = [UInt8](repeating: 0, count: count)
            var filled = 0
            while filled < count {
                let got = piece.withUnsafeMutableBytes {
                    pread(fd, $0.baseAddress.map { $0 + filled }, count - filled, start + filled)
                }
                if got < 0, errno == EINTR { continue }
                guard got > 0 else { throw SystemError("read \(path)", errno: got == 0 ? EIO : errno) }
                filled += got
            }
            tail = piece + tail
            // The first line may begin before what was read.
            let lines = tail.split(separator: 0x0A, omittingEmptySubsequences: false)
            for line in lines.dropFirst(start == 0 ? 0 : 1).reversed() {
                guard let record = record(of: line) else { continue }
                guard let last = found else {
                    found = record
                    continue
                }
                guard last.seq == record.seq else { return last }
                found = LastRecord(seq: last.seq, time: last.time, lines: last.lines + 1)
            }
            tail = lines.first.map { Array($0) } ?? []
        }
        return found
    }

    private static func record(of line: ArraySlice<UInt8>) -> LastRecord? {
        guard let value = try? JSONValue(Array(line)), let seq = value["seq"]?.integer, seq > 0,
            let time = value["time"]?.string
        else { return nil }
        return LastRecord(seq: Int64(seq), time: time, lines: 1)
    }
}
