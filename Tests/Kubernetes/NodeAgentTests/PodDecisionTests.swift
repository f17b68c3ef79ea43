import KubernetesClient
import NodeAgent
import Testing

/// What the agent does for a pod, decided without any I/O.
@Suite struct PodDecisionTests {
    private typealias Report = PodCPUBinding.NodeReport
    private static let uid = "11111111-2222-3333-4444-555555555555"
    private static let first = PodContainer(name: "main", id: "containerd://aa")
    private static let key = ObjectKey(namespace: "default", name: "b")

    private static func claim(_ cpus: String, _ level: PodCPUBinding.ExclusivenessLevel = .cpu) -> PodCPUBinding.Claim {
        .init(podUID: uid, cpus: cpus, exclusivenessLevel: level, exclusive: cpus, memoryNodes: [0])
    }

    private static func wish(_ cpus: String, _ containers: [PodContainer] = [first]) -> ClaimWish {
        ClaimWish(cgroupUID: uid, cpus: cpus, level: .cpu, memoryNodes: [0], containers: containers)
    }

    private static func held(_ cpus: String, _ containers: [PodContainer] = [first]) -> HeldClaim {
        HeldClaim(
            cgroupUID: uid, cpus: cpus, exclusive: cpus, level: .cpu, memoryNodes: [0],
            containers: containers.map { .init(name: $0.name, id: $0.id) })
    }

    /// A binding on CPUs 2-3, and a pod with one container.
    private static func situation(
        claim: PodCPUBinding.Claim? = claim("2-3"), report: Report? = nil, held: HeldClaim? = nil,
        refusal: PodSituation.Refusal? = nil
    ) -> PodSituation {
        PodSituation(
            bindings: [.init(key: key, uid: "b1", claim: claim, report: report)],
            pod: .init(uid: uid, containers: [first]), held: held, refusal: refusal)
    }

    @Test(
        "a claim of the controller is made in one step, with the containers that run, and reported once it is enforced")
    func made() {
        var situation = Self.situation()
        #expect(situation.decide() == PodDecision(request: .put(Self.wish("2-3"))))
        situation.held = Self.held("2-3")
        let report = Report(.enforced, claim: Self.claim("2-3"), containers: ["containerd://aa"])
        #expect(situation.decide() == PodDecision(reports: [Self.key: report]))
        situation.bindings[0].report = report
        #expect(situation.decide() == PodDecision(), "what is so and was said is left alone")
    }

    @Test("W3: a container that restarted, or came later, is pinned again, and the report names only what is confined")
    func restarted() {
        let second = PodContainer(name: "main", id: "containerd://bb")
        var situation = Self.situation(held: Self.held("2-3"))
        situation.pod?.containers = [second]
        #expect(situation.decide().request == .put(Self.wish("2-3", [second])))
        situation.held = Self.held("2-3", [second])
        situation.held?.containers[0].isConfined = false
        #expect(situation.decide().reports[Self.key]?.containers == [])
        #expect(situation.decide().request == nil, "berthd confines it when it appears")
    }

    @Test("lists of CPUs and nodes that are written otherwise are the same")
    func written() {
        var situation = Self.situation(held: Self.held("2,3"))
        #expect(situation.decide().request == nil)
        situation.held?.memoryNodes = [1]
        #expect(situation.decide().request == .put(Self.wish("2-3")))
    }

