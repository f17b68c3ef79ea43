import Glibc

/// Whole files beside a store, for what is too large for its records: written once, never changed.
package enum StoredFile {
    /// Writes a file where there is none of this name yet, making the directory (mode 0700) where needed; it is there whole and
    /// synced, or not at all.
    package static func store(_ bytes: [UInt8], at path: String, in directory: String) throws(StorageError) {
        if try FileIO.exists(path) { return }
        try FileIO.prepareDirectory(directory)
        let temporary = path + ".new"
        try FileIO.writeNew(temporary, bytes)
        try FileIO.rename(temporary, to: path)
        try FileIO.syncDirectory(directory)
    }

    /// The content of a file of at most `limit` bytes.
    package static func read(_ path: String, limit: Int) throws(StorageError) -> [UInt8] {
        guard let bytes = try FileIO.read(path, limit: limit) else {
            throw StorageError("read", file: path, .absent)
        }
        return bytes
    }

    /// Removes a file; none there is fine.
    package static func remove(_ path: String) throws(StorageError) { try FileIO.remove(path) }

    /// The names in a directory; none where it cannot be read.
    package static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) {
                    String(cString: $0)
                }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}
