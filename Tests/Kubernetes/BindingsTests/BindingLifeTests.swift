import Machine
import Testing

@testable import Bindings

/// A binding from its creation to its end.
@Suite struct BindingLifeTests {
    @Test("A good binding is validated, claimed and applied, with the reference's events")
    func good() {
        var situation = Situation(cpus: [4, 0], level: .core)
        situation.binding?.hasFinalizer = false
        #expect(situation.step().finalizer == .add)
        #expect(situation.step().claim == nil && situation.status == .validated)
        let claim = PodClaim(
            pod: ObjectKey("a", "p"), podUID: "uid-p", cpus: [0, 4], level: .core, exclusive: [0, 4], memoryNodes: [0])
        #expect(situation.step().claim == .make(claim))
        situation.claim = .beingMade(claim)
        #expect(situation.step().claim == nil && situation.status == .validated)
        situation.claim = .beingMade(claim, problem: "the daemon does not answer")
        situation.step()
        #expect(situation.message == "the node cannot pin the containers yet: the daemon does not answer")
        situation.claim = .enforced(claim, containers: ["c-p"])
        situation.step()
        #expect(situation.status == .applied && situation.binding?.status?.nodeName == "n")
        #expect(situation.binding?.status?.containers == ["c-p"])
        #expect(situation.snapshot.decide().isEmpty)
        #expect(
            situation.events == [
                "Validated: CPU binding is validated", "Applied: Applied CPUSet [0 4] MemSet [0]",
            ])
    }

    @Test("An edited binding moves its pod in one step, and holds the old CPUs until the move is done")
    func edit() {
        var situation = Situation()
        situation.settle()
        situation.edit([3])
        situation.step()
        #expect(situation.status == .validated && situation.binding?.status?.holds.map(\.cpus) == [[3], [0]])
        guard case .change(let claim) = situation.step().claim else {
            Issue.record("the claim is not changed")
            return
        }
        situation.claim = .enforced(claim, containers: ["c-p"])
        situation.settle()
        #expect(situation.status == .applied && situation.binding?.status?.holds.map(\.cpus) == [[3]])
    }

    @Test("A deleted binding goes once berthd gave its CPUs back")
    func deletion() {
        var situation = Situation()
        situation.settle()
        situation.binding?.isBeingDeleted = true
        let action = situation.step()
        #expect(action.claim == .release && action.finalizer == nil && situation.binding != nil)
        situation.claim = .none
        situation.step()
        #expect(situation.binding == nil && situation.events.last == "CPUPinningRemoved: CPU pinning removed")
    }

    @Test("A binding that somebody else's finalizer keeps says that nothing is applied any more")
    func keptByOthers() {
        var situation = Situation()
        situation.settle()
        situation.binding?.isBeingDeleted = true
        situation.binding?.hasFinalizer = false
        situation.claim = .none
        #expect(situation.step().event == nil)
        #expect(situation.status == .pending && situation.binding?.status?.reason == .released)
        #expect(situation.binding?.status?.nodeName == "" && situation.binding?.status?.holds.isEmpty == true)
        #expect(situation.snapshot.decide().isEmpty)
        // What nobody has decided about, or what was refused, says nothing wrong.
        situation.binding?.status = nil
        #expect(situation.snapshot.decide().isEmpty)
        situation.binding?.status = BindingStatus(.invalidCPUSet, reason: .invalidCPUSet, message: "no")
        #expect(situation.snapshot.decide().isEmpty)
    }

    @Test("A binding of a silent node waits while its pod is there, and goes with the pod or with the node")
    func deletionWithoutAnswer() {
        var situation = Situation()
        situation.settle()
        situation.binding?.isBeingDeleted = true
        situation.claim = .unknown
        #expect(situation.step().finalizer == nil)
        #expect(situation.message == "node n does not answer")
        #expect(situation.events.last == "NodeNotAnswering: node n does not answer")
        #expect(situation.snapshot.decide().isEmpty)
        var withoutPod = situation
        withoutPod.pod = nil
        #expect(withoutPod.snapshot.decide().finalizer == .remove)
        situation.nodeExists = false
        #expect(situation.snapshot.decide().finalizer == .remove)
    }

    @Test("What is applied on a node that stops answering stays applied")
    func silence() {
        var situation = Situation()
        situation.settle()
        situation.claim = .unknown
        #expect(situation.snapshot.decide().isEmpty)
    }

    @Test("A node that does not answer is asked for nothing, and the status says so")
    func silentNode() {
        var situation = Situation()
        situation.step()
        situation.claim = .unknown
        #expect(situation.step().claim == nil)
        #expect(situation.status == .validated && situation.message == "node n does not answer")
        situation.claim = .none
        situation.settle()
        #expect(situation.status == .applied)
    }

    @Test("A claim without a binding is released")
    func orphan() {
        var situation = Situation()
        situation.settle()
        situation.binding = nil
        #expect(situation.snapshot.decide().claim == .release)
    }

    @Test("A status that actimanager wrote is taken over without moving the pod")
    func takeOver() {
        var situation = Situation(cpus: [1])
        situation.binding?.status = BindingStatus(.applied, nodeName: "n", reason: .applied, message: "")
        #expect(situation.step().claim != nil)
        situation.settle()
        #expect(situation.status == .applied && situation.enforced == [1])
        #expect(!situation.events.contains { $0.hasPrefix("CPUPinningRemoved") })
    }

    @Test("A CPU that the host holds is in no exclusive binding, and what berthd enforces outweighs a stale list")
    func host() {
        var situation = Situation()
        situation.node?.allocated = [0, 1]
        situation.step()
        #expect(situation.status == .allocationFailed)
        #expect(situation.message == "CPUs [0] are already allocated to services or programs of node n")
        situation.node?.allocated = [1]
        situation.settle()
        #expect(situation.status == .applied)
        situation.node?.allocated = [0]
        #expect(situation.snapshot.decide().isEmpty)
    }

    @Test("What berthd refuses is Failed with berthd's reason, once")
    func refusedClaim() throws {
        var situation = Situation()
        situation.step()
        guard case .make(let claim) = try #require(situation.step().claim) else { return }
        situation.claim = .refused(claim, reason: "run:engine holds CPU 0", held: nil)
        situation.step()
        #expect(situation.status == .failed && situation.binding?.status?.nodeName == "")
        #expect(situation.events.last == "Failed: Failed to apply CPU pinning: run:engine holds CPU 0")
        #expect(situation.snapshot.decide().isEmpty)
        situation.claim = .none
        situation.settle()
        #expect(situation.status == .applied)
    }
}
