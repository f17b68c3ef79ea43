import ArgumentParser
import Glibc
import LedgerStore
import Service
import Storage

/// What a command does with the state directory.
enum StateAccess {
    case reads, changes
}

/// Runs `body` on the store that the options name and turns errors into messages and exit statuses. A command that changes
/// the store takes its lock; one that reads it works on a copy and needs none, so that the daemon may run.
///
/// A directory that is not there is not made: a path mistyped would look like a state without claims.
func withStore(
    _ source: ConfigurationSource, _ access: StateAccess, _ body: (StoreFiles, Paths) throws -> Void
) throws {
    try reportingErrors {
        let paths = try Paths(stored: try source.configuration(), environment: processEnvironment())
        let directory = paths.stateDirectory
        let files = StoreFiles(directory: directory, name: LedgerStore.name)
        guard isThere(directory) else {
            printError(
                "there is no directory \(directory), so nothing was ever stored there"
                    + (access == .reads ? "" : "; start berthd once, or make it (mkdir -m 700)"))
            throw Status.noInput
        }
        if access == .reads { return try body(files, paths) }
        let lock = try StoreLock(directory: directory)
        try withExtendedLifetime(lock) { try body(files, paths) }
    }
}

/// Turns the errors of `body` into messages and exit statuses.
func reportingErrors(_ body: () throws -> Void) throws {
    do { try body() } catch let error as ConfigurationError {
        printError(error.message)
        throw Status.configuration
    } catch let error as StorageError {
        switch error.reason {
        case .locked:
            printError("\(error): berthd is running and must be stopped first (systemctl stop berthd)")
            throw Status.running
        case .absent:
            printError(error.description)
            throw Status.noInput
        case .corrupt:
            printError(error.description)
            throw Status.corrupt
        default:
            printError(error.description)
            throw Status.inputOutput
        }
    } catch let error as SystemError {
        printError(error.description)
        throw error.isAbsence ? Status.noInput : Status.inputOutput
    }
}

/// Whether a path names something; what may not be looked at counts, so that the next step reports why.
private func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR) }

/// `1 claim`, `2 claims`.
func counted(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
