import ArgumentParser
import Ledger
import LedgerStore
import Service
import Storage

/// `berthd restore`: puts a good state in place of one that is corrupt.
struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Quarantine a corrupt state and restore the last good one.",
        discussion: """
            The quarantined files stay beside the new ones under other names. berthd must not be running, except for \
            --dry-run. A valid, non-empty state and the state of a newer version are not overwritten (exit status 64), \
            unless --force is given.
            """)

    @OptionGroup var state: StateOptions
    @Option(help: "Restore from this state.json of the EPA Orchestrator instead.")
    var fromState: String?
    @Option(
        help: ArgumentHelp(
            "Restore from a backup instead: a copy of ledger.last-good, a copy of ledger.db with its ledger.db-wal, or a "
                + "directory with such copies.",
            valueName: "file"))
    var fromBackup: String?
    @Flag(help: "Start with an empty state instead: every claim is forgotten.")
    var empty = false
    @Flag(
        help: "With --from-state: leave out members that are not known, with a warning, instead of refusing the file.")
    var leaveOutUnknown = false
    @Flag(help: "Overwrite the stored state even if it is valid and non-empty, or of a newer version.")
    var force = false
    @Flag(help: "Change nothing; print what would be restored and what would be lost.")
    var dryRun = false
    @OptionGroup(visibility: .hidden) var unused: UnusedOptions

    func validate() throws {
        guard [empty, fromState != nil, fromBackup != nil].filter({ $0 }).count < 2 else {
            throw ValidationError("--empty, --from-state and --from-backup exclude each other")
        }
        guard !leaveOutUnknown || fromState != nil else {
            throw ValidationError("--leave-out-unknown goes with --from-state")
        }
    }

    func run() throws {
        let source = ConfigurationSource(config: state.config, flags: state.flags + unused.flags)
        try withStore(source, dryRun ? .reads : .changes) { files, _ in
            // A state that cannot even be read is no reason to refuse: that is what a restore is for.
            var present: Ledger?
            var newer: CommitError?
            switch try? LedgerStore.read(files) {
            case .sound(let ledger, _): present = ledger
            case .fresh where dryRun: present = Ledger()
            case .refused(let error):
                if case .newer = error { newer = error }
            default: break
            }
            if dryRun { return try preview(files, present, isNewer: newer != nil) }
            if let newer, !force {
                printError(
                    "\(newer); nothing was changed. Install that version again; --force overwrites the state anyway")
                throw Status.usage
            }
            if let present, present.count > 0, !force {
                printError(
                    "\(files.database): the stored state is sound and holds \(counted(present.count, "claim")); "
                        + "nothing was changed. --force overwrites it anyway, --dry-run shows what would be lost")
                throw Status.usage
            }
            let (ledger, origin) = try replacement(files)
            let quarantined = try files.restore(
                snapshot: LedgerRecord.snapshot(of: ledger), mark: present == nil && newer == nil ? .corrupt : .replaced
            )
            for name in quarantined { print("quarantined: \(name)") }
            print("restored \(counted(ledger.count, "claim")) from \(origin)")
        }
    }

    /// Says what a restore would do.
    private func preview(_ files: StoreFiles, _ present: Ledger?, isNewer: Bool) throws {
        let (ledger, origin) = try replacement(files)
        print("would restore \(counted(ledger.count, "claim")) from \(origin)")
        for line in ledger.lines { print(line) }
        if let present {
            let count = printLosses(of: present, to: ledger)
            if count == 0 { print("nothing would be lost") }
            if present.count > 0 { print("the stored state is sound and has claims: --force would be needed") }
        } else if let lastGood = try? files.readLastGood(), let good = try? Ledger(snapshot: lastGood.snapshot) {
            let name = "its last good state of \(lastGood.timeText) (record \(lastGood.seq))"
            print("would be lost: all changes to the stored state, which cannot be read, after \(name)")
            printLosses(of: good, to: ledger)
        } else {
            print("the stored state cannot be read, so what would be lost is not known")
        }
        if isNewer { print("the stored state is of a newer version: --force would be needed") }
        print("nothing was changed")
    }

    /// Prints what `old` has and `new` does not; returns how many claims.
    @discardableResult
    private func printLosses(of old: Ledger, to new: Ledger) -> Int {
        var count = 0
        for claim in old.sortedClaims {
            guard let text = new.missing(of: claim) else { continue }
            print("would be lost: \(quoted(old.displayName(of: claim.holder))): \(text)")
            count += 1
        }
        return count
    }

    /// The ledger to go on from, and where it comes from.
    private func replacement(_ files: StoreFiles) throws -> (Ledger, origin: String) {
        if empty { return (Ledger(), "nothing") }
        if let fromState {
            do {
                let found = try StateImport.read(fromState, leavingOutUnknown: leaveOutUnknown)
                for warning in found.warnings { printError("\(fromState): \(warning)") }
                return (found.ledger, fromState)
            } catch let error as SystemError {
                throw error
            } catch {
                printError("\(fromState): \(error)")
                throw Status.corrupt
            }
        }
        if let fromBackup {
            if let own = try MachineMark.read(files.directory), let other = try MachineMark.read(ofBackup: fromBackup),
                own != other
            {
                printError(
                    "\(fromBackup): this backup is of another machine (\(other)) than \(files.directory) (\(own))")
                throw Status.configuration
            }
            do {
                let backup = try Backup(fromBackup)
                for warning in backup.warnings { printError("\(warning); going on from the last good state in it") }
                return (backup.ledger, backup.source)
            } catch let error as Backup.Unusable {
                printError("\(error)")
                throw Status.corrupt
            }
        }
        let lastGood = try files.readLastGood()
        do {
            return (
                try Ledger(snapshot: lastGood.snapshot), "the state of \(lastGood.timeText) (record \(lastGood.seq))"
            )
        } catch {
            printError("\(files.lastGood): \(error)")
            throw Status.corrupt
        }
    }
}
