import Glibc

/// The files of the running kernel, or of a directory that stands for `/sys`.
///
/// Reads with plain system calls, because some files are read again on every request.
package struct DirectoryFiles: MachineFiles {
    /// The directory that stands for `/sys`, without a slash at its end.
    package let root: String

    /// More names than any directory of `/sys` has; the rest of a longer directory is left out.
    private static let maximumEntries = 1 << 17

    /// Files below `root`.
    package init(root: String = "/sys") {
        var root = root
        while root.hasSuffix("/") { root.removeLast() }
        self.root = root
    }

    /// The content of `<root>/<path>`, in one buffer of 4 KiB at a time; nil as ``MachineFiles/read(_:)`` says.
    package func read(_ path: String) -> [UInt8]? {
        // Non-blocking: a pipe in a directory that stands for `/sys` must not hang the reader.
        let descriptor = open("\(root)/\(path)", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 16) { buffer in
            var content: [UInt8] = []
            while true {
                let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                if count == 0 { return content }
                if count < 0 {
                    if errno == EINTR { continue }
                    return nil
                }
                content.append(contentsOf: buffer.prefix(count))
                guard content.count <= maximumFileSize else { return nil }
            }
        }
    }

    /// The names in `<root>/<directory>`, without `.` and `..`, in numerical order.
    package func entries(of directory: String) -> [String]? {
        guard let stream = opendir("\(root)/\(directory)") else { return nil }
        defer { closedir(stream) }
        guard let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) else { return nil }
        var names: [String] = []
        while names.count < Self.maximumEntries, let entry = readdir(stream) {
            let name = UnsafeRawPointer(entry).advanced(by: nameOffset).assumingMemoryBound(to: CChar.self)
            names.append(String(cString: name))
        }
        names.removeAll { $0 == "." || $0 == ".." }
        return names.sorted(by: numericallyPrecedes)
    }
}
