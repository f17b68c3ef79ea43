import ArgumentParser
import Glibc
import Ledger
import LedgerStore
import Service
import Storage

/// `berthd check`: says whether the stored state can be trusted.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the stored state without changing it; exit status 65 where it cannot be trusted.")

    @OptionGroup var options: Options

    func run() throws {
        try withStore(options) { files in
            switch try LedgerStore.read(files) {
            case .fresh: print("\(files.database): nothing was ever stored here")
            case .sound(let ledger, let seq): print("\(files.database): sound, \(ledger.count) claims, record \(seq)")
            case .untrusted(let reason):
                printError(reason)
                throw Status.untrusted
            }
        }
    }
}

/// `berthd restore`: puts a good state in place of one that cannot be trusted.
struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Set a damaged state aside and go on from the last good one.",
        discussion: "The damaged files are kept beside it under other names. berthd must not be running.")

    @OptionGroup var options: Options
    @Option(help: "Go on from this state.json of the reference instead.")
    var fromState: String?
    @Flag(help: "Go on from nothing instead: every claim is forgotten.")
    var empty = false

    func validate() throws {
        if empty, fromState != nil { throw ValidationError("--empty and --from-state exclude each other") }
    }

    func run() throws {
        try withStore(options) { files in
            let ledger: Ledger
            let source: String
            if empty {
                (ledger, source) = (Ledger(), "nothing")
            } else if let fromState {
                do { (ledger, source) = (try StateImport.read(fromState).ledger, fromState) } catch let error
                    as SystemError
                {
                    throw error
                } catch {
                    printError("\(fromState): \(error)")
                    throw Status.untrusted
                }
            } else {
                let kept = try files.readLastGood()
                do { ledger = try Ledger(snapshot: kept.snapshot) } catch {
                    printError("\(files.lastGood): \(error)")
                    throw Status.untrusted
                }
                source = "the state of \(timestamp(Int(kept.time) * 1000)) (record \(kept.seq))"
            }
            let setAside = try files.restore(snapshot: LedgerChange(snapshotOf: ledger).json)
            for name in setAside { print("set aside: \(name)") }
            print("restored \(ledger.count) claims from \(source)")
        }
    }
}

/// `berthd export-state`: writes the state in the reference's form, for going back.
struct ExportState: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export-state",
        abstract: "Write the state as the reference's state.json, for going back to it. berthd must not be running.")

    @OptionGroup var options: Options
    @Option(help: "The file to write; standard output unless given.")
    var output: String?

    func run() throws {
        try withStore(options) { files in
            let ledger: Ledger
            switch try LedgerStore.read(files) {
            case .fresh: ledger = Ledger()
            case .sound(let found, _): ledger = found
            case .untrusted(let reason):
                printError(reason)
                throw Status.untrusted
            }
            // The reference writes microseconds and an offset.
            let time = timestamp(wallClock()).replacing("Z", with: "000+00:00")
            let bytes = ReferenceState.write(ledger, updatedAt: time)
            guard let output else { return print(String(decoding: bytes, as: UTF8.self)) }
            let temporary = output + ".new"
            let fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
            defer { close(fd) }
            guard fd >= 0, write(fd, bytes, bytes.count) == bytes.count, fsync(fd) == 0, rename(temporary, output) == 0
            else { throw SystemError("write \(output)", errno: errno) }
        }
    }
}

/// Runs `body` on the store that the options name, under its lock, and turns errors into messages and exit statuses.
private func withStore(_ options: Options, _ body: (StoreFiles) throws -> Void) throws {
    do {
        let configuration = try options.configuration()
        let places = Places(configuration, environment: processEnvironment())
        let lock = try StoreLock(folder: places.stateDirectory)
        try withExtendedLifetime(lock) {
            try body(StoreFiles(folder: places.stateDirectory, name: LedgerStore.name))
        }
    } catch let error as ConfigurationError {
        printError(error.message)
        throw Status.configuration
    } catch let error as StorageError {
        printError(error.description)
        switch error.reason {
        case .locked: throw Status.running
        case .damaged: throw Status.untrusted
        default: throw Status.inputOutput
        }
    } catch let error as SystemError {
        printError(error.description)
        throw Status.inputOutput
    }
}
