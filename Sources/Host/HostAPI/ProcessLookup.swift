import Ledger
import Service

/// A process as the kernel shows it now.
package struct FoundProcess: Equatable, Sendable {
    /// Which process it is.
    package let identity: ProcessIdentity
    /// Its effective user.
    package let uid: UInt32

    /// A process.
    package init(identity: ProcessIdentity, uid: UInt32) {
        self.identity = identity
        self.uid = uid
    }
}

/// Finds a process by its id; nil where there is none.
package typealias ProcessLookup = @Sendable (_ pid: Int) -> FoundProcess?

extension FoundProcess {
    /// Reads `/proc` below `root`.
    package init?(pid: Int, proc root: String = "/proc") {
        // The start time is read again at the end: both files are then of the same process.
        guard let start = Self.startTime(pid, root), let uid = Self.uid(pid, root),
            let boot = try? readText("\(root)/sys/kernel/random/boot_id"), Self.startTime(pid, root) == start
        else { return nil }
        let bootID = String(boot.prefix { !$0.isWhitespace })
        self.init(identity: ProcessIdentity(id: pid, startTime: start, bootID: bootID), uid: uid)
    }

    /// Field 22 of `stat` (proc_pid_stat(5)); the second field, a name in parentheses, may have anything in it.
    private static func startTime(_ pid: Int, _ root: String) -> Int? {
        guard let text = Self.text("\(root)/\(pid)/stat"), let end = text.utf8.lastIndex(of: UInt8(ascii: ")")) else {
            return nil
        }
        let fields = text[end...].split(separator: " ")
        return fields.count > 20 ? Int(fields[20]) : nil
    }

    /// The text of a file; a process may have given itself a name that is no UTF-8.
    private static func text(_ path: String) -> String? {
        (try? readBytes(path)).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func uid(_ pid: Int, _ root: String) -> UInt32? {
        guard let text = text("\(root)/\(pid)/status") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("Uid:") {
            let fields = line.split { $0 == "\t" || $0 == " " }
            return fields.count > 2 ? UInt32(fields[2]) : nil
        }
        return nil
    }
}
