import ArgumentParser
import Ledger
import LedgerStore
import Service
import Storage

/// `berthd check`: says whether the stored state, or one to import, can be trusted.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the stored state without changing it; exit status 65 where it cannot be trusted.",
        discussion: """
            With --import-state only that state.json is looked at: what an import would take over and what it would \
            leave out. That needs neither a state folder nor a stopped berthd. Exit status 66 where there is no such \
            folder or file.
            """)

    @OptionGroup var options: Options

    func run() throws {
        if let path = options.importState {
            return try reportingErrors { try check(state: path, isOptional: false) }
        }
        try withStore(options, .reads) { files in
            switch try LedgerStore.read(files) {
            case .fresh:
                print("\(files.database): nothing was ever stored here")
                let places = Places(try options.configuration(), environment: processEnvironment())
                if let path = places.importState { try check(state: path, isOptional: true) }
            case .sound(let ledger, let seq):
                print("\(files.database): sound, \(counted(ledger.count, "claim")), record \(seq)")
            case .refused(let error):
                printError("\(error)")
                throw Status.untrusted
            }
        }
    }

    /// Says what an import of the state file would do.
    private func check(state path: String, isOptional: Bool) throws {
        do {
            let found = try StateImport.read(path)
            for warning in found.warnings { printError("\(path): \(warning)") }
            print("\(path): can be imported, \(counted(found.ledger.count, "claim"))")
        } catch let error as SystemError where !error.isAbsence || !isOptional {
            throw error
        } catch is SystemError {
            return
        } catch {
            printError("\(path): \(error); \(StateImport.remedy)")
            throw Status.untrusted
        }
    }
}
