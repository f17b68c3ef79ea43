import Glibc

/// The lifetime lock of a state directory: whoever holds it is the only one to open or change what is in the directory.
/// The kernel releases it when the process dies, however that happens.
package final class StoreLock {
    /// Path of the lock file, `lock` in the directory.
    package let file: String
    private let descriptor: Int32

    /// Takes the lock, creating the directory (mode 0700) where needed, and writes this process's id into the file.
    /// - Throws: `StorageError`; with reason `locked`, and the holder's process id, where another one holds it.
    package init(directory: String) throws(StorageError) {
        try FileIO.prepareDirectory(directory)
        file = "\(directory)/lock"
        descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw StorageError("open", file: file, .system(errno)) }
        do throws(StorageError) {
            try Self.take(descriptor, file)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    private static func take(_ descriptor: Int32, _ file: String) throws(StorageError) {
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            guard code == EWOULDBLOCK else { throw StorageError("lock", file: file, .system(code)) }
            throw StorageError("lock", file: file, .locked(pid: holder(descriptor)))
        }
        // Somebody may have deleted the file between opening and locking: then another can lock a new one.
        var status = stat()
        guard fstat(descriptor, &status) == 0, FileIdentity(path: file) == FileIdentity(status) else {
            throw StorageError("lock", file: file, .moved)
        }
        guard fchmod(descriptor, 0o600) == 0 else { throw StorageError("protect", file: file, .system(errno)) }
        // For people only, so a full disk is no reason to give up.
        let text = Array("\(getpid())\n".utf8)
        let written = pwrite(descriptor, text, text.count, 0)
        _ = ftruncate(descriptor, off_t(max(written, 0)))
    }

    /// The process id in the file, if it is one.
    private static func holder(_ descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: bytes.prefix(count).prefix { $0 != 10 }, as: UTF8.self))
    }
}
