import CSQLite

/// Zeros written ahead of the frames in the log, so that a commit overwrites space that the file has already: then its
/// sync need not write the file's size and map too, which costs as much again as the data.
///
/// Without it everything works, only slower. So it never fails; after a failure the file just grows with every commit.
final class LogSpace {
    /// How much is written at a time, in bytes; 0 for none.
    private let size: Int
    /// Up to where the file is written.
    private var written = 0
    private var hasFailed = false

    /// A transaction of a few small records fits.
    private static let reserve = 32 << 10
    private static let chunk = [UInt8](repeating: 0, count: 64 << 10)

    init(size: Int) { self.size = size }

    /// Takes note that the file was cut: what was written ahead is gone.
    func reset() {
        written = 0
        hasFailed = false
    }

    /// Whether less than the reserve is left behind `used` bytes of log.
    func isShort(after used: Int) -> Bool { size > 0 && !hasFailed && written < used + min(Self.reserve, size) }

    /// Writes and syncs the next piece, behind `used` bytes of log.
    func extend(_ file: UnsafeMutablePointer<sqlite3_file>, _ methods: sqlite3_io_methods, after used: Int) -> Int32 {
        let start = max(written, used)
        // No zero may reach the disk before the truncation does: it could overwrite a frame that is still needed.
        var code = used == 0 ? methods.xSync(file, SQLITE_SYNC_NORMAL) : SQLITE_OK
        var offset = start
        while code == SQLITE_OK && offset < start + size {
            let count = min(Self.chunk.count, start + size - offset)
            code = Self.chunk.withUnsafeBytes { methods.xWrite(file, $0.baseAddress, Int32(count), Int64(offset)) }
            offset += count
        }
        if code == SQLITE_OK { code = methods.xSync(file, SQLITE_SYNC_NORMAL) }
        if code == SQLITE_OK {
            written = start + size
        } else {
            // Somebody may need the room more. Not tried again before the log is emptied.
            hasFailed = true
            _ = methods.xTruncate(file, Int64(used))
        }
        return code
    }
}

/// How many frames the log holds, as SQLite says after each commit: the length of the file does not tell.
final class FrameCount {
    var value = 0

    init(_ connection: Connection) {
        sqlite3_wal_hook(
            connection.handle,
            { count, _, _, frames in
                if let count { Unmanaged<FrameCount>.fromOpaque(count).takeUnretainedValue().value = Int(frames) }
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }
}
