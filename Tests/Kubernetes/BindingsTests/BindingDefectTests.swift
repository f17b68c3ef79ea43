import Machine
import Testing

@testable import Bindings

/// The defects of the specification's section 7 that bindings concern, by their correct behaviour.
@Suite struct BindingDefectTests {
    @Test("W3, W23: A restart of the controller changes nothing where everything is as it should be")
    func restart() {
        var situation = Situation()
        situation.settle()
        #expect(situation.snapshot.decide().isEmpty)
        let snapshot = situation.snapshot
        #expect((0..<10).allSatisfy { _ in snapshot.decide() == snapshot.decide() })
    }

    @Test("W3: A container that restarted is not said to be pinned until it is, and its restart emits no event")
    func containerRestart() {
        var situation = Situation()
        situation.settle()
        let events = situation.events
        situation.pod?.containers[0].id = "c-2"
        situation.step()
        #expect(situation.status == .validated)
        guard case .enforced(let claim, _) = situation.claim else { return }
        situation.claim = .enforced(claim, containers: ["c-2"])
        situation.settle()
        #expect(situation.status == .applied && situation.binding?.status?.containers == ["c-2"])
        #expect(situation.events == events)
    }

    @Test("W4: A binding is applied only when every container has started and is pinned")
    func containersStart() {
        var situation = Situation()
        situation.pod?.containers = [.init(name: "c", state: .waiting), .init(name: "d", id: "d-1", state: .running)]
        situation.settle()
        #expect(situation.status == .validated && situation.message == "waiting for the pod's containers to start")
        situation.pod?.containers = []
        situation.settle()
        #expect(situation.status == .validated)
    }

    @Test("W8: A pod without a node, and a node without topology, leave the binding pending with the reason")
    func waiting() {
        var situation = Situation()
        situation.pod?.node = nil
        situation.step()
        #expect(situation.status == .pending && situation.binding?.status?.reason == .podNotScheduled)
        situation.pod?.node = "n"
        let node = situation.node
        situation.node = nil
        #expect(situation.step().waits.contains(.topology))
        #expect(situation.status == .pending && situation.binding?.status?.reason == .nodeTopologyNotFound)
        situation.node = node
        situation.settle()
        #expect(situation.status == .applied)
    }

    @Test("W9: Of two bindings that ask for the same CPU the older wins, then the one with the lower uid")
    func winner() {
        var younger = Situation()
        younger.others = [Situation.rival("z", [0], created: 50, asks: true)]
        younger.step()
        #expect(younger.status == .pending && younger.binding?.status?.reason == .earlierBinding)
        #expect(younger.events.isEmpty)
        younger.others = [Situation.rival("z", [0], created: 150, asks: true)]
        younger.step()
        #expect(younger.status == .validated)
        var equal = Situation()
        equal.others = [Situation.rival("a", [0], created: 100, asks: true)]
        equal.step()
        #expect(equal.binding?.status?.reason == .earlierBinding)
        // An earlier one that cannot have its own CPUs stands in nobody's way.
        equal.others.append(Situation.rival("y", [1], created: 500))
        equal.others[0].binding.cpuSet = [0, 1]
        equal.step()
        #expect(equal.status == .validated)
    }

    @Test("W9: A binding that waits for an earlier one is decided again when the CPUs of the node change hands")
    func waitsForNode() {
        var younger = Situation()
        younger.others = [Situation.rival("z", [0], created: 50, asks: true)]
        #expect(younger.step().waits == [.pod, .topology, .bindings])
        // A service takes the CPU: neither gets it, and each says why.
        younger.node?.allocated = [0]
        younger.step()
        #expect(younger.binding?.status?.reason == .cpusAllocated)
    }

    @Test("W9: Of two bindings that both hold a CPU the younger gives it back")
    func bothHold() {
        var situation = Situation()
        situation.settle()
        situation.others = [Situation.rival("late", [0], created: 200)]
        #expect(situation.snapshot.decide().isEmpty)
        situation.others = [Situation.rival("early", [0], created: 50)]
        #expect(situation.step().claim == .release)
        #expect(situation.status == .pending && situation.binding?.status?.holds.map(\.cpus) == [[0]])
        situation.claim = .none
        situation.step()
        #expect(situation.status == .allocationFailed && situation.binding?.status?.holds == [])
    }

    @Test(
        "W10: Neither an exclusive binding over a shared CPU nor the reverse is granted",
        arguments: [
            (ExclusivenessLevel.none, [0], ExclusivenessLevel.cpu, [0], "[0]"), (.cpu, [0], .none, [0], "[0]"),
            (.core, [4], .none, [0], "[0]"), (.none, [0], .core, [4], "[0]"), (.core, [0], .cpu, [4], "[4]"),
            (.cpu, [4], .core, [0], "[4]"),
            (.socket, [0], .numa, [1], "[0 1 4 5]"),
        ] as [(ExclusivenessLevel, [Int], ExclusivenessLevel, [Int], String)])
    func symmetry(level: ExclusivenessLevel, cpus: [Int], held: ExclusivenessLevel, of: [Int], clash: String) {
        var situation = Situation(cpus: cpus, level: level)
        situation.others = [Situation.rival("first", of, held)]
        situation.step()
        #expect(situation.status == .allocationFailed)
        #expect(situation.events == ["CPUSetAllocationFailed: CPUs \(clash) are already allocated to another pod"])
        #expect(situation.message?.hasSuffix("/first has them") == true)
    }

