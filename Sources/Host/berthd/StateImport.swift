import Glibc
import Ledger
import LedgerStore
import Service
import Storage

/// Finds the EPA Orchestrator's state file at the first start.
enum StateImport {
    /// What there is to import.
    enum Found {
        /// There is a store already.
        case notFirst
        /// There is no such file.
        case absent
        case found(EPAState.Import)
        case corrupt(String)
    }

    /// What an operator can do about a state file that cannot be imported.
    static let remedy =
        "repair the file, or move it away to begin with nothing, or restore from another one with berthd restore --from-state "
        + "FILE (--leave-out-unknown, if members are not known), or start with an empty state with berthd restore --empty"

    /// The longest state file that is read, in bytes.
    private static let limit = 64 << 20

    /// Looks at the file only where nothing was ever stored: afterwards the own state is the truth.
    static func look(_ path: String, stateDirectory: String) throws(StorageError) -> Found {
        let files = StoreFiles(directory: stateDirectory, name: LedgerStore.name)
        do throws(StorageError) {
            guard try files.isFresh() else { return .notFirst }
        } catch {
            // Traces of a store that is gone: the daemon reports it when it opens the store.
            if case .corrupt = error.reason { return .notFirst }
            throw error
        }
        do {
            return .found(try read(path))
        } catch let error as SystemError where error.isAbsence {
            return .absent
        } catch {
            return .corrupt("\(error)")
        }
    }

    /// Reads a state file.
    static func read(_ path: String, leavingOutUnknown: Bool = false) throws -> EPAState.Import {
        try EPAState.read(
            try readBytes(path, limit: limit, mustBeRegular: true), leavingOutUnknown: leavingOutUnknown)
    }
}

extension SystemError {
    /// Whether there is no such file.
    var isAbsence: Bool { errno == ENOENT || errno == ENOTDIR }
}
