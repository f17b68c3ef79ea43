import ArgumentParser
import Ledger
import LedgerStore
import Service
import Storage

/// `berthd restore`: puts a good state in place of one that cannot be trusted.
struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Quarantine a corrupt state and go on from the last good one.",
        discussion: """
            The files that were there are kept beside the new ones under other names. berthd must not be running. A state \
            that is sound and has claims is not replaced (exit status 64), unless --force is given.
            """)

    @OptionGroup var options: Options
    @Option(help: "Go on from this state.json of the reference instead.")
    var fromState: String?
    @Flag(help: "Go on from nothing instead: every claim is forgotten.")
    var empty = false
    @Flag(help: "Go on although the stored state is sound and has claims.")
    var force = false

    func validate() throws {
        if empty, fromState != nil { throw ValidationError("--empty and --from-state exclude each other") }
    }

    func run() throws {
        try withStore(options, .changes) { files in
            // What cannot even be read is no reason to refuse: that is what a restore is for.
            var present: Ledger?
            if case .sound(let ledger, _)? = try? LedgerStore.read(files) { present = ledger }
            if let present, present.count > 0, !force {
                printError(
                    "\(files.database): the stored state is sound and holds \(counted(present.count, "claim")); "
                        + "nothing was changed. --force replaces it all the same")
                throw Status.usage
            }
            let (ledger, source) = try replacement(files)
            let quarantined = try files.restore(
                snapshot: LedgerRecord.snapshot(of: ledger), mark: present == nil ? .corrupt : .replaced)
            for name in quarantined { print("quarantined: \(name)") }
            print("restored \(counted(ledger.count, "claim")) from \(source)")
        }
    }

    /// The ledger to go on from, and where it comes from.
    private func replacement(_ files: StoreFiles) throws -> (Ledger, source: String) {
        if empty { return (Ledger(), "nothing") }
        if let fromState {
            do {
                let found = try StateImport.read(fromState)
                for warning in found.warnings { printError("\(fromState): \(warning)") }
                return (found.ledger, fromState)
            } catch let error as SystemError {
                throw error
            } catch {
                printError("\(fromState): \(error)")
                throw Status.untrusted
            }
        }
        let kept = try files.readLastGood()
        do {
            return (
                try Ledger(snapshot: kept.snapshot),
                "the state of \(timestamp(Int(kept.time) * 1000)) (record \(kept.seq))"
            )
        } catch {
            printError("\(files.lastGood): \(error)")
            throw Status.untrusted
        }
    }
}
