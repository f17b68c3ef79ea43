import Glibc
import Service

/// A small file in the state directory. It need not outlive the machine's end, as nothing does that it is about: nothing waits
/// for the disk.
struct StateFile: Sendable {
    /// The longest file that is read, in bytes: thousands of threads.
    private static let limit = 16 << 20

    /// Where it is.
    let path: String

    /// Its text; nil where it is not there, or cannot be read.
    func read() -> String? {
        (try? readBytes(path, limit: Self.limit, mustBeRegular: true)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Writes it anew, or removes it where `text` is nil.
    ///
    /// - Throws: `SystemError` where it cannot be written; the old one is still there then.
    func replace(_ text: String?) throws(SystemError) {
        if let text { try write(text) } else { try remove() }
    }

    private func remove() throws(SystemError) {
        if unlink(path) != 0 && errno != ENOENT { throw SystemError("remove \(path)", errno: errno) }
    }

    private func write(_ text: String) throws(SystemError) {
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw SystemError("write \(temporary)", errno: errno) }
        let bytes = Array(text.utf8)
        let count = Glibc.write(file, bytes, bytes.count)
        let failure: Int32? = count == bytes.count ? nil : count < 0 ? errno : ENOSPC
        close(file)
        if let failure {
            unlink(temporary)
            throw SystemError("write \(temporary)", errno: failure)
        }
        guard rename(temporary, path) == 0 else { throw SystemError("write \(path)", errno: errno) }
    }
}
