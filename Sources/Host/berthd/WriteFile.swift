import Glibc
import Service

/// Writes a file of mode 0600 in one step, durably: a crash leaves the former one or the new one.
///
/// - Parameter beforeReplacing: runs when the new content is durable, before it has the file's name.
func writeDurably(
    _ bytes: [UInt8], to path: String, beforeReplacing: () throws(SystemError) -> Void = {}
) throws(SystemError) {
    let temporary = path + ".new"
    let fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard fd >= 0 else { throw SystemError("write \(path)", errno: errno) }
    do throws(SystemError) {
        try write(bytes, to: fd, path)
        try beforeReplacing()
        guard rename(temporary, path) == 0 else { throw SystemError("write \(path)", errno: errno) }
    } catch {
        unlink(temporary)
        throw error
    }
    // The name is durable with its directory.
    let parent = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return }
    fsync(directory)
    close(directory)
}

/// Writes all bytes, syncs and closes.
private func write(_ bytes: [UInt8], to fd: Int32, _ path: String) throws(SystemError) {
    defer { close(fd) }
    var written = 0
    while written < bytes.count {
        let count = bytes.withUnsafeBytes {
            Glibc.write(fd, $0.baseAddress.map { $0 + written }, bytes.count - written)
        }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw SystemError("write \(path)", errno: count == 0 ? ENOSPC : errno) }
        written += count
    }
    guard fsync(fd) == 0 else { throw SystemError("write \(path)", errno: errno) }
}
