import Machine

@testable import Bindings

/// One binding, its pod and what is around them, with a `berthd` that does as it is told.
struct Situation {
    var binding: Binding?
    var pod: PodFacts?
    var node: NodeFacts? = NodeFacts(name: "n", topology: Examples.t1)
    var nodeExists = true
    var others: [Rival] = []
    var claim = ClaimState.none
    /// The reason and message of each event.
    var events: [String] = []

    init(cpus: [Int] = [0], level: ExclusivenessLevel = .cpu) {
        binding = Self.binding("b", pod: "p", cpus, level)
        pod = Self.pod("p")
    }

    static func binding(
        _ name: String, pod: String, _ cpus: [Int], _ level: ExclusivenessLevel = .cpu, created: Int = 100,
        status: BindingStatus? = nil
    ) -> Binding {
        Binding(
            key: ObjectKey("a", name), uid: "uid-\(name)", created: created, hasFinalizer: true, podName: pod,
            cpuSet: cpus, level: level, status: status)
    }

    static func pod(_ name: String) -> PodFacts {
        PodFacts(uid: "uid-\(name)", node: "n", containers: [.init(name: "c", id: "c-\(name)", state: .running)])
    }

    /// Another binding with a pod of its own, which holds its CPUs unless it only asks for them.
    static func rival(
        _ name: String, _ cpus: [Int], _ level: ExclusivenessLevel = .cpu, created: Int = 50, asks: Bool = false
    ) -> Rival {
        var binding = binding(name, pod: "p-\(name)", cpus, level, created: created)
        if !asks {
            binding.status = BindingStatus(
                .applied, nodeName: "n", reason: .applied, message: "", observedGeneration: 1, podUID: "uid-p-\(name)",
                holds: [binding.wanted])
        }
        return Rival(binding, pod: pod("p-\(name)"))
    }

    var snapshot: BindingSnapshot {
        BindingSnapshot(
            binding: binding, pod: pod, node: node, nodeExists: nodeExists, others: others, claim: claim)
    }

    /// Decides and carries out what is decided, except what is asked of `berthd`, which the action tells.
    @discardableResult
    mutating func step() -> BindingAction {
        let action = snapshot.decide()
        if let status = action.status { binding?.status = status }
        if let event = action.event { events.append("\(event.reason): \(event.message)") }
        switch action.finalizer {
        case .add: binding?.hasFinalizer = true
        case .remove: binding = nil
        case nil: break
        }
        if action.deletesBinding { binding?.isBeingDeleted = true }
        return action
    }

    /// Decides until nothing is left to do, with a `berthd` that grants everything and pins every container that runs.
    mutating func settle() {
        for _ in 0..<20 {
            let action = step()
            switch action.claim {
            case .make(let claim), .change(let claim):
                self.claim = .enforced(claim, containers: Set(pod?.running ?? []))
            case .release: claim = .none
            case nil: break
            }
            if action.isEmpty { return }
        }
        events.append("it never settles")
    }

    var status: BindingStatus.ResourceStatus? { binding?.status?.resourceStatus }
    var message: String? { binding?.status?.message }
    var enforced: CPUSet? { if case .enforced(let claim, _) = claim { claim.cpus } else { nil } }

    /// Edits the spec.
    mutating func edit(_ cpus: [Int], _ level: ExclusivenessLevel = .cpu) {
        binding?.cpuSet = cpus
        binding?.level = level
        binding?.generation += 1
    }
}
