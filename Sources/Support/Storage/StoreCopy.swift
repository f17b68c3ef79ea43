import Glibc

/// A copy of a store's files in a private temporary directory, removed with it.
final class StoreCopy {
    /// The copies.
    let files: StoreFiles

    /// Copies files that another process may be writing to, to where there is room.
    static func make(of original: StoreFiles) throws(StorageError) -> StoreCopy {
        let given = getenv("TMPDIR").map { String(cString: $0) }
        var failure: StorageError?
        for parent in [given, "/tmp", "/dev/shm"].compactMap(\.self) {
            do throws(StorageError) { return try StoreCopy(of: original, in: parent) } catch {
                guard case .system = error.reason else { throw error }
                failure = failure ?? error
            }
        }
        throw failure ?? StorageError("copy", file: original.database, .system(ENOENT))
    }

    private init(of original: StoreFiles, in parent: String) throws(StorageError) {
        var template = Array("\(parent)/berth-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw StorageError("create", file: parent, .system(errno)) }
        files = StoreFiles(
            directory: String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self),
            name: original.name, applicationID: original.applicationID)
        // 1. The log's header has new salts whenever the log starts anew, which follows a checkpoint. While it and the
        // database stay as they are, the log holds every transaction that the database lacks.
        for _ in 0..<100 {
            let before = try Self.version(original)
            try remove()
            try original.checkRollbackJournal()
            let database = try FileReader(original.database)
            try FileIO.copy(database, size: database.size, to: files.database)
            if try FileIO.exists(original.log) {
                let log = try FileReader(original.log)
                try FileIO.copy(log, size: log.size, to: files.log)
            }
            // 2. Try again where a checkpoint came between.
            if try Self.version(original) == before { return }
            pause(milliseconds: 10)
        }
        throw StorageError("copy", file: original.database, .system(EBUSY))
    }

    deinit {
        for name in StoredFile.names(in: files.directory) { unlink("\(files.directory)/\(name)") }
        rmdir(files.directory)
    }

    private func remove() throws(StorageError) {
        for path in [files.database, files.log, files.rollbackJournal] { try FileIO.remove(path) }
    }

    private static func version(_ files: StoreFiles) throws(StorageError) -> [Int] {
        let version = try FileReader(files.database).version
        guard try FileIO.exists(files.log) else { return version }
        return version + (try FileReader(files.log).read(WriteAheadLog.headerSize, at: 0).map { Int($0) })
    }
}

func pause(milliseconds: Int) {
    var time = timespec(tv_sec: 0, tv_nsec: milliseconds * 1_000_000)
    nanosleep(&time, nil)
}
