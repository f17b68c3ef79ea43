/// Where one store lives: the files `<name>.db`, `<name>.db-wal`, `<name>.last-good` and `<name>.created` in a directory
/// of mode 0700. What each holds: `docs/storage.md`.
package struct StoreFiles: Sendable, Hashable {
    /// The state directory.
    package let directory: String
    /// The common first part of the names of the files.
    package let name: String
    /// The number in SQLite's header that tells whose content this is; files with another one are refused.
    package let applicationID: UInt32

    /// `Brth`, in ASCII.
    package static let berth: UInt32 = 0x4272_7468

    /// Names the files; touches none.
    package init(directory: String, name: String, applicationID: UInt32 = StoreFiles.berth) {
        self.directory = directory
        self.name = name
        self.applicationID = applicationID
    }

    /// The SQLite database.
    package var database: String { "\(directory)/\(name).db" }
    /// The database's write-ahead log.
    package var log: String { "\(directory)/\(name).db-wal" }
    /// The last good state.
    package var lastGood: String { "\(directory)/\(name).last-good" }
    /// An empty file that says that a database was created here: without it, a deleted database would look like none.
    package var marker: String { "\(directory)/\(name).created" }

    var rollbackJournal: String { "\(directory)/\(name).db-journal" }
    var newDatabase: String { "\(directory)/\(name).db.new" }
    var newLastGood: String { "\(directory)/\(name).last-good.new" }
}
