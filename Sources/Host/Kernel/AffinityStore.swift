import Glibc
import Service
import Synchronization

/// Where an ``AffinityRecord`` outlives a crash of this program.
package protocol AffinityStore: Sendable {
    /// The record; nil where there is none, or none that can be read.
    func load() -> AffinityRecord?

    /// Stores a record in the place of the one before; nil to remove it.
    ///
    /// - Throws: `SystemError` where it cannot be stored.
    func save(_ record: AffinityRecord?) throws(SystemError)
}

/// A record that ends with this program.
package final class AffinityMemory: AffinityStore {
    private let record = Mutex<AffinityRecord?>(nil)

    /// No record.
    package init() {}

    /// The record that was stored last.
    package func load() -> AffinityRecord? { record.withLock { $0 } }

    /// Keeps a record.
    package func save(_ record: AffinityRecord?) { self.record.withLock { $0 = record } }
}

/// A record in a file. It need not outlive the machine's end, as no thread does: nothing waits for the disk.
package final class AffinityFile: AffinityStore {
    /// The longest file that is read, in bytes: thousands of threads.
    private static let limit = 16 << 20

    private let path: String
    /// What the file says; nil where it was not read yet. Nobody else writes it.
    private let content = Mutex<AffinityRecord??>(nil)

    /// The file in the state directory of a daemon, which must exist.
    package init(stateDirectory: String) { path = "\(stateDirectory)/affinities" }

    /// The record; nil where there is none, or none that can be read.
    package func load() -> AffinityRecord? {
        content.withLock { content in
            if let known = content { return known }
            let bytes = try? readBytes(path, limit: Self.limit, mustBeRegular: true)
            let record = bytes.flatMap { AffinityRecord(text: String(decoding: $0, as: UTF8.self)) }
            content = .some(record)
            return record
        }
    }

    /// Writes the file anew, or removes it.
    ///
    /// - Throws: `SystemError` where it cannot be written; the old one is still there then.
    package func save(_ record: AffinityRecord?) throws(SystemError) {
        guard record != load() else { return }
        if let record { try write(record) } else { try remove() }
        content.withLock { $0 = .some(record) }
    }

    private func remove() throws(SystemError) {
        if unlink(path) != 0 && errno != ENOENT { throw SystemError("remove \(path)", errno: errno) }
    }

    private func write(_ record: AffinityRecord) throws(SystemError) {
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw SystemError("write \(temporary)", errno: errno) }
        let bytes = Array(record.text.utf8)
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
