import Domain
import Storage
import Synchronization

/// The code of functions, each in a file named by its SHA-256 in one directory: stored once however many functions share it.
///
/// A file is there, whole and synced, before a record that names it is written. May be used by several threads.
package final class CodeStore: Sendable {
    let directory: String
    /// The longest code that is stored and read, in bytes (1 GiB).
    private static let limit = 1 << 30
    private static let unfinished = ".new"

    private struct State {
        /// The digests of the code that is known to be in its file.
        var known: Set<String> = []
        /// The code that could not be written last, and why; nil where it could.
        var unwritten: (binary: Binary, reason: String)?
    }

    /// Never held for long: not while a file is written.
    private let state = Mutex(State())
    /// Held while files are written or removed.
    private let files = Mutex(())

    init(directory: String) { self.directory = directory }

    /// Why code cannot be written; nil as far as it can.
    var failure: String? { state.withLock { $0.unwritten?.reason } }

    /// Whether code is known to be in its file already, so that storing it waits for nothing.
    package func holds(_ binary: Binary) -> Bool { state.withLock { $0.known.contains(binary.digest) } }

    /// Writes code where it is not there yet; durable on return.
    ///
    /// - Throws: `StorageError` that names the directory.
    package func store(_ binary: Binary) throws(StorageError) {
        guard !holds(binary) else { return }
        try files.withLock { _ throws(StorageError) in
            guard !holds(binary) else { return }
            do throws(StorageError) {
                guard binary.bytes.count <= Self.limit else {
                    throw StorageError("write", file: path(binary.digest), .tooLarge(limit: Self.limit))
                }
                try StoredFile.store(binary.bytes, at: path(binary.digest), in: directory)
            } catch {
                // Of the directory, not of the file: the same cause is reported once, whatever the code.
                let failure = StorageError(error.operation, file: directory, error.reason)
                state.withLock { $0.unwritten = (binary, failure.description) }
                throw failure
            }
            state.withLock { state in
                // Where there is room for little there may be none for what failed.
                if let failed = state.unwritten, binary.bytes.count >= failed.binary.bytes.count {
                    state.unwritten = nil
                }
                state.known.insert(binary.digest)
            }
        }
    }

    /// Tries again what could not be written, to see whether that can be done now.
    func retry() throws(StorageError) {
        if let binary = state.withLock({ $0.unwritten?.binary }) { try store(binary) }
    }

    /// The code of a digest.
    ///
    /// - Throws: where it is not there; its content is checked by whoever uses it.
    func read(_ digest: String) throws(StorageError) -> Binary {
        guard Self.isDigest(digest) else { throw StorageError("read", file: path(digest), .absent) }
        return Binary(digest: digest, bytes: try StoredFile.read(path(digest), limit: Self.limit))
    }

    /// Removes the files that are not among `digests`, and those that were never finished; not now where one is being written,
    /// which the caller would have to wait for.
    func retain(_ digests: Set<String>) throws(StorageError) {
        try files.withLockIfAvailable { _ throws(StorageError) in
            state.withLock { $0.known.formIntersection(digests) }
            for name in StoredFile.names(in: directory) where !digests.contains(name) {
                let isUnfinished = name.hasSuffix(Self.unfinished) && Self.isDigest(String(name.dropLast(4)))
                if isUnfinished || Self.isDigest(name) { try StoredFile.remove(path(name)) }
            }
        }
    }

    private func path(_ digest: String) -> String { "\(directory)/\(digest)" }

    private static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }
}
