import Glibc

/// A copy of a store's files in a private temporary directory, removed with it.
final class StoreCopy {
    /// The copies.
    let files: StoreFiles

    /// Copies files that another process may be writing to.
    init(of original: StoreFiles) throws(StorageError) {
        files = StoreFiles(
            directory: try Self.makeDirectory(), name: original.name, applicationID: original.applicationID)
        // 1. The log's header has new salts whenever the log starts anew, which follows a checkpoint. While it and the database stay
        // as they are, the log holds every transaction that the database lacks.
        for _ in 0..<100 {
            let before = try Self.version(original)
            try remove()
            guard try !FileIO.exists(original.rollbackJournal) else {
                throw StorageError(
                    "open", file: original.rollbackJournal,
                    .corrupt(
                        Corruption(
                            .foreign, file: original.rollbackJournal,
                            what: "is not of Berth's making: another program wrote here")))
            }
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
        try? remove()
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

    /// Makes a directory that is this user's alone, where temporary files go.
    private static func makeDirectory() throws(StorageError) -> String {
        let given = getenv("TMPDIR").map { String(cString: $0) }
        let parent = [given, "/tmp", "/dev/shm"].compactMap(\.self).first { access($0, W_OK | X_OK) == 0 } ?? "/tmp"
        var template = Array("\(parent)/berth-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw StorageError("create", file: parent, .system(errno)) }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

func pause(milliseconds: Int) {
    var time = timespec(tv_sec: 0, tv_nsec: milliseconds * 1_000_000)
    nanosleep(&time, nil)
}