    @Test("a changed claim is changed in one step; one that is refused keeps what was held, and is not asked for again")
    func refused() {
        var situation = Self.situation(held: Self.held("4-5"))
        #expect(situation.decide() == PodDecision(request: .put(Self.wish("2-3"))))
        situation.refusal = .init(Self.wish("2-3"), reason: "CPU 2 is held by run:engine")
        #expect(
            situation.decide()
                == PodDecision(reports: [
                    Self.key: Report(
                        .refused, claim: Self.claim("2-3"), held: Self.claim("4-5"), containers: ["containerd://aa"],
                        message: "CPU 2 is held by run:engine")
                ]))
        situation.bindings[0].claim = Self.claim("6-7")
        #expect(situation.decide().request == .put(Self.wish("6-7")), "another claim is another question")
    }

    @Test("a binding without a claim gives its CPUs back before it says so; one that never had any says nothing")
    func released() {
        var situation = Self.situation(
            claim: nil, report: Report(.enforced, claim: Self.claim("2-3")), held: Self.held("2-3"))
        #expect(situation.decide() == PodDecision(request: .release))
        situation.held = nil
        #expect(situation.decide() == PodDecision(reports: [Self.key: Report(.released)]))
        situation.bindings[0].report = Report(.released)
        #expect(situation.decide() == PodDecision())
        #expect(Self.situation(claim: nil).decide() == PodDecision())
    }

    @Test("claims whose binding is gone are released; those of a pod that is gone stay while the controller wants them")
    func gone() {
        #expect(PodSituation(held: Self.held("2-3")).decide() == PodDecision(request: .release))
        var situation = Self.situation(held: Self.held("2-3", []))
        situation.pod = nil
        #expect(situation.decide().request == nil)
        #expect(situation.decide().reports[Self.key]?.state == .enforced)
    }

    @Test("a pod that was created again under the same name gets nothing from the claim of its predecessor")
    func recreated() {
        var situation = Self.situation()
        situation.pod?.uid = "99999999-2222-3333-4444-555555555555"
        situation.pod?.cgroupUID = "99999999-2222-3333-4444-555555555555"
        #expect(situation.decide().request == .put(Self.wish("2-3", [])))
    }

    @Test("W25: a static pod is found by the uid that its cgroups have")
    func staticPod() {
        var situation = Self.situation()
        situation.pod?.cgroupUID = "0123456789abcdef0123456789abcdef"
        guard case .put(let wish) = situation.decide().request else { return #expect(Bool(false)) }
        #expect(wish.cgroupUID == "0123456789abcdef0123456789abcdef")
    }

    @Test("while the kernel is being changed for a claim it is waited for; how the kernel differs is said")
    func changing() {
        var situation = Self.situation(held: Self.held("4-5"))
        situation.held?.isActive = false
        #expect(situation.decide() == PodDecision())
        situation.held = Self.held("2-3")
        situation.held?.failure = "kubelet's static CPU manager set cpuset.cpus to 0-7"
        let report = situation.decide().reports[Self.key]
        #expect(report?.state == .claiming && report?.message == "kubelet's static CPU manager set cpuset.cpus to 0-7")
    }

    @Test("W20: of two bindings with CPUs for one pod the oldest counts, whatever their names; the other is refused")
    func two() {
        let other = ObjectKey(namespace: "default", name: "a")
        var situation = Self.situation(held: Self.held("2-3"))
        situation.bindings[0].created = Timestamp("2026-01-01T00:00:00Z")
        situation.bindings.append(
            .init(key: other, uid: "a1", created: Timestamp("2026-01-02T00:00:00Z"), claim: Self.claim("4-5")))
        let decision = situation.decide()
        #expect(decision.request == nil && decision.reports[Self.key]?.state == .enforced)
        #expect(decision.reports[other]?.state == .refused)
        #expect(decision.reports[other]?.message.contains("default/b") == true)
    }

    @Test("a binding that gives back does so before another one of the pod takes CPUs")
    func handedOver() {
        let other = ObjectKey(namespace: "default", name: "a")
        var situation = Self.situation(
            claim: nil, report: Report(.enforced, claim: Self.claim("2-3")), held: Self.held("2-3"))
        situation.bindings.append(.init(key: other, uid: "a1", claim: Self.claim("4-5")))
        #expect(situation.decide() == PodDecision(request: .release))
        situation.held = nil
        #expect(situation.decide().request == .put(Self.wish("4-5")))
        situation.held = Self.held("4-5")
        #expect(situation.decide().reports[Self.key]?.state == .released)
        #expect(situation.decide().reports[other]?.state == .enforced)
    }

    @Test("while the host does not answer, what was answered stays, and what waits says why it waits")
    func unanswered() {
        let reason = "Cannot connect to /run/berth/berth.sock"
        var situation = Self.situation(report: Report(.enforced, claim: Self.claim("2-3")))
        #expect(situation.reports(whileUnanswered: reason).isEmpty)
        situation.bindings[0].claim = Self.claim("4-5")
        #expect(
            situation.reports(whileUnanswered: reason) == [
                Self.key: Report(.claiming, claim: Self.claim("4-5"), held: Self.claim("2-3"), message: reason)
            ])
    }

    // MARK: - Pinnings by calls

    private static var pinned: PodSituation {
        PodSituation(
            pod: .init(uid: uid, containers: [first]),
            pinning: .wanted(.init(podUID: uid, cpus: "2-3", memoryNodes: [0])))
    }

    @Test("a pinning by a call lives until it is removed, or the pod is gone or finished")
    func pinning() {
        var situation = Self.pinned
        var wish = Self.wish("2-3")
        (wish.level, wish.isPinning) = (.none, true)
        #expect(situation.decide().request == .put(wish))
        var held = Self.held("2-3")
        (held.level, held.isPinning) = (PodCPUBinding.ExclusivenessLevel.none, true)
        situation.held = held
        #expect(situation.decide() == PodDecision())
        situation.pinning = .unknown
        #expect(situation.decide() == PodDecision(), "a restart of the agent changes nothing")
        situation.pinning = .removed
        #expect(situation.decide() == PodDecision(request: .release))
        for isFinished in [true, false] {
            situation = Self.pinned
            situation.held = held
            if isFinished { situation.pod?.isFinished = true } else { situation.pod = nil }
            #expect(situation.decide() == PodDecision(request: .release))
        }
    }

    @Test("what the controller asks for comes before what a call asks for")
    func bindingWins() {
        var situation = Self.situation()
        situation.pinning = .wanted(.init(podUID: Self.uid, cpus: "6-7"))
        #expect(situation.decide().request == .put(Self.wish("2-3")))
    }
}
