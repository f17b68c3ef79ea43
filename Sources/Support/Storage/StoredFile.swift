import Glibc

/// Whole files beside a store, for what is too large for its records: written once, never changed.
package enum StoredFile {
    /// Writes a file where there is none of this name yet, making the folder (mode 0700) where needed; it is there whole and
    /// synced, or not at all.
    package static func keep(_ bytes: [UInt8], at path: String, in folder: String) throws(StorageError) {
        if try FileIO.exists(path) { return }
        try FileIO.prepareFolder(folder)
        let temporary = path + ".new"
        try FileIO.writeNew(temporary, bytes)
        try FileIO.rename(temporary, to: path)
        try FileIO.syncFolder(folder)
    }

    /// The content of a file of at most `limit` bytes.
    package static func read(_ path: String, limit: Int) throws(StorageError) -> [UInt8] {
        guard let bytes = try FileIO.read(path, limit: limit)?.bytes else {
            throw StorageError("read", file: path, .absent)
        }
        return bytes
    }

    /// Removes a file; none there is fine.
    package static func remove(_ path: String) throws(StorageError) { try FileIO.remove(path) }

    /// The names in a folder; none where it cannot be read.
    package static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
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