    @Test("Whoever holds CPUs keeps them while it changes, although an older binding was refused them")
    func holderChanges() {
        var situation = Situation(cpus: [0])
        situation.settle()
        situation.others = [Situation.rival("older", [0], created: 50, asks: true)]
        situation.others[0].binding.status = BindingStatus(
            .allocationFailed, reason: .cpusAllocated, message: "", observedGeneration: 1)
        for (generation, cpus) in [(2, [0, 1]), (3, [0]), (4, [2])] {
            situation.binding?.cpuSet = cpus
            situation.binding?.generation = generation
            situation.settle()
            #expect(situation.status == .applied && situation.enforced == CPUSet(cpus))
        }
    }

    @Test("A binding whose edit names another pod gives back what the one before had, and is for the other")
    func otherPod() {
        var situation = Situation(cpus: [0])
        situation.settle()
        situation.binding?.podName = "q"
        situation.binding?.generation = 2
        situation.pod = nil
        situation.settle()
        #expect(situation.status == .podNotFound && situation.binding?.isBeingDeleted == false)
        #expect(situation.claim == .none && situation.binding?.status?.holds == [])
        situation.pod = Situation.pod("q")
        situation.settle()
        #expect(situation.status == .applied && situation.binding?.status?.podUID == "uid-q")
        situation.binding?.podName = "p"
        situation.binding?.generation = 3
        situation.pod = Situation.pod("p")
        situation.settle()
        #expect(situation.status == .applied && situation.binding?.status?.podUID == "uid-p")
        guard case .enforced(let claim, _) = situation.claim else {
            Issue.record("nothing is enforced")
            return
        }
        #expect(claim.podUID == "uid-p" && claim.pod.name == "p")
    }

    @Test("A binding that has given everything back holds nothing, although somebody else's finalizer keeps it")
    func foreignFinalizer() {
        var situation = Situation(cpus: [0])
        situation.others = [Situation.rival("kept", [0])]
        situation.others[0].binding.isBeingDeleted = true
        situation.step()
        #expect(situation.status == .allocationFailed)
        situation.others[0].binding.hasFinalizer = false
        situation.settle()
        #expect(situation.status == .applied)
    }

    @Test("W10: Bindings that share may share a CPU")
    func sharing() {
        var situation = Situation(cpus: [0], level: .none)
        situation.others = [Situation.rival("first", [0], .none)]
        situation.settle()
        #expect(situation.status == .applied)
    }

    @Test("W12: A binding that would leave no CPU to pods without one is refused, and so are reserved CPUs")
    func pool() {
        var situation = Situation(cpus: [0, 2], level: .socket)
        situation.step()
        #expect(situation.status == .allocationFailed)
        #expect(situation.message == "fewer than 1 CPUs of node n would be left for pods without a binding")
        situation.edit([0], .socket)
        situation.node?.reserved = [5]
        situation.step()
        #expect(situation.message == "CPUs [5] are reserved on node n")
        situation.edit([4])
        situation.settle()
        #expect(situation.status == .applied)
    }

    @Test("W20: A pod has one binding; the other says which")
    func onePerPod() {
        var situation = Situation(cpus: [1])
        var first = Situation.rival("first", [0])
        first.binding.podName = "p"
        first.pod = situation.pod
        first.binding.status?.podUID = "uid-p"
        situation.others = [first]
        situation.step()
        #expect(situation.status == .allocationFailed)
        #expect(situation.message == "pod a/p already has the binding first")
        situation.others = []
        situation.settle()
        #expect(situation.status == .applied)
    }

    @Test("W20: A pod that is created again under the same name does not inherit the binding")
    func recreated() {
        var situation = Situation()
        situation.settle()
        situation.pod?.uid = "another"
        #expect(situation.step().deletesBinding)
        situation.settle()
        #expect(situation.binding == nil && situation.claim == .none)
    }

    @Test("W21: A binding goes with its pod, whether that vanished, was forced away or completed")
    func podGone() {
        for change in [{ $0.pod = nil }, { $0.pod?.isFinished = true }] as [(inout Situation) -> Void] {
            var situation = Situation()
            situation.settle()
            change(&situation)
            situation.settle()
            #expect(situation.binding == nil && situation.claim == .none)
        }
    }

