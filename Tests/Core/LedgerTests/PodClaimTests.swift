import Ledger
import Machine
import TestSupport
import Testing

/// Claims of pods, whose CPUs somebody else has chosen.
@Suite struct PodClaimTests {
    static let pod = Holder(kind: .pod, name: "default/web")
    static let run = Holder(kind: .run, name: "a")

    private func session() -> RequestTests.Session {
        var session = RequestTests.Session()
        session.facts.pools[Pool.machine] = CPUSet(0...15)
        session.facts.housekeeping = CPUSet([0, 8])
        return session
    }

    private func list(_ cpus: CPUSet, _ level: Exclusiveness = .cpu) -> CPURequest {
        CPURequest(.list(cpus), pool: Pool.machine, onlineOnly: true, level: level)
    }

    @Test("a pod may name any CPU, but housekeeping CPUs are never its own, nor within reach of those that are")
    func housekeeping() throws {
        var session = session()
        #expect(session.reason(Self.pod, list([0])) == .housekeeping([0]))
        #expect(session.reason(Self.pod, list([1], .numa)) == .housekeeping([0, 8]))
        #expect(session.reason(Self.pod, list([0, 1], .none)) == nil)
        try session.ask(Self.pod, list([1, 5], .core))
        #expect(session.ledger[Self.pod]?.exclusive == [1, 5, 9, 13])
    }

    @Test("only pods take their CPUs from the whole machine")
    func onlyPods() {
        let session = session()
        #expect(session.reason(Self.run, list([1])) == .noPool(Pool.machine))
    }

    @Test("neither an exclusive nor a shared claim of a pod has what is exclusive to another, and the other way round")
    func exclusive() throws {
        var session = session()
        try session.ask(Self.run, CPURequest(.list([2, 3])))
        #expect(session.reason(Self.pod, list([3])) == .heldByOthers([3]))
        #expect(session.reason(Self.pod, list([3], .none)) == .heldByOthers([3]))
        // The sibling of CPU 2.
        #expect(session.reason(Self.pod, list([10], .core)) == .heldByOthers([10]))
        try session.ask(Self.pod, list([4], .none))
        #expect(session.reason(.service("s"), CPURequest(.list([4]))) == .heldByOthers([4]))
        #expect(session.reason(Holder(kind: .pod, name: "default/b"), list([4, 5])) == .heldByOthers([4]))
        #expect(session.reason(Holder(kind: .pod, name: "default/b"), list([4, 5], .none)) == nil)
    }

    @Test("a claim that was shared becomes exclusive around CPUs of its own")
    func sharedBecomesExclusive() throws {
        var session = session()
        try session.ask(Self.pod, list([10, 3], .none))
        try session.ask(Self.pod, list([2], .core))
        #expect(session.ledger[Self.pod]?.cpus == [2] && session.ledger[Self.pod]?.exclusive == [2, 10])
    }

    @Test("a request that differs in the pod's containers alone is a change; the same one again is none")
    func containers() throws {
        var session = session()
        let uid = "0a1b2c3d-0000-4000-8000-000000000001"
        func request(_ ids: Character...) throws -> Request {
            let containers = ids.map { PodReference.Container(name: "c", id: String(repeating: $0, count: 64)) }
            let pod = try #require(PodReference(uid: uid, containers: containers.compactMap(\.self)))
            return .claim(
                ClaimRequest(
                    holder: Self.pod, cpus: list([4]), enforcement: EnforcementRequest(pod: pod), isComplete: true))
        }
        try session.ask(try request("a"))
        let states = [
            ContainerState(
                try #require(.init(name: "c", id: String(repeating: "a", count: 64))), cgroup: "/x", .confined)
        ]
        let id = session.ledger[Self.pod]?.enforcement?.id ?? 0
        try session.ledger.apply(session.ledger.decide(.enforced(Self.pod, id: id, containers: states)).change)
        #expect(session.ledger[Self.pod]?.enforcement?.containers == states)
        #expect(try session.ask(try request("a")).change.isEmpty)
        try session.ask(try request("a", "b"))
        #expect(session.ledger[Self.pod]?.enforcement?.phase == .preparing)
        #expect(session.ledger[Self.pod]?.predecessor.claim?.enforcement?.request.pod?.containers.count == 1)
        try session.ledger.apply(session.ledger.decide(.enforced(Self.pod, id: id, containers: states)).change)
        #expect(session.ledger[Self.pod]?.enforcement?.request.pod?.containers.count == 2)
        // What becomes of containers is a decision, once.
        let seen = session.ledger.decide(.seen(Self.pod, id: id, []))
        #expect(seen.events == [.containersChanged(Self.pod, [])])
        try session.ledger.apply(seen.change)
        #expect(session.ledger.decide(.seen(Self.pod, id: id, [])).change.isEmpty)
        #expect(
            session.reason(.claim(ClaimRequest(holder: Self.pod, cpus: list([4]), isComplete: true)), RequestTests.root)
                == .enforced(Self.pod))
    }

    @Test("uids and container ids are what Kubernetes gives, and nothing else")
    func ids() {
        let hex = String(repeating: "0f", count: 32)
        for id in [hex, "containerd://\(hex)", "cri-o://\(hex)", "docker://\(hex)"] {
            #expect(PodReference.Container(name: "c", id: id)?.digits == hex, "\(id)")
        }
        for id in [
            "", hex.uppercased(), hex + "0", "://\(hex)", "a/b://\(hex)", "containerd:/\(hex)", "../" + hex, "x:\(hex)",
        ] {
            #expect(PodReference.Container(name: "c", id: id) == nil, "\(id)")
        }
        #expect(PodReference.isUID("0a1b2c3d-0000-4000-8000-000000000001"))
        #expect(PodReference.isUID(String(repeating: "0f", count: 16)))
        for uid in [
            "", "..", "0A1B2C3D-0000-4000-8000-000000000001", "0a1b2c3d_0000_4000_8000_000000000001",
            "g" + String(repeating: "0", count: 31),
        ] {
            #expect(!PodReference.isUID(uid), "\(uid)")
        }
    }
}
