import Kernel
import Ledger
import Machine
import Testing

/// Claims compared with what the kernel does.
@Suite struct VerificationTests {
    private static let holder = Holder(kind: .run, name: "a")
    private static let cgroup = "/berth.slice/claims/run-a"

    /// A claim of CPUs 4-7, of which 7 stays idle, on node 1.
    static func claim(
        _ name: String = "a", cpus: CPUSet = [4, 5, 6], exclusive: CPUSet = [4, 5, 6, 7], nodes: [Int] = [1],
        isolation: Isolation = .partition, process: ProcessIdentity? = nil
    ) -> VerifiedClaim {
        let enforcement = Enforcement(EnforcementRequest(process: process), phase: .active, isolation: isolation)
        let claim = Claim(
            holder: Holder(kind: .run, name: name), owner: .administrators,
            grants: [Grant(cpus: cpus, exclusive: exclusive)],
            memoryNodes: nodes, enforcement: enforcement)
        guard isolation == .partition else { return VerifiedClaim(claim, cgroup: nil) }
        return VerifiedClaim(
            claim, cgroup: "/berth.slice/claims/run-\(name)",
            partitions: [VerifiedClaim.Partition(cgroup: "/berth.slice", word: "root")])
    }

    /// A kernel that does what the claim says.
    private static func good() -> Observation {
        var seen = Observation()
        seen.online = CPUSet(0...7)
        seen.cgroups = [
            "/": ObservedCgroup(effective: CPUSet(0...3)),
            "/berth.slice": ObservedCgroup(effective: CPUSet(4...7), partition: "root"),
            cgroup: ObservedCgroup(effective: [4, 5, 6], partition: "member", memoryNodes: [1]),
            "/system.slice/cron.service": ObservedCgroup(effective: CPUSet(0...3)),
        ]
        seen.threads = [ObservedThread(pid: 900, tid: 901, name: "engine", allowed: [4, 5], cgroup: cgroup)]
        seen.interrupts = [ObservedInterrupt(number: 25, name: "eth0", allowed: CPUSet(0...3), counts: [4: 10])]
        return seen
    }

    private func drifts(
        _ claims: [VerifiedClaim] = [claim()], before: Observation? = nil, _ change: (inout Observation) -> Void
    ) -> [Drift] {
        var seen = Self.good()
        change(&seen)
        return Verification(claims, seen, before: before).drifts
    }

