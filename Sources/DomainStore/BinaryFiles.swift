import Domain
import Storage

/// The code of functions, each in a file named by its SHA-256 in one folder: stored once however many functions share it.
///
/// A file is there, whole and synced, before a record that names it is written; files that no record names are removed at the
/// start and whenever the store is written anew.
struct BinaryFiles {
    let folder: String
    /// The longest code that is read, in bytes (1 GiB).
    static let limit = 1 << 30

    /// Writes the code where it is not there yet; durable on return.
    func keep(_ binary: Binary) throws(StorageError) {
        try StoredFile.keep(binary.bytes, at: path(binary.digest), in: folder)
    }

    /// The code of a digest.
    ///
    /// - Throws: where it is not there; its content is checked by whoever uses it.
    func read(_ digest: String) throws(StorageError) -> Binary {
        guard Self.isDigest(digest) else { throw StorageError("read", file: path(digest), .absent) }
        return Binary(digest: digest, bytes: try StoredFile.read(path(digest), limit: Self.limit))
    }

    /// Removes the files that are not among `digests`.
    func retain(_ digests: Set<String>) throws(StorageError) {
        for name in StoredFile.names(in: folder) where Self.isDigest(name) && !digests.contains(name) {
            try StoredFile.remove(path(name))
        }
    }

    private func path(_ digest: String) -> String { "\(folder)/\(digest)" }

    private static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }
}
