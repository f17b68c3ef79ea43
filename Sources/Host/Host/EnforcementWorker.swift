import Dispatch
import Kernel
import Ledger
import Service

/// Carries out what the ledger has committed, on a thread of its own.
final class EnforcementWorker: Sendable {
    /// What is to be done for one claim.
    enum Job: Sendable {
        /// Take the steps of a claim, or of its change, that is preparing, and read back.
        case enforce(Claim)
        /// Undo the steps of a claim that is releasing; the failure that led to it, where one did.
        case undo(Claim, after: String?)
        /// Read active claims back, and take the steps of those again from which the kernel differs, where that is the policy.
        case check([Claim], repairs: Bool)
    }

    private let enforcer: any Enforcer
    private let report: @Sendable (Transition) -> Void
    private let checked: @Sendable ([Claim]) -> Void
    private let queue = WorkQueue<Job>()
    private let ended = DispatchSemaphore(value: 0)

    /// A worker that hands every result to `report`, and the claims that it has checked to `checked`.
    ///
    /// - Throws: `SystemError` where its thread cannot be started.
    init(
        _ enforcer: any Enforcer, report: @escaping @Sendable (Transition) -> Void,
        checked: @escaping @Sendable ([Claim]) -> Void
    ) throws(SystemError) {
        self.enforcer = enforcer
        self.report = report
        self.checked = checked
        try startThread(named: "enforcement") { [self] in
            while true {
                let (jobs, isClosed) = queue.takeAll()
                for job in jobs where !queue.isClosed { carryOut(job) }
                guard isClosed else { continue }
                ended.signal()
                return
            }
        }
    }

    /// Adds a job.
    func add(_ job: Job) { queue.add(job) }

    /// Finishes the job in hand, begins no other, and then undoes the steps of `claims`. Returns when that is done.
    func stop(undoing claims: [Claim]) {
        queue.close()
        ended.wait()
        for claim in claims.reversed() { _ = enforcer.undo(claim.steps, of: claim.holder) }
    }

    private func carryOut(_ job: Job) {
        switch job {
        case .enforce(let claim): enforce(claim)
        case .undo(let claim, let failure): undo(claim, claim.stepsInHand, after: failure)
        case .check(let claims, let repairs): check(claims, repairs: repairs)
        }
    }

    private func enforce(_ claim: Claim) {
        var taken: [EnforcementStep] = []
        do throws(EnforcementError) {
            for step in claim.stepsInHand {
                taken.append(step)
                try enforcer.apply(step, of: claim.holder)
            }
            try enforcer.verify(claim.changed)
            report(.enforced(claim.holder, id: claim.id, containers: enforcer.containers(of: claim.changed)))
        } catch {
            undo(claim, taken, after: error.description)
        }
    }

    private func undo(_ claim: Claim, _ steps: [EnforcementStep], after failure: String?) {
        let problem = enforcer.undo(steps, of: claim.holder)?.description
        report(
            problem.map { .notUndone(claim.holder, id: claim.id, $0) } ?? .undone(claim.holder, id: claim.id, failure))
    }

    private func check(_ claims: [Claim], repairs: Bool) {
        let differences = enforcer.differences(of: claims)
        if repairs { enforcer.settle(claims) }
        for claim in claims {
            defer { lookForContainers(of: claim) }
            var difference = differences[claim.holder]
            if repairs, difference != nil { difference = repair(claim) }
            // What was well and is well needs no report.
            guard difference != nil || claim.enforcement?.failure != nil else { continue }
            report(.drifted(claim.holder, id: claim.id, difference?.description))
        }
        checked(claims)
    }

    /// Reports where the containers of a claim's pod are not what they were.
    private func lookForContainers(of claim: Claim) {
        guard claim.enforcement?.request.pod != nil else { return }
        let containers = enforcer.containers(of: claim)
        if containers != claim.enforcement?.containers { report(.seen(claim.holder, id: claim.id, containers)) }
    }

    /// Takes the steps of a claim again, all of them even where one fails. Returns how the kernel still differs.
    private func repair(_ claim: Claim) -> EnforcementError? {
        var failure: EnforcementError?
        for step in claim.steps {
            do throws(EnforcementError) { try enforcer.apply(step, of: claim.holder) } catch {
                failure = failure ?? error
            }
        }
        do throws(EnforcementError) { try enforcer.verify(claim) } catch { return failure ?? error }
        return failure
    }
}

extension Claim {
    /// The steps that are, or may have been, taken for it.
    fileprivate var steps: [EnforcementStep] { enforcement?.steps ?? [] }

    /// Those of them that are taken or undone together: of a change that is prepared, those of the change.
    fileprivate var stepsInHand: [EnforcementStep] {
        guard enforcement?.phase == .preparing, case .claim(let before) = predecessor else { return steps }
        return Array(steps.dropFirst(before.steps.count))
    }

    /// Which enforcement it has.
    fileprivate var id: Int { enforcement?.id ?? 0 }
}
