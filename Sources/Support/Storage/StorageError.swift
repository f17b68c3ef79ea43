import Glibc

/// A failed operation on a store: what was attempted, on which file, and why it failed.
package struct StorageError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The cause of a failure.
    package enum Reason: Sendable, Hashable {
        /// A system call failed with this `errno`.
        case system(Int32)
        /// SQLite failed with this extended result code, and the `errno` behind it (0: none), in its words.
        case sqlite(code: Int32, errno: Int32, message: String)
        /// SQLite did not take a setting: what was asked for and what it read back.
        case setting(asked: String, got: String)
        /// The files cannot be trusted.
        case corrupt(Corruption)
        /// Another process holds the lock (its process id, where the lock file says so).
        case locked(pid: Int32?)
        /// The file at the path is no longer the one that was opened: deleted or replaced by someone else.
        case moved
        /// Something that is not ours stands where a file of the store should be; it is left alone.
        case occupied(String)
        /// An earlier write failed: `rebuild` must succeed first.
        case failed(String)
        /// The journal was closed.
        case closed
        /// A record or file beyond the limit, in bytes.
        case tooLarge(limit: Int)
        /// There is nothing of this kind to read.
        case absent
    }

    /// What was attempted, as a verb phrase.
    package let operation: String
    /// Path of the file.
    package let file: String
    /// Why it failed.
    package let reason: Reason

    /// A failure of `operation` on `file`.
    package init(_ operation: String, file: String, _ reason: Reason) {
        self.operation = operation
        self.file = file
        self.reason = reason
    }

    /// One line: operation, file and cause.
    package var description: String {
        let cause =
            switch reason {
            case .system(let code): Self.text(errno: code)
            case .sqlite(let code, let errno, let message):
                "SQLite error \(code): \(message)" + (errno == 0 ? "" : " (\(Self.text(errno: errno)))")
            case .setting(let asked, let got): "asked for \(asked), SQLite answers \(got)"
            case .corrupt(let corruption): corruption.file == file ? corruption.what : corruption.description
            case .locked(let pid): "held by " + (pid.map { "process \($0)" } ?? "another process")
            case .moved: "the file was deleted or replaced while in use"
            case .occupied(let what): what
            case .failed(let earlier): "refused after an earlier failure (\(earlier))"
            case .closed: "the journal is closed"
            case .tooLarge(let limit): "larger than \(limit) bytes"
            case .absent: "there is none"
            }
        return "cannot \(operation) \(file): \(cause)"
    }

    private static func text(errno code: Int32) -> String {
        guard let text = strerror(code) else { return "errno \(code)" }
        return "\(String(cString: text)) (errno \(code))"
    }
}
