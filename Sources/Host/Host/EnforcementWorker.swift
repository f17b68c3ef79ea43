import Kernel
import Ledger
import Service

/// Carries out what the ledger has committed, on a thread of its own.
final class EnforcementWorker: Sendable {
    /// What is to be done for one claim.
    enum Job: Sendable {
        /// Take the steps of a claim that is preparing, and read back.
        case enforce(Claim)
        /// Undo the steps of a claim that is releasing; the failure that led to it, where one did.
        case undo(Claim, after: String?)
        /// Read an active claim back, and take its steps again where the kernel differs.
        case repair(Claim)
    }

    private let enforcer: any Enforcer
    private let report: @Sendable (Transition) -> Void
    private let queue = WorkQueue<Job>()

    /// A worker that hands every result to `report`.
    ///
    /// - Throws: `SystemError` where its thread cannot be started.
    init(_ enforcer: any Enforcer, report: @escaping @Sendable (Transition) -> Void) throws(SystemError) {
        self.enforcer = enforcer
        self.report = report
        try startThread(named: "enforcement") { [self] in
            while true {
                let (jobs, isClosed) = queue.takeAll()
                for job in jobs where !queue.isClosed { carryOut(job) }
                if isClosed { return }
            }
        }
    }

    /// Adds a job.
    func add(_ job: Job) { queue.add(job) }

    /// Finishes the job in hand and begins no other.
    func stop() { queue.close() }

    private func carryOut(_ job: Job) {
        switch job {
        case .enforce(let claim): enforce(claim)
        case .undo(let claim, let failure): undo(claim, claim.steps, after: failure)
        case .repair(let claim): repair(claim)
        }
    }

    private func enforce(_ claim: Claim) {
        var taken: [EnforcementStep] = []
        do throws(EnforcementError) {
            for step in claim.steps {
                taken.append(step)
                try enforcer.apply(step, of: claim.holder)
            }
            try enforcer.verify(claim)
            report(.enforced(claim.holder, id: claim.id))
        } catch {
            undo(claim, taken, after: error.description)
        }
    }

    /// Undoes `steps`, the last one first. A step that fails does not keep the others from being undone.
    private func undo(_ claim: Claim, _ steps: [EnforcementStep], after failure: String?) {
        var problem: String?
        for step in steps.reversed() {
            do throws(EnforcementError) { try enforcer.undo(step, of: claim.holder) } catch {
                problem = problem ?? error.description
            }
        }
        report(
            problem.map { .notUndone(claim.holder, id: claim.id, $0) } ?? .undone(claim.holder, id: claim.id, failure))
    }

    private func repair(_ claim: Claim) {
        do throws(EnforcementError) {
            if (try? enforcer.verify(claim)) == nil {
                for step in claim.steps { try enforcer.apply(step, of: claim.holder) }
                try enforcer.verify(claim)
            }
            report(.drifted(claim.holder, id: claim.id, nil))
        } catch {
            report(.drifted(claim.holder, id: claim.id, error.description))
        }
    }
}

extension Claim {
    /// The steps that are, or may have been, taken for it.
    fileprivate var steps: [EnforcementStep] { enforcement?.steps ?? [] }

    /// Which enforcement it has.
    fileprivate var id: Int { enforcement?.id ?? 0 }
}
