import Glibc

/// A regular file open for reading at any place, never through a symbolic link.
final class FileReader {
    private let path: String
    private let descriptor: Int32
    private let status: stat

    init(_ path: String) throws(StorageError) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw StorageError("open", file: path, .system(errno)) }
        var status = stat()
        let isKnown = fstat(descriptor, &status) == 0
        self.status = status
        guard isKnown else { throw StorageError("look at", file: path, .system(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StorageError("read", file: path, .occupied("not a regular file"))
        }
    }

    deinit { close(descriptor) }

    /// The length when the file was opened.
    var size: Int { Int(status.st_size) }

    /// Changes whenever the file is replaced or written.
    var version: [Int] {
        [
            Int(status.st_dev), Int(status.st_ino), size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
            status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
        ]
    }

    /// The bytes at `offset`; fewer than `count` only at the end of the file.
    func read(_ count: Int, at offset: Int) throws(StorageError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            while done < count, let base = buffer.baseAddress {
                let got = pread(descriptor, base + done, count - done, off_t(offset + done))
                if got == 0 { break }
                if got > 0 { done += got } else if errno != EINTR { failure = errno; break }
            }
        }
        guard failure == 0 else { throw StorageError("read", file: path, .system(failure)) }
        return bytes
    }

    /// Whether nothing but zeros follows.
    func isZero(from start: Int) throws(StorageError) -> Bool {
        var offset = start
        while true {
            let bytes = try read(1 << 16, at: offset)
            if bytes.isEmpty { return true }
            guard bytes.allSatisfy({ $0 == 0 }) else { return false }
            offset += bytes.count
        }
    }
}
