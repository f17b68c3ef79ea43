import CLinux
import Glibc

/// Which file a path named, so that a replaced one is noticed.
struct FileIdentity: Sendable, Hashable {
    let device: UInt64
    let inode: UInt64

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }

    /// The file at `path` now; nil where there is none or it cannot be seen.
    init?(path: String) {
        var (device, inode): (UInt64, UInt64) = (0, 0)
        guard clinux_file_identity(path, &device, &inode) == 0 else { return nil }
        self.device = device
        self.inode = inode
    }
}

/// The few file operations around SQLite, with errors that name the file. Each asks `interposer` first.
enum FileIO {
    enum Step: Sendable, Hashable {
        case makeDirectory, write, sync, rename, link, unlink
    }

    /// Tests stop or fail any step here: an `errno` makes the step fail without being done. Never set in production.
    @TaskLocal static var interposer: (@Sendable (Step, String) -> Int32?)?

    private static func check(_ step: Step, _ operation: String, _ path: String) throws(StorageError) {
        if let code = interposer?(step, path) { throw StorageError(operation, file: path, .system(code)) }
    }

    static func exists(_ path: String) throws(StorageError) -> Bool {
        var status = stat()
        if lstat(path, &status) == 0 { return true }
        guard errno == ENOENT else { throw StorageError("look at", file: path, .system(errno)) }
        return false
    }

    /// Makes the directory with mode 0700, or tightens an existing one to it.
    static func prepareDirectory(_ path: String) throws(StorageError) {
        try check(.makeDirectory, "create", path)
        if mkdir(path, 0o700) != 0 && errno != EEXIST { throw StorageError("create", file: path, .system(errno)) }
        var status = stat()
        guard stat(path, &status) == 0 else { throw StorageError("look at", file: path, .system(errno)) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw StorageError("use", file: path, .system(ENOTDIR)) }
        guard status.st_mode & 0o777 != 0o700 else { return }
        // Somebody else's directory, named by mistake, is not to be closed to everybody.
        let names = StoredFile.names(in: path)
        guard names.isEmpty || names.contains("lock") || names.contains(where: { $0.hasSuffix(".created") }) else {
            throw StorageError(
                "use", file: path,
                .occupied(
                    "it has files of others and a mode other than 0700; give a directory that is empty, or not there yet"
                ))
        }
        guard chmod(path, 0o700) == 0 else { throw StorageError("set mode 0700 of", file: path, .system(errno)) }
    }

    /// The whole content of a regular file, never through a symbolic link; nil where there is no file.
    static func read(_ path: String, limit: Int) throws(StorageError) -> [UInt8]? {
        guard try exists(path) else { return nil }
        let file = try FileReader(path)
        guard file.size <= limit else { throw StorageError("read", file: path, .tooLarge(limit: limit)) }
        return try file.read(file.size, at: 0)
    }

    /// Copies the first `size` bytes of a file to a new one.
    static func copy(_ source: FileReader, size: Int, to path: String) throws(StorageError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw StorageError("create", file: path, .system(errno)) }
        defer { close(descriptor) }
        var offset = 0
        while offset < size {
            let bytes = try source.read(min(1 << 20, size - offset), at: offset)
            if bytes.isEmpty { return }
            try write(bytes, to: descriptor, path)
            offset += bytes.count
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws(StorageError) {
        var done = 0
        while done < bytes.count {
            let put = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if put > 0 {
                done += put
            } else if put == 0 || errno != EINTR {
                throw StorageError("write", file: path, .system(put == 0 ? ENOSPC : errno))
            }
        }
    }

    /// Writes a file of mode 0600 anew and syncs it; on failure nothing of it is left.
    static func writeNew(_ path: String, _ bytes: [UInt8]) throws(StorageError) {
        try remove(path)
        try check(.write, "create", path)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw StorageError("create", file: path, .system(errno)) }
        do throws(StorageError) {
            defer { close(descriptor) }
            guard fchmod(descriptor, 0o600) == 0 else { throw StorageError("protect", file: path, .system(errno)) }
            try write(bytes, to: descriptor, path)
            try check(.sync, "sync", path)
            guard fsync(descriptor) == 0 else { throw StorageError("sync", file: path, .system(errno)) }
        } catch {
            unlink(path)
            throw error
        }
    }

    /// Makes the content and length of a file durable.
    static func sync(_ path: String) throws(StorageError) {
        try check(.sync, "sync", path)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw StorageError("open", file: path, .system(errno)) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw StorageError("sync", file: path, .system(errno)) }
    }

    /// Makes the names in a directory durable.
    static func syncDirectory(_ path: String) throws(StorageError) {
        try check(.sync, "sync", path)
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StorageError("open", file: path, .system(errno)) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw StorageError("sync", file: path, .system(errno)) }
    }

    static func rename(_ from: String, to path: String) throws(StorageError) {
        try check(.rename, "rename", from)
        guard Glibc.rename(from, path) == 0 else { throw StorageError("rename", file: from, .system(errno)) }
    }

    /// Gives the file a second name, which must be free: unlike a rename this cannot overwrite.
    static func link(_ from: String, to path: String) throws(StorageError) {
        try check(.link, "create", path)
        guard Glibc.link(from, path) == 0 else { throw StorageError("create", file: path, .system(errno)) }
    }

    /// Removes a file of our own making; none there is fine.
    static func remove(_ path: String) throws(StorageError) {
        guard try exists(path) else { return }
        try check(.unlink, "remove", path)
        guard unlink(path) == 0 || errno == ENOENT else { throw StorageError("remove", file: path, .system(errno)) }
    }

    /// Renames the file, where there is one, to `<path>.<mark>-<n>` with the first free number.
    static func quarantine(_ path: String, _ mark: QuarantineMark) throws(StorageError) -> String? {
        guard try exists(path) else { return nil }
        var number = 1
        while try exists("\(path).\(mark)-\(number)") { number += 1 }
        let name = "\(path).\(mark)-\(number)"
        try rename(path, to: name)
        return name
    }
}

/// Why files of a store are quarantined: part of the name that they get.
package enum QuarantineMark: String, Sendable, CustomStringConvertible {
    /// They cannot be trusted.
    case corrupt = "damaged"
    /// They are sound, and an operator wanted other ones.
    case replaced

    /// The part of the name.
    package var description: String { rawValue }
}