    @Test("a kernel that does what was granted has no drift")
    func none() { #expect(drifts { _ in } == []) }

    @Test("a thread of another cgroup on exclusive CPUs is an intruder, named with its process, cgroup and unit")
    func intruder() throws {
        let thread = ObservedThread(
            pid: 801, tid: 812, name: "stress", allowed: CPUSet(0...5), cgroup: "/berth.slice/x.service/inner")
        let found = drifts { $0.threads.append(thread) }
        #expect(found == [.intruder(thread, cpus: [4, 5], of: [Self.holder])])
        let drift = try #require(found.first)
        #expect(
            drift.text
                == "thread 812 (stress) of process 801 of x.service may run on CPUs 4-5, which only run:a may use")
        #expect(drift.kind == "intruder" && !drift.isOfEnforcement)
        #expect(
            drift.fields.map(\.name) == [
                "holders", "cpus", "pid", "tid", "name", "allowed", "kernel_thread", "cgroup", "unit",
            ])
        #expect(drift.fields.contains { $0.name == "unit" && $0.value == .text("x.service") })
    }

    @Test("a thread whose mask has exclusive CPUs, but not its cgroup, is kept off by the kernel and no intruder")
    func keptOff() {
        var seen = Self.good()
        let cgroup = "/system.slice/cron.service"
        seen.threads.append(
            ObservedThread(pid: 7, tid: 7, name: "cron", allowed: CPUSet(0...7), cgroup: cgroup, lastCPU: 2))
        let verification = Verification([Self.claim()], seen)
        #expect(verification.drifts == [] && verification.keptOff == 1)
        // It ran there last, or has nowhere else to run.
        for (allowed, last) in [(CPUSet(0...7), 5), ([5], 2)] {
            seen.threads[1].allowed = allowed
            seen.threads[1].lastCPU = last
            #expect(Verification([Self.claim()], seen).drifts.map(\.kind) == ["intruder"])
        }
        // With a cpuset that has the CPUs, or none that can be read, the mask counts.
        seen.threads[1].lastCPU = 2
        for effective in [CPUSet(0...7), nil] {
            seen.cgroups[cgroup]?.effective = effective
            #expect(Verification([Self.claim()], seen).drifts.map(\.kind) == ["intruder"])
        }
    }

    @Test("on CPUs of a pod, other pods and programs with claims are intruders; programs of the host are counted")
    func besidePods() {
        var pod = Self.claim("b", cpus: [2, 3], exclusive: [2, 3], nodes: [], isolation: .cpuset)
        pod.holder = Holder(kind: .pod, name: "a/b")
        var seen = Self.good()
        seen.interrupts = []
        seen.threads = [("sshd", "/system.slice/ssh.service"), ("web", "/kubepods/burstable/pod\(PodTests.other)/x")]
            .map {
                ObservedThread(pid: 7, tid: 7, name: $0, allowed: CPUSet(0...3), cgroup: $1)
            }
        let verification = Verification([pod], seen)
        #expect(verification.besidePods == 1 && verification.drifts.map(\.kind) == ["intruder"])
        #expect(verification.drifts.first?.text.contains("(web)") == true)
        // A claim with a partition has its CPUs to itself, also beside pods.
        let both = Verification([pod, Self.claim()], seen)
        #expect(both.drifts.count == 1 && both.besidePods == 1)
        seen.threads[0].allowed = CPUSet(0...7)
        #expect(
            Verification([pod, Self.claim()], seen).drifts.contains { $0.text.contains("CPUs 4-7, which only run:a") })
    }

    @Test("a kernel thread that can be moved is an intruder, one that cannot is counted")
    func kernelThreads() {
        var seen = Self.good()
        for isFixed in [true, false] {
            seen.threads.append(
                ObservedThread(
                    pid: 45, tid: 45, name: "kswapd1", allowed: CPUSet(0...7), cgroup: nil, isKernelThread: true,
                    isFixed: isFixed))
        }
        let verification = Verification([Self.claim()], seen)
        #expect(verification.fixedThreads == 1)
        #expect(
            verification.drifts.map(\.text) == [
                "the kernel thread 45 (kswapd1) may run on CPUs 4-7, which only run:a may use"
            ])
    }

    @Test("a thread of the holder on CPUs that it does not have is drift, also on those that are to stay idle")
    func outside() {
        for (allowed, outside) in [(CPUSet(0...7), CPUSet([0, 1, 2, 3, 7])), ([6, 7], [7]), ([2], [2])] {
            let found = drifts { $0.threads[0].allowed = allowed }
            #expect(found.map(\.kind) == ["outside"])
            guard case .outside(_, outside, Self.holder)? = found.first else {
                Issue.record("\(found)")
                continue
            }
        }
        // A cgroup below the claim's belongs to it.
        #expect(drifts { $0.threads[0].cgroup = Self.cgroup + "/worker" } == [])
        #expect(drifts { $0.threads[0].cgroup = Self.cgroup + "x" }.map(\.kind) == ["intruder"])
    }

    @Test("a claim without a cgroup has the threads of its process")
    func process() {
        let process = ProcessIdentity(id: 900, startTime: 1, bootID: "b")
        let claim = Self.claim(nodes: [], isolation: .affinity, process: process)
        let found = drifts([claim]) {
            $0.processes = [Self.holder: 900]
            $0.threads[0].cgroup = "/user.slice/user-0.slice/session-1.scope"
        }
        #expect(found == [])
        #expect(drifts([claim]) { $0.threads[0].cgroup = "/user.slice" }.map(\.kind) == ["intruder"])
    }

    @Test("one thread on the CPUs of several claims is one drift that names them all")
    func severalClaims() {
        let claims = [
            Self.claim(cpus: [4, 5], exclusive: [4, 5]), Self.claim("b", cpus: [6, 7], exclusive: [6, 7]),
        ]
        var seen = Self.good()
        seen.cgroups[Self.cgroup]?.effective = [4, 5]
        seen.cgroups["/berth.slice/claims/run-b"] = ObservedCgroup(effective: [6, 7], memoryNodes: [1])
        seen.threads.append(ObservedThread(pid: 3, tid: 3, name: "x", allowed: [5, 6], cgroup: "/berth.slice"))
        let verification = Verification(claims, seen)
        #expect(verification.drifts.map(\.holders) == [[Self.holder, Holder(kind: .run, name: "b")]])
        #expect(verification.drifts(of: Holder(kind: .run, name: "b")).count == 1)
        // A thread of one claim on the CPUs of the other is both outside its own and an intruder there.
        seen.threads = [ObservedThread(pid: 3, tid: 3, name: "x", allowed: [5, 6], cgroup: Self.cgroup, lastCPU: 6)]
        #expect(Verification(claims, seen).drifts.map(\.kind) == ["outside", "intruder"])
    }

    @Test("interrupts that may go to exclusive CPUs are drift; managed ones are listed apart")
    func interrupts() {
        var seen = Self.good()
        seen.interrupts = [
            ObservedInterrupt(number: 25, name: "eth0", allowed: CPUSet(0...7)),
            ObservedInterrupt(number: 30, name: "nvme0q1", allowed: [4, 5], isManaged: true),
            ObservedInterrupt(number: 31, name: "nvme0q2", allowed: [0, 1], isManaged: true),
        ]
        let verification = Verification([Self.claim()], seen)
        #expect(
            verification.drifts.map(\.text) == ["interrupt 25 (eth0) may go to CPUs 4-7, which only run:a may use"])
        #expect(verification.managed.map(\.number) == [30])
    }

    @Test("interrupts that keep coming are drift; the one that was on its way when the mask changed is not")
    func deliveries() {
        let before = Self.good()
        #expect(drifts(before: before) { $0.interrupts[0].counts = [4: 11] } == [])
        #expect(drifts { $0.interrupts[0].counts = [4: 12] } == [])
        let found = drifts(before: before) { $0.interrupts[0].counts = [4: 22] }
        #expect(
            found.map(\.text) == [
                "interrupt 25 (eth0) may go to CPU 4, which only run:a may use; 12 came there since the last look"
            ])
    }

    @Test("new interrupts and unbound workqueues that may use exclusive CPUs are drift that the claim's steps mend")
    func masks() {
        let found = drifts { $0.masks = [.workqueues: CPUSet(0...4), .newInterrupts: CPUSet(0...3)] }
        #expect(found == [.mask(.workqueues, cpus: [4], of: [Self.holder])])
        #expect(found.map(\.text) == ["unbound workqueues may use CPU 4, which only run:a may use"])
        #expect(found.map(\.isRepairable) == [true] && found.map(\.isOfEnforcement) == [false])
    }

    @Test("a partition that the kernel calls invalid is drift, with its reason, once for all claims")
    func partitions() throws {
        let other = Self.claim("b", cpus: [], exclusive: [], nodes: [])
        let state = "root invalid (Cpu list in cpuset.cpus not exclusive)"
        let found = drifts([Self.claim(), other]) {
            $0.cgroups["/berth.slice"]?.partition = state
            $0.cgroups["/berth.slice/claims/run-b"] = ObservedCgroup()
        }
        #expect(found.map(\.kind) == ["partition"] && found.first?.holders.count == 2)
        #expect(
            found.first?.fields.last?.value == .text("Cpu list in cpuset.cpus not exclusive")
                && found.first?.fields.last?.name == "reason")
        #expect(
            drifts { $0.cgroups["/berth.slice"]?.partition = "isolated invalid" }.first?.fields.last?.name == "state")
        #expect(drifts { $0.cgroups["/berth.slice"]?.partition = "member" }.map(\.kind) == ["partition"])
        #expect(
            drifts { $0.cgroups["/berth.slice"] = nil }.map(\.text) == [
                "the cgroup /berth.slice is no valid partition for run:a: the kernel says nothing of it"
            ])
    }

    @Test("a partition whose label lies shows by the CPUs that the root and the claim can have")
    func lyingLabel() {
        let found = drifts {
            $0.cgroups["/"]?.effective = CPUSet(0...4)
            $0.cgroups[Self.cgroup]?.effective = [5, 6]
        }
        #expect(
            found == [
                .notAlone(cpus: [4], of: Self.holder),
                .cpus(expected: [4, 5, 6], found: [5, 6], cgroup: Self.cgroup, of: Self.holder),
            ])
        #expect(found.map(\.isOfEnforcement) == [true, true])
    }

    @Test("other memory nodes, a missing cgroup and offline CPUs are drift")
    func cgroups() {
        #expect(
            drifts { $0.cgroups[Self.cgroup]?.memoryNodes = [0, 1] }.map(\.text) == [
                "the cgroup /berth.slice/claims/run-a of run:a takes memory of nodes 0-1, not 1"
            ])
        let found = drifts {
            $0.cgroups[Self.cgroup] = nil
            $0.threads = []
        }
        #expect(found == [.missing(cgroup: Self.cgroup, of: Self.holder)])
        // What is left of the claim is what the kernel gives.
        let offline = drifts {
            $0.online = [0, 1, 2, 3, 4, 5, 7]
            $0.cgroups[Self.cgroup]?.effective = [4, 5]
        }
        #expect(offline == [.offline(cpus: [6], of: Self.holder)])
        #expect(offline.first?.text == "CPU 6 of run:a is offline")
    }

    @Test("memory of the holder on other nodes than its own is drift, in kB by node")
    func memory() {
        let found = drifts {
            $0.memory = [
                ObservedMemory(pid: 900, name: "engine", holder: Self.holder, kilobytes: [0: 4_096, 1: 999, 2: 8]),
                ObservedMemory(pid: 901, name: "engine", holder: Self.holder, kilobytes: [0: 0, 1: 999]),
            ]
        }
        #expect(found.map(\.text) == ["process 900 (engine) of run:a has 4096 kB on node 0, 8 kB on node 2"])
        #expect(found.first?.fields.last?.value == .amounts([0: 4_096, 2: 8]))
    }
}
