/// Where one store lives: the files `<name>.db`, `<name>.db-wal`, `<name>.last-good` and `<name>.created` in a folder of
/// mode 0700. What each holds: `docs/storage.md`.
package struct StoreFiles: Sendable, Hashable {
    /// The state folder.
    package let folder: String
    /// The common first part of the names of the files.
    package let name: String
    /// The number in SQLite's header that tells whose content this is; files with another one are refused.
    package let applicationID: UInt32

    /// `Brth`, in ASCII.
    package static let berth: UInt32 = 0x4272_7468

    /// Names the files; touches none.
    package init(folder: String, name: String, applicationID: UInt32 = StoreFiles.berth) {
        self.folder = folder
        self.name = name
        self.applicationID = applicationID
    }

    /// The SQLite database.
    package var database: String { "\(folder)/\(name).db" }
    /// The database's write-ahead log.
    package var log: String { "\(folder)/\(name).db-wal" }
    /// The last good state.
    package var lastGood: String { "\(folder)/\(name).last-good" }
    /// An empty file that says that a database was created here: without it, a deleted database would look like none.
    package var marker: String { "\(folder)/\(name).created" }

    var rollbackJournal: String { "\(folder)/\(name).db-journal" }
    var newDatabase: String { "\(folder)/\(name).db.new" }
    var newLastGood: String { "\(folder)/\(name).last-good.new" }
}
