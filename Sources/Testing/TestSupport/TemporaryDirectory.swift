import Glibc

/// A directory of a test's own, removed with its content.
package final class TemporaryDirectory: Sendable {
    /// The path of the directory.
    package let path: String

    /// Makes the directory in `parent`; in `/tmp` where that is missing.
    package init(in parent: String = "/tmp") throws {
        let parent = access(parent, W_OK) == 0 ? parent : "/tmp"
        var template = Array("\(parent)/berth-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SocketClient.Failure("make a temporary directory") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // Other users reach the sockets in it.
        chmod(path, 0o755)
    }

    deinit { Self.remove(path) }

    /// The names in the directory at `path`, sorted.
    package static func names(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes a file, or a directory with its content.
    package static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in names(in: path) { remove("\(path)/\(name)") }
            rmdir(path)
        } else {
            unlink(path)
        }
    }

    /// The bytes of a file, or nil where there is none.
    package static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while case let count = Glibc.read(descriptor, &piece, piece.count), count > 0 { bytes += piece.prefix(count) }
        return bytes
    }

    /// Writes files by their paths; a path that ends in a slash makes an empty directory.
    package func write(_ files: [String: String]) throws {
        for (path, content) in files {
            var directory = self.path
            for part in path.split(separator: "/").dropLast(path.hasSuffix("/") ? 0 : 1) {
                directory += "/\(part)"
                mkdir(directory, 0o755)
            }
            if !path.hasSuffix("/") { try Self.write(Array(content.utf8), to: "\(self.path)/\(path)") }
        }
    }

    /// Writes a file, replacing one that exists.
    package static func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SocketClient.Failure("open \(path)") }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw SocketClient.Failure("write \(path)")
        }
    }
}
