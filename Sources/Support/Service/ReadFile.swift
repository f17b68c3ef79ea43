import Glibc

/// The bytes of a file.
///
/// - Parameters:
///   - limit: the most bytes that it may have.
///   - mustBeRegular: whether anything but a regular file is an error, so that a pipe that somebody put in its place
///     cannot stop the program.
/// - Throws: ``SystemError`` where it cannot be read or is longer.
package func readBytes(
    _ path: String, limit: Int = 1 << 20, mustBeRegular: Bool = false
) throws(SystemError) -> [UInt8] {
    let fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (mustBeRegular ? O_NONBLOCK : 0))
    guard fd >= 0 else { throw SystemError("open \(path)", errno: errno) }
    defer { close(fd) }
    if mustBeRegular {
        var status = stat()
        guard fstat(fd, &status) == 0 else { throw SystemError("look at \(path)", errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            if status.st_mode & S_IFMT == S_IFDIR { throw SystemError("read \(path)", errno: EISDIR) }
            throw SystemError("read \(path), which is not a regular file", errno: EINVAL)
        }
    }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = read(fd, &piece, piece.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw SystemError("read \(path)", errno: errno) }
        if count == 0 { return bytes }
        bytes += piece.prefix(count)
        guard bytes.count <= limit else { throw SystemError("read \(path)", errno: EFBIG) }
    }
}

/// The text of a file of at most 1 MiB.
///
/// - Parameter mustBeRegular: whether anything but a regular file is an error.
/// - Throws: ``SystemError`` where it cannot be read, is longer, or is no UTF-8.
package func readText(_ path: String, mustBeRegular: Bool = false) throws(SystemError) -> String {
    guard let text = String(validating: try readBytes(path, mustBeRegular: mustBeRegular), as: UTF8.self) else {
        throw SystemError("read \(path) as UTF-8", errno: EILSEQ)
    }
    return text
}
