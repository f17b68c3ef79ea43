import Ledger
import Machine
import Placement

/// `berthd` and the kernel under it: the real ledger, and the cgroups of containers as a map.
struct SimulatedDaemon {
    /// Why a question is not answered with a claim.
    enum Failure: Error {
        case noAnswer
        case refused(Refusal)
    }

    /// The cgroup of a container that runs.
    struct Cgroup: Equatable {
        let podUID: String
        var cpus: CPUSet
    }

    let machine: Machine
    let housekeeping = CPUSet(0...0)
    private(set) var ledger = Ledger()
    /// By the digits of the container's id.
    private(set) var cgroups: [String: Cgroup] = [:]
    var isRunning = true
    /// Which process it is.
    var run = 0
    private var enforcements = 0
    /// What a rule of the ledger says was broken.
    private(set) var violation: String?

    init(_ machine: Machine) { self.machine = machine }

    // MARK: - Claims

    /// Decides and commits a request.
    ///
    /// - Returns: the holders whose claims changed.
    mutating func submit(_ request: Request) throws(Refusal) -> [Holder] {
        let ordinary = machine.online.subtracting(housekeeping)
        var facts = MachineFacts(
            pools: [Pool.isolated: CPUSet(), Pool.machine: machine.online, Pool.ordinary: ordinary],
            online: machine.online,
            cores: CoreIndex(of: machine.online) { machine.core(of: $0) }, machine: machine)
        facts.housekeeping = housekeeping
        let caller = Caller(uid: 0, gid: 0, isAdministrator: true, frontend: "http")
        return commit(try ledger.decide(request, facts: facts, caller: caller, now: 0))
    }

    /// Commits what follows from an event.
    mutating func submit(_ transition: Transition) -> [Holder] { commit(ledger.decide(transition)) }

    private mutating func commit(_ decision: Decision) -> [Holder] {
        var change = decision.change
        guard !change.isEmpty else { return [] }
        for index in change.claims.indices where change.claims[index].enforcement?.phase == .preparing {
            enforcements += 1
            change.claims[index].enforcement?.id = enforcements
        }
        do { try ledger.apply(change) } catch { violation = "\(error)" }
        return change.removed + change.claims.map(\.holder)
    }

    /// What the kernel is to be made to do for a claim, and what it comes to.
    mutating func carryOut(_ holder: Holder) -> [Holder] {
        guard let claim = ledger[holder], let enforcement = claim.enforcement else { return [] }
        switch enforcement.phase {
        case .preparing:
            settle(claim.changed)
            return submit(.enforced(holder, id: enforcement.id, containers: states(of: claim.changed)))
        case .releasing:
            let changed = submit(.undone(holder, id: enforcement.id, nil))
            settle()
            return changed
        case .active: return []
        }
    }

    /// Looks at what is active, as it does at its start and when cgroups come and go.
    mutating func check() -> [Holder] {
        settle()
        return ledger.sortedClaims.filter { $0.enforcement?.phase == .active }.flatMap { claim in
            submit(.seen(claim.holder, id: claim.enforcement?.id ?? 0, states(of: claim)))
        }
    }

    /// What a new process does with claims that the last one did not finish.
    mutating func recover() -> [Holder] {
        var changed: [Holder] = []
        for claim in Array(ledger.sortedClaims) {
            let id = claim.enforcement?.id ?? 0
            switch claim.enforcement?.phase {
            case .preparing: changed += submit(.undone(claim.holder, id: id, "berthd ended"))
            case .releasing: changed += submit(.undone(claim.holder, id: id, nil))
            case .active, nil: break
            }
        }
        return changed + check()
    }

    // MARK: - Cgroups

    mutating func start(container: String, of podUID: String) {
        cgroups[container] = Cgroup(podUID: podUID, cpus: machine.online)
    }

    mutating func end(container: String) { cgroups[container] = nil }

    /// Gives every container the CPUs of its claim, those of none what nobody has exclusively.
    ///
    /// - Parameter coming: a claim that is not active yet, and is enforced now.
    private mutating func settle(_ coming: Claim? = nil) {
        var confined: [String: CPUSet] = [:]
        for claim in ledger.sortedClaims {
            guard let enforcement = claim.enforcement else { continue }
            // What is being changed stays as it was until then.
            var source = claim
            if claim.holder == coming?.holder, let coming {
                source = coming
            } else if enforcement.phase == .preparing {
                guard let before = claim.predecessor.claim else { continue }
                source = before
            }
            for container in source.enforcement?.request.pod?.containers ?? [] {
                confined[container.digits] = source.cpus
            }
        }
        let rest = machine.online.subtracting(ledger.exclusive)
        for (container, cgroup) in cgroups {
            var cgroup = cgroup
            cgroup.cpus = confined[container] ?? (rest.isEmpty ? machine.online : rest)
            cgroups[container] = cgroup
        }
    }

    private func states(of claim: Claim) -> [ContainerState] {
        (claim.enforcement?.request.pod?.containers ?? []).map { container in
            guard let cgroup = cgroups[container.digits] else {
                return ContainerState(container, cgroup: nil, .missing)
            }
            let isConfined = cgroup.cpus == claim.cpus
            return ContainerState(container, cgroup: "/\(container.digits)", isConfined ? .confined : .unconfined)
        }
    }

    /// Who runs on CPUs that somebody else has exclusively, as the kernel has them.
    func intruder() -> String? {
        for claim in ledger.sortedClaims where claim.enforcement?.phase == .active && !claim.exclusive.isEmpty {
            let own = Set((claim.enforcement?.request.pod?.containers ?? []).map(\.digits))
            for (id, cgroup) in cgroups.sorted(by: { $0.key < $1.key }) where !own.contains(id) {
                let common = cgroup.cpus.intersection(claim.exclusive)
                // Where nothing is left, nobody can be kept off.
                if common.isEmpty || cgroup.cpus == machine.online { continue }
                return "a container of \(cgroup.podUID) runs on \(common.list) of \(claim.holder.fullName)"
            }
        }
        return nil
    }

    /// What is wrong at any time: a CPU that two have exclusively, or that somebody else may run on.
    func problem() -> String? {
        if let violation { return violation }
        let claims = Array(ledger.sortedClaims)
        for (index, one) in claims.enumerated() {
            for other in claims[(index + 1)...] {
                let common = one.exclusive.intersection(other.exclusive.union(other.cpus))
                    .union(other.exclusive.intersection(one.cpus))
                if !common.isEmpty {
                    return "\(one.holder.fullName) and \(other.holder.fullName) both have \(common.list)"
                }
            }
        }
        return nil
    }
}
