import Glibc
import Ledger
import LedgerStore
import Service
import Storage

/// Finds the reference's state file at the first start.
enum StateImport {
    /// What there is to import.
    enum Found {
        case nothing
        case found(ReferenceState.Import)
        case corrupt(String)
    }

    /// Looks at the file only where nothing was ever stored: afterwards the own state is the truth.
    static func look(_ path: String, stateDirectory: String) throws(StorageError) -> Found {
        let files = StoreFiles(folder: stateDirectory, name: LedgerStore.name)
        guard case .fresh = try files.inspect(), access(path, F_OK) == 0 else { return .nothing }
        do {
            return .found(try read(path))
        } catch {
            return .corrupt("\(error)")
        }
    }

    /// Reads a state file.
    static func read(_ path: String) throws -> ReferenceState.Import {
        try ReferenceState.read(Array(try readText(path).utf8))
    }
}
