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

/// A record in the file `affinities` of the state directory.
package final class AffinityFile: AffinityStore {
    private let file: StateFile
    /// What the file says; nil where it was not read yet. Nobody else writes it.
    private let content = Mutex<AffinityRecord??>(nil)

    /// The file in the state directory of a daemon, which must exist.
    package init(stateDirectory: String) { file = StateFile(path: "\(stateDirectory)/affinities") }

    /// The record; nil where there is none, or none that can be read.
    package func load() -> AffinityRecord? {
        content.withLock { content in
            if let known = content { return known }
            let record = file.read().flatMap { AffinityRecord(text: $0) }
            content = .some(record)
            return record
        }
    }

    /// Writes the file anew, or removes it.
    ///
    /// - Throws: `SystemError` where it cannot be written; the old one is still there then.
    package func save(_ record: AffinityRecord?) throws(SystemError) {
        guard record != load() else { return }
        try file.replace(record?.text)
        content.withLock { $0 = .some(record) }
    }
}
