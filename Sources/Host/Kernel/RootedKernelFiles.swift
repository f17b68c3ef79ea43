import Glibc
import Service

/// The files of the running kernel, or of a directory that stands for `/`.
package struct RootedKernelFiles: KernelFiles {
    /// The directory that stands for `/`, without a slash at its end; empty for the running kernel.
    package let root: String

    /// The longest file that is read, in bytes.
    private static let maximumSize = 16 << 20

    /// Files below `root`.
    package init(root: String = "") {
        var root = root
        while root.hasSuffix("/") { root.removeLast() }
        self.root = root
    }

    /// The whole text of a file. Bytes that are no UTF-8 are replaced.
    ///
    /// - Throws: `SystemError` with the kernel's errno; EFBIG above 16 MiB.
    package func read(_ path: String) throws(SystemError) -> String {
        let fd = open(root + path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard fd >= 0 else { throw SystemError("open \(path)", errno: errno) }
        defer { close(fd) }
        var text = ""
        let failure = withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 1) { piece in
            // Most files fit into one piece. Only a read of nothing is the end: the kernel gives some files line by line.
            var bytes: [UInt8] = []
            var filled = 0
            while true {
                if filled == piece.count {
                    bytes += piece
                    filled = 0
                }
                let count = Glibc.read(fd, piece.baseAddress?.advanced(by: filled), piece.count - filled)
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else { return errno }
                filled += count
                guard bytes.count + filled <= Self.maximumSize else { return EFBIG }
                guard count == 0 else { continue }
                if bytes.isEmpty {
                    text = String(decoding: piece[..<filled], as: UTF8.self)
                } else {
                    bytes += piece[..<filled]
                    text = String(decoding: bytes, as: UTF8.self)
                }
                return 0
            }
        }
        guard failure == 0 else { throw SystemError("read \(path)", errno: failure) }
        return text
    }

    /// Writes `text` with one write(2). The file must exist.
    ///
    /// - Throws: `SystemError` with the kernel's errno; EIO where only a part was taken.
    package func write(_ text: String, to path: String) throws(SystemError) {
        let fd = open(root + path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_TRUNC)
        guard fd >= 0 else { throw Self.failure(text, path, errno) }
        defer { close(fd) }
        let bytes = Array(text.utf8)
        while true {
            let count = Glibc.write(fd, bytes, bytes.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw Self.failure(text, path, errno) }
            guard count == bytes.count else { throw Self.failure(text, path, EIO) }
            return
        }
    }

    private static func failure(_ text: String, _ path: String, _ errno: Int32) -> SystemError {
        SystemError("write \(shown(text)) to \(path)", errno: errno)
    }

    /// The names in a directory, without `.` and `..`.
    ///
    /// - Throws: `SystemError` with the kernel's errno.
    package func entries(_ path: String) throws(SystemError) -> [String] {
        guard let stream = opendir(root + path) else { throw SystemError("list \(path)", errno: errno) }
        defer { closedir(stream) }
        guard let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) else { return [] }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw SystemError("list \(path)", errno: errno) }
                return names
            }
            let start = UnsafeRawPointer(entry).advanced(by: nameOffset).assumingMemoryBound(to: CChar.self)
            let name = String(cString: start)
            if name != "." && name != ".." { names.append(name) }
        }
    }

    /// Makes a directory (mode 0755).
    ///
    /// - Throws: `SystemError` with the kernel's errno; EEXIST where it is there already.
    package func makeDirectory(_ path: String) throws(SystemError) {
        guard mkdir(root + path, 0o755) == 0 else { throw SystemError("make \(path)", errno: errno) }
    }

    /// Removes an empty directory.
    ///
    /// - Throws: `SystemError` with the kernel's errno.
    package func removeDirectory(_ path: String) throws(SystemError) {
        guard rmdir(root + path) == 0 else { throw SystemError("remove \(path)", errno: errno) }
    }

    /// `text` for an error: without its newline, at most 64 characters.
    private static func shown(_ text: String) -> String {
        let text = text.hasSuffix("\n") ? text.dropLast() : text[...]
        if text.isEmpty { return "nothing" }
        return text.count > 64 ? "\(text.prefix(64))…" : String(text)
    }
}
