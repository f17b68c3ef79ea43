import CSQLite

/// One SQLite connection: opening, statements and errors that name the file. For one thread.
final class Connection {
    let file: String
    let handle: OpaquePointer

    /// - Parameter name: the path for errors, where `path` is a copy.
    init(_ path: String, name: String? = nil, flags: Int32, vfs: String? = nil) throws(StorageError) {
        var handle: OpaquePointer?
        let code = sqlite3_open_v2(path, &handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs)
        guard code == SQLITE_OK, let handle else {
            let message = String(cString: handle.map { sqlite3_errmsg($0) } ?? sqlite3_errstr(code))
            let errno = handle.map { sqlite3_system_errno($0) } ?? 0
            sqlite3_close(handle)
            throw StorageError("open", file: name ?? path, .sqlite(code: code, errno: errno, message: message))
        }
        file = name ?? path
        self.handle = handle
    }

    /// Closes without a checkpoint where `configure` asked so: the files stay as they are.
    deinit { sqlite3_close_v2(handle) }

    func configure(_ option: Int32, _ on: Bool) throws(StorageError) {
        let code = csqlite_configure(handle, option, on ? 1 : 0)
        guard code == SQLITE_OK else { throw error("configure", code) }
    }

    /// Limits the length of a row to what a record with so long a payload needs.
    func limit(payload: Int) throws(StorageError) {
        let length = Int32(clamping: payload + Self.rowOverhead)
        sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, length)
        let got = sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, -1)
        guard got == length else {
            throw StorageError("open", file: file, .setting(asked: "rows of \(length) bytes", got: "\(got) bytes"))
        }
    }

    /// Checks that SQLite relies on writes that leave the bytes beside them alone, as it does by default.
    func checkPowersafeOverwrite() throws(StorageError) {
        var value: Int32 = -1
        let code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_POWERSAFE_OVERWRITE, &value)
        guard code == SQLITE_OK, value == 1 else {
            throw StorageError("open", file: file, .setting(asked: "psow = 1", got: "\(value)"))
        }
    }

    /// More than a row of the table `record` takes beside its payload.
    static let rowOverhead = 100

    func error(_ operation: String, _ code: Int32, file: String? = nil) -> StorageError {
        let known = sqlite3_extended_errcode(handle) == code
        let message = String(cString: known ? sqlite3_errmsg(handle) : sqlite3_errstr(code))
        if [SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FORMAT].contains(code & 0xFF) { return corrupt(message) }
        let errno = known ? sqlite3_system_errno(handle) : 0
        return StorageError(operation, file: file ?? self.file, .sqlite(code: code, errno: errno, message: message))
    }

    /// The error that the database cannot be trusted.
    func corrupt(_ what: String, _ kind: Corruption.Kind = .malformed) -> StorageError {
        StorageError("open", file: file, .corrupt(Corruption(kind, file: file, what: what)))
    }

    /// Runs one statement, dropping its rows.
    func run(_ sql: String) throws(StorageError) {
        let statement = try Statement(self, sql)
        while try statement.step() {}
    }

    /// Runs `body` in a transaction.
    func transaction(_ body: () throws(StorageError) -> Void) throws(StorageError) {
        try run("BEGIN IMMEDIATE")
        do throws(StorageError) {
            try body()
            try run("COMMIT")
        } catch {
            // SQLite may have rolled back by itself.
            if sqlite3_get_autocommit(handle) == 0 { try? run("ROLLBACK") }
            throw error
        }
    }

    /// The first column of the first row of a query, as text.
    func text(_ sql: String) throws(StorageError) -> String? {
        let statement = try Statement(self, sql)
        return try statement.step() ? statement.text(0) : nil
    }

    /// Sets a pragma and checks that it reads back as asked.
    func set(_ pragma: String, _ value: String, reads: String) throws(StorageError) {
        try run("PRAGMA \(pragma) = \(value)")
        let got = try text("PRAGMA \(pragma)") ?? "nothing"
        guard got == reads else {
            throw StorageError("open", file: file, .setting(asked: "\(pragma) = \(reads)", got: got))
        }
    }
}

/// A prepared statement.
final class Statement {
    private let connection: Connection
    private let handle: OpaquePointer
    private let sql: String

    init(_ connection: Connection, _ sql: String) throws(StorageError) {
        var handle: OpaquePointer?
        let code = sqlite3_prepare_v3(
            connection.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &handle, nil)
        guard code == SQLITE_OK, let handle else { throw connection.error("prepare `\(sql)` for", code) }
        self.connection = connection
        self.handle = handle
        self.sql = sql
    }

    deinit { sqlite3_finalize(handle) }

    /// Moves to the next row; false at the end.
    func step() throws(StorageError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code:
            let error = connection.error("run `\(sql)` on", code)
            sqlite3_reset(handle)
            throw error
        }
    }

    /// Runs a statement without rows and readies it for the next time.
    func run() throws(StorageError) {
        while try step() {}
        sqlite3_reset(handle)
    }

    func bind(_ index: Int32, _ value: Int64) { sqlite3_bind_int64(handle, index, value) }

    func bind(_ index: Int32, _ value: UInt64) { bind(index, Int64(bitPattern: value)) }

    /// Binds constant text.
    func bind(_ index: Int32, _ value: String) {
        sqlite3_bind_text64(
            handle, index, value, UInt64(value.utf8.count), unsafeBitCast(-1, to: sqlite3_destructor_type.self),
            UInt8(SQLITE_UTF8))
    }

    /// Binds bytes that stay where they are until the statement has run.
    func bind(_ index: Int32, borrowed bytes: UnsafeRawBufferPointer) {
        if let base = bytes.baseAddress, !bytes.isEmpty {
            sqlite3_bind_blob64(handle, index, base, UInt64(bytes.count), nil)
        } else {
            sqlite3_bind_zeroblob(handle, index, 0)
        }
    }

    /// An integer; nil for any other type.
    func integer(_ column: Int32) -> Int64? {
        sqlite3_column_type(handle, column) == SQLITE_INTEGER ? sqlite3_column_int64(handle, column) : nil
    }

    /// A blob's bytes; nil for any other type.
    func blob(_ column: Int32) -> [UInt8]? { withBlob(column) { Array($0) } }

    func text(_ column: Int32) -> String? {
        sqlite3_column_text(handle, column).map { String(cString: $0) }
    }

    /// Hands over a blob's bytes until the next step; nil for any other type.
    func withBlob<R>(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> R) -> R? {
        guard sqlite3_column_type(handle, column) == SQLITE_BLOB else { return nil }
        let base = sqlite3_column_blob(handle, column)
        return body(UnsafeRawBufferPointer(start: base, count: Int(sqlite3_column_bytes(handle, column))))
    }
}
