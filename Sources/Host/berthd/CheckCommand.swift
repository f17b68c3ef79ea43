import ArgumentParser
import Ledger
import LedgerStore
import Machine
import Service
import Storage

/// `berthd check`: says whether the stored state, or one to import, is sound, and what it holds.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the stored state without changing it; exit status 65 if it is corrupt.",
        discussion: """
            With --import-state only that state.json is checked: the services, CPUs and huge pages that an import would \
            take over, what it would leave out, and what this machine lacks for it. That needs neither a state directory \
            nor a stopped berthd. Exit status 66 if there is no such directory or file.
            """)

    @OptionGroup var state: StateOptions
    @OptionGroup var imported: ImportOptions
    @Flag(help: "Leave out members of the state.json that are not known, with a warning, instead of refusing it.")
    var leaveOutUnknown = false
    @Flag(help: "Check the configuration only; exit status 78 if it is wrong.")
    var configuration = false
    @Flag(help: "List the stored claims.")
    var list = false
    @OptionGroup var machine: MachineOptions
    @OptionGroup(visibility: .hidden) var unused: ServeOptions

    private var source: ConfigurationSource {
        ConfigurationSource(
            config: state.config, flags: state.flags + imported.flags + machine.flags + unused.flags)
    }

    func run() throws {
        if configuration {
            return try reportingErrors {
                let configuration = try source.configuration()
                _ = try Settings(configuration, source)
                try ConfigurationCheck.run(
                    configuration, Paths(checking: configuration, environment: processEnvironment()), source)
            }
        }
        if let path = imported.importState {
            return try reportingErrors { try preview(path, isOptional: false) }
        }
        try withStore(source, .reads) { files, paths in
            switch try LedgerStore.read(files) {
            case .fresh:
                print("\(files.database): nothing was ever stored here")
                if let path = paths.importState { try preview(path, isOptional: true) }
            case .sound(let ledger, let seq):
                print("\(files.database): sound, \(counted(ledger.count, "claim")), record \(seq)")
                if list { for line in ledger.lines { print(line) } }
            case .refused(let error):
                printError("\(error)")
                throw Status.corrupt
            }
        }
    }

    /// Says what an import of the state file would do.
    private func preview(_ path: String, isOptional: Bool) throws {
        let found: EPAState.Import
        do {
            found = try StateImport.read(path, leavingOutUnknown: leaveOutUnknown)
        } catch let error as SystemError where !error.isAbsence || !isOptional {
            throw error
        } catch is SystemError {
            return
        } catch {
            printError("\(path): \(error); \(StateImport.remedy)")
            throw Status.corrupt
        }
        for warning in found.warnings { printError("\(path): \(warning)") }
        print("\(path): can be imported, \(counted(found.ledger.count, "claim"))")
        for line in found.ledger.lines { print(line) }
        let configuration = try source.configuration()
        let files = try ConfigurationCheck.machineFiles(configuration, source)
        let pools = try Settings.pools(configuration, source)
        do throws(MachineError) {
            let lacks = found.ledger.lacks(of: try MachineReader(files: files).read(), pools: pools)
            for sentence in lacks { print("this machine lacks: \(sentence)") }
        } catch {
            printError("the machine cannot be read, so what it lacks is not known: \(error)")
        }
    }
}
