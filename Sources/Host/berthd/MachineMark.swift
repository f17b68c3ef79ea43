import Glibc
import LedgerStore
import Machine
import Service
import Storage

/// The file `machine` in a state directory: which machine the state was made for, as one line: `real`, `simulated`,
/// `captured:NAME` or `sysfs-root:PATH`. Claims of one machine mean nothing on another.
struct MachineMark {
    /// A state that was made for another machine, or whose machine is unknown.
    struct Mismatch: Error, CustomStringConvertible {
        let description: String
    }

    private let configuration: DaemonConfiguration
    private let directory: String
    /// What the file says for the machine that is served.
    let text: String

    /// The mark of the machine that is configured.
    ///
    /// - Parameter name: what a captured machine is called.
    init(_ configuration: DaemonConfiguration, name: String?, directory: String) {
        self.configuration = configuration
        self.directory = directory
        text =
            switch configuration.machineKind {
            case "captured": "captured:\(escaped(name ?? ""))"
            case "sysfs-root": "sysfs-root:\(escaped(configuration.sysfsRoot))"
            case let kind: kind
            }
    }

    /// Checks that the state is one of the served machine. Hold the lock.
    ///
    /// A state of version 0.1.0 has no mark. It is taken as that of the real machine, unless the operator names both the
    /// other machine and the state directory. Another root of sysfs may well be the real machine, as in a container.
    /// - Returns: whether the state has a mark.
    /// - Throws: ``Mismatch``, or `SystemError` where the file cannot be read.
    func check() throws -> Bool {
        // What is corrupt is a state too. A mark without a state was left by a start that failed.
        let isFresh = (try? StoreFiles(directory: directory, name: LedgerStore.name).isFresh()) ?? false
        if let found = try Self.read(directory), found == text || !isFresh {
            guard found != text else { return true }
            throw Mismatch(
                description:
                    "\(directory): this state was made for another machine (\(found)), and \(text) is configured. "
                    + "Give another directory with --state-dir; or, to use this state for \(text) from now on, "
                    + "delete \(path) and name the directory with --state-dir")
        }
        let isAdopted =
            configuration.stateDirectory != nil || configuration.machineKind == "real"
            || configuration.machineKind == "sysfs-root"
        guard isFresh || isAdopted else {
            throw Mismatch(
                description:
                    "\(directory): this state does not say for which machine it was made, so it is taken as that of "
                    + "the real machine, and \(text) is configured. Give another directory with --state-dir; or, to "
                    + "use this state for \(text) from now on, name it with --state-dir")
        }
        return false
    }

    /// Marks the state as one of the served machine.
    func write() throws(SystemError) { try writeDurably(Array("\(text)\n".utf8), to: path) }

    private var path: String { Self.path(directory) }

    private static func path(_ directory: String) -> String { "\(directory)/machine" }

    /// Which machine a backup was made for: a directory says so itself, a file by the mark beside it.
    static func read(ofBackup path: String) throws(SystemError) -> String? {
        var status = stat()
        let isDirectory = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        return try read(isDirectory ? path : path.lastIndex(of: "/").map { String(path[...$0]) } ?? ".")
    }

    /// Which machine the state in a directory, or in a copy of one, was made for; nil where it does not say.
    static func read(_ directory: String) throws(SystemError) -> String? {
        do throws(SystemError) {
            let bytes = try readBytes(path(directory), limit: 4096, mustBeRegular: true)
            return String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
        } catch {
            guard error.isAbsence else { throw error }
            return nil
        }
    }
}
