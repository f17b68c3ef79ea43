import ArgumentParser
import Kernel
import Ledger
import LedgerStore
import Service
import Storage

/// `berthd undo`: makes the kernel what it was without claims, while no daemon runs.
struct Undo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Undo what the kernel does for claims; the claims stay.",
        discussion: """
            berthd must not be running. Programs go back to the cgroups that they came from and run on. The removal of \
            the package does this. Exit status 66 if there is no state directory, 74 if the kernel refuses a step: the \
            others are undone, and the command can be repeated.
            """)

    @OptionGroup var state: StateOptions
    @OptionGroup(visibility: .hidden) var unused: UnusedOptions

    func run() throws {
        let source = ConfigurationSource(config: state.config, flags: state.flags + unused.flags)
        try withStore(source, .changes) { files, paths in
            switch try LedgerStore.read(files) {
            case .fresh: print("\(files.database): nothing was ever stored here, so there is nothing to undo")
            case .refused(let error):
                printError("\(error)")
                throw Status.corrupt
            case .sound(let ledger, _): try undo(ledger, paths)
            }
        }
    }

    private func undo(_ ledger: Ledger, _ paths: Paths) throws {
        let enforcer = KernelEnforcer(
            files: RootedKernelFiles(), affinities: AffinityFile(stateDirectory: paths.stateDirectory),
            pods: PodFile(stateDirectory: paths.stateDirectory), units: SystemdUnits(), notice: { printError($0) })
        let claims = ledger.sortedClaims.filter { !($0.enforcement?.steps.isEmpty ?? true) }
        var failures = 0
        for claim in claims.reversed() {
            guard let problem = enforcer.undo(claim.enforcement?.steps ?? [], of: claim.holder) else { continue }
            failures += 1
            printError("\(claim.holder.fullName): \(problem)")
        }
        print("the kernel does nothing any more for \(counted(claims.count - failures, "claim"))")
        if failures > 0 { throw Status.inputOutput }
    }
}