    @Test("W22: CPUs of a terminating pod are kept until its containers are gone")
    func termination() {
        var situation = Situation()
        situation.settle()
        situation.pod?.isBeingDeleted = true
        #expect(situation.snapshot.decide().isEmpty)
        situation.pod?.containers[0].state = .terminated
        situation.settle()
        #expect(situation.binding == nil && situation.claim == .none)
    }

    @Test("W24: What changed after the validation is looked at again before the claim")
    func validatedAgain() {
        var situation = Situation()
        situation.step()
        #expect(situation.status == .validated)
        var edited = situation
        edited.edit([99])
        #expect(edited.step().claim == nil && edited.status == .invalidCPUSet)
        situation.pod = nil
        #expect(situation.step().claim == nil)
    }

    @Test("W27, W28, W40: What failed is tried again when what it waited for changed, and only then")
    func retry() {
        var situation = Situation(cpus: [9])
        let pod = situation.pod
        situation.pod = nil
        situation.step()
        #expect(situation.status == .podNotFound && situation.events == ["PodNotFound: pod a/p not found"])
        #expect(situation.snapshot.decide().isEmpty && situation.snapshot.decide().waits.contains(.pod))
        situation.pod = pod
        situation.step()
        #expect(situation.status == .invalidCPUSet)
        #expect(situation.events.last == "InvalidCPUSet: CPUs [9] do not exist in node n-cputopology")
        #expect(situation.snapshot.decide().isEmpty)
        situation.node?.topology = Examples.server(cores: 4)
        situation.others = [Situation.rival("first", [9])]
        situation.step()
        #expect(situation.status == .allocationFailed && situation.snapshot.decide().isEmpty)
        situation.others = []
        situation.settle()
        #expect(situation.status == .applied)
    }

    @Test("W41: An applied binding whose pod was never noted becomes PodNotFound, once its CPUs are given back")
    func vanished() {
        var situation = Situation()
        situation.settle()
        situation.binding?.status?.podUID = nil
        situation.pod = nil
        #expect(situation.step().claim == .release)
        situation.settle()
        #expect(situation.status == .podNotFound && situation.claim == .none)
    }

    @Test("W42: A pod is claimed for before any of its containers runs")
    func early() {
        var situation = Situation()
        situation.pod?.containers = [.init(name: "c", state: .waiting)]
        situation.step()
        #expect(situation.step().claim != nil)
    }

    @Test("W42: A container that completed does not keep the binding from being applied")
    func completedContainer() {
        var situation = Situation()
        situation.pod?.containers.append(.init(name: "d", id: "d-1", state: .terminated))
        situation.settle()
        #expect(situation.status == .applied)
    }

    @Test("W45: An edit that is refused gives the old CPUs back before anybody else may have them")
    func refusedEdit() {
        var situation = Situation()
        situation.settle()
        situation.edit([77])
        #expect(situation.step().claim == .release)
        #expect(situation.binding?.held.map(\.cpus) == [[0]] && situation.binding?.status?.nodeName == "n")
        situation.claim = .none
        situation.step()
        #expect(situation.status == .invalidCPUSet && situation.binding?.status?.nodeName == "")
        #expect(situation.binding?.held == [])
    }

    @Test(
        "W51: A set with negative, unknown or repeated CPUs is refused, and the message names them",
        arguments: [
            ([-1, 0], "CPUs [-1] do not exist in node n-cputopology"),
            ([Int.max, Int.min, 8], "CPUs [\(Int.min) 8 \(Int.max)] do not exist in node n-cputopology"),
            ([0, 1, 0], "CPUs [0] are listed more than once"),
        ] as [([Int], String)])
    func badSets(cpus: [Int], message: String) {
        var situation = Situation(cpus: cpus)
        situation.step()
        #expect(situation.status == .invalidCPUSet && situation.events == ["InvalidCPUSet: \(message)"])
    }

    @Test("W51: A set of far too many CPUs is refused in a message that fits an event")
    func hugeSet() {
        var situation = Situation(cpus: Array(1_000_000..<1_100_000))
        situation.step()
        #expect(situation.status == .invalidCPUSet && (situation.message?.utf8.count ?? 9999) < 1024)
    }

    @Test("W51: An empty set is applied, as in the reference, and the status says that nothing is pinned")
    func emptySet() {
        var situation = Situation(cpus: [])
        situation.settle()
        #expect(situation.status == .applied && situation.claim == .none)
        #expect(situation.message == "Applied CPUSet [] MemSet []: nothing is pinned")
    }

    @Test("W51: A set that is emptied while the node does not answer is applied once the node has given the CPUs back")
    func emptiedUnanswered() {
        var situation = Situation()
        situation.settle()
        let held = situation.claim
        situation.edit([])
        situation.claim = .unknown
        var waits = situation.step().waits
        for _ in 0..<3 { waits = situation.step().waits }
        #expect(situation.status == .validated && situation.binding?.status?.reason == .nodeNotAnswering)
        #expect(waits.contains(.claim))
        situation.claim = held
        situation.settle()
        #expect(situation.status == .applied && situation.claim == .none)
    }
}
