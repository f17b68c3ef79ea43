import Kernel
import Ledger
import Machine
import Testing

@Suite("Plans")
struct PlanTests {
    private static let v2 = CgroupHierarchy(kind: .v2, mount: "/sys/fs/cgroup")
    private static let all = CPUSet(0...15)

    private static func state(
        _ hierarchy: CgroupHierarchy = v2, isolated: CPUSet = CPUSet(), housekeeping: CPUSet = [0, 1],
        controllers: Set<String> = ["cpuset", "hugetlb"], hasRemote: Bool = true, rootCPUs: CPUSet? = nil,
        slice: KernelState.Group? = nil, neighbours: [KernelState.Group] = []
    ) -> KernelState {
        KernelState(
            hierarchy: hierarchy, online: all, isolated: isolated, housekeeping: housekeeping, controllers: controllers,
            hasRemotePartitions: hasRemote, rootCPUs: rootCPUs, slice: slice, hasClaims: slice != nil,
            neighbours: neighbours)
    }

    private static func process(_ id: Int = 42) -> KernelPlan.Process {
        KernelPlan.Process(
            identity: ProcessIdentity(id: id, startTime: id * 10, bootID: "boot-1"), cgroup: "/user.slice",
            affinity: ThreadAffinity(process: all))
    }

    private func plan(
        _ claim: Claim, _ state: KernelState, process: KernelPlan.Process? = nil, ledger: Ledger = Ledger(),
        settings: KernelSettings = KernelSettings()
    ) throws(EnforcementError) -> EnforcementPlan {
        try KernelPlan(state: state, settings: settings, process: process).plan(claim, in: ledger)
    }

    @Test("the steps of a claim in the partition, each with its undo")
    func steps() throws {
        let claim = TestKernel.claim(
            "a", [4, 6], exclusive: [4, 5, 6, 7], process: 42, isBalanced: false, memoryNodes: [1],
            reservations: [
                PageReservation(node: 0, sizeKB: 2_048, count: 2), PageReservation(node: 1, sizeKB: 2_048, count: 3),
                PageReservation(node: 1, sizeKB: 1_048_576, count: 1),
            ])
        let plan = try plan(claim, Self.state(), process: Self.process())
        #expect(
            plan.steps.map(\.action) == [
                "prepare /berth.slice/claims with cpuset,hugetlb",
                "partition +4-7 root /berth.slice for /berth.slice/claims",
                "cgroup /berth.slice/run-a cpus 4,6 mems 1 pages 2MB=10485760,1GB=1073741824",
                "isolate /berth.slice/run-a",
                "move 42@420 boot boot-1 to /berth.slice/run-a",
            ])
        #expect(
            plan.steps.map(\.undo) == [
                "tidy /berth.slice/claims",
                "partition -4-7 root /berth.slice for /berth.slice/claims",
                "remove /berth.slice/run-a to /user.slice",
                "balance /berth.slice/run-a",
                "return 42@420 boot boot-1 from /berth.slice/run-a to /user.slice",
            ])
        #expect(plan.isolation == .partition)
        #expect(plan.lease == .cgroup(path: "/berth.slice/run-a", bootID: "boot-1"))
    }

    @Test("the partition is remote exactly where isolcpus and a kernel that knows remote ones meet")
    func remote() throws {
        for (isolated, hasRemote, word) in [
            (CPUSet(4...15), true, "remote"), (CPUSet(4...15), false, "root"), (CPUSet(), true, "root"),
        ] {
            let plan = try plan(TestKernel.claim("a", [4]), Self.state(isolated: isolated, hasRemote: hasRemote))
            #expect(plan.steps[1].action == "partition +4 \(word) /berth.slice for /berth.slice/claims")
        }
    }

    @Test(
        "without CAP_SYS_ADMIN no remote partition is planned: a cpuset where that will do, else a refusal that names it"
    )
    func notAdministrator() throws {
        var state = Self.state(isolated: CPUSet(4...15))
        state.mayMakeRemote = false
        #expect(try plan(TestKernel.claim("a", [4]), state).isolation == .cpuset)
        let error = #expect(throws: EnforcementError.self) {
            try plan(TestKernel.claim("a", [4], minimum: .partition), state)
        }
        #expect(error?.description.contains("CAP_SYS_ADMIN") ?? false)
        state.isolated = []
        #expect(try plan(TestKernel.claim("a", [4]), state).isolation == .partition)
    }

    @Test("over isolcpus a claim without load balancing is a remote partition of its own")
    func apart() throws {
        let claim = TestKernel.claim("a", [4, 6], exclusive: [4, 5, 6, 7], isBalanced: false)
        let plan = try plan(claim, Self.state(isolated: CPUSet(4...15)))
        #expect(
            plan.steps.map(\.action) == [
                "prepare /berth.slice/claims with cpuset",
                "partition +5,7 remote /berth.slice for /berth.slice/claims",
                "partition +4,6 apart /berth.slice for /berth.slice/claims",
                "cgroup /berth.slice/run-a cpus 4,6",
                "isolate /berth.slice/run-a remote 4,6",
            ])
    }

    @Test("a plan never leaves the root with CPUs of isolcpus only, also with what other claims are about to take")
    func survival() throws {
        let state = Self.state(isolated: CPUSet(2...15), housekeeping: [2])
        let text =
            "the rest of the machine would have no CPU left but those of isolcpus (2-15), which crashes the kernel"
        #expect(throws: EnforcementError(text)) { try plan(TestKernel.claim("a", [0, 1]), state) }
        var ledger = Ledger()
        var other = TestKernel.claim("b", [0])
        other.enforcement?.isolation = .partition
        try ledger.apply(LedgerChange(claims: [other]))
        #expect(throws: EnforcementError(text)) { try plan(TestKernel.claim("a", [1]), state, ledger: ledger) }
        #expect(throws: EnforcementError("no CPU would be left for the rest of the machine")) {
            try plan(TestKernel.claim("a", Self.all), Self.state(housekeeping: []))
        }
    }

    @Test("housekeeping CPUs stay with the rest of the machine")
    func housekeeping() throws {
        #expect(throws: EnforcementError("CPUs 1 are housekeeping CPUs, which stay with the rest of the machine")) {
            try plan(TestKernel.claim("a", [1, 2]), Self.state())
        }
        // By default the first core, or the first with a CPU outside isolcpus.
        for (isolated, refused) in [(CPUSet(), 0), (CPUSet(0...3), 4)] {
            var test = TestKernel(.linux612, isolated: isolated)
            for cpu in [refused, refused + 1] {
                #expect(throws: EnforcementError.self) { try test.enforce(TestKernel.claim("a", CPUSet([cpu]))) }
            }
            try test.enforce(TestKernel.claim("a", CPUSet([refused + 2])))
        }
    }

    @Test("an operator hears that the machine lives on one CPU only, as long as there is a partition")
    func hotplug() {
        let isolated = CPUSet(4...15)
        let far = Self.state(isolated: isolated, rootCPUs: CPUSet(0...2).union(isolated))
        #expect(far.hotplugDanger() == nil)
        #expect(far.hotplugDanger(taking: [1, 2])?.hasPrefix("CPU 0 alone is left") ?? false)
        #expect(
            Self.state(isolated: isolated, rootCPUs: isolated).hotplugDanger()?.hasPrefix("no CPU is left") ?? false)
        // Without isolcpus, and without a partition, no kernel crashes.
        #expect(Self.state(rootCPUs: [0]).hotplugDanger() == nil)
        #expect(Self.state(isolated: CPUSet(1...15)).hotplugDanger() == nil)
    }

    @Test("a claim gets the strongest isolation that there can be, and is refused where that is weaker than asked for")
    func levels() throws {
        let taken = KernelState.Group(path: "/system.slice", cpus: [4, 5])
        let readOnly = CgroupHierarchy(kind: .v2, mount: "/sys/fs/cgroup", isReadOnly: true)
        let cases: [(KernelState, Isolation, Isolation, String)] = [
            (Self.state(), .partition, .partition, ""),
            (
                Self.state(neighbours: [taken]), .cpuset, .cpuset,
                "cgroup /system.slice has CPUs 4 in its cpuset"
            ),
            (
                Self.state(rootCPUs: CPUSet(8...15)), .none, .none,
                "CPUs 4 are in a partition of another cgroup"
            ),
            (
                Self.state(CgroupHierarchy(kind: .v1, mount: "/c")), .cpuset, .cpuset, "cgroup v1 has no partitions"
            ),
            (Self.state(readOnly), .affinity, .none, "/sys/fs/cgroup is mounted read-only"),
            (
                Self.state(CgroupHierarchy(kind: .none)), .affinity, .none,
                "there is no cgroup hierarchy with the cpuset controller"
            ),
        ]
        for (state, isolation, without, reason) in cases {
            for minimum in Isolation.allCases {
                let claim = TestKernel.claim("a", [4], process: 42, minimum: minimum)
                guard minimum > isolation else {
                    #expect(try plan(claim, state, process: Self.process()).isolation == isolation)
                    continue
                }
                let text =
                    "the isolation can be \(isolation.rawValue) at most, and \(minimum.rawValue) is asked for: \(reason)"
                #expect(throws: EnforcementError(text)) { try plan(claim, state, process: Self.process()) }
            }
            #expect(try plan(TestKernel.claim("a", [4]), state).isolation == without)
            if isolation != .partition {
                #expect(throws: EnforcementError.self) {
                    try plan(TestKernel.claim("a", [4], isBalanced: false), state)
                }
            }
        }
        #expect(try plan(TestKernel.claim("a", [], memoryNodes: [1]), Self.state()).isolation == .none)
    }

    @Test("a claim outside the partition is not put inside it, and a partition does not cut off a claim that has none")
    func mixed() throws {
        var ledger = Ledger()
        var other = TestKernel.claim("b", [6])
        other.enforcement?.isolation = .cpuset
        try ledger.apply(LedgerChange(claims: [other]))
        #expect(try plan(TestKernel.claim("a", [4]), Self.state(), ledger: ledger).isolation == .cpuset)
        other.enforcement?.isolation = .partition
        try ledger.apply(LedgerChange(claims: [other]))
        let slice = KernelState.Group(path: "/berth.slice", cpus: [6], partition: "root")
        let state = Self.state(
            rootCPUs: Self.all.subtracting([6]), slice: slice,
            neighbours: [KernelState.Group(path: "/system.slice", cpus: [4])])
        #expect(
            try plan(TestKernel.claim("a", [4], process: 42), state, process: Self.process(), ledger: ledger).isolation
                == .affinity)
        // CPUs of the slice that nobody has are somebody else's.
        #expect(try plan(TestKernel.claim("a", [4]), Self.state(slice: slice)).isolation == .none)
    }

    @Test("what was there before Berth's first claim stays after its last one")
    func tidy() throws {
        #expect(try plan(TestKernel.claim("a", [4]), Self.state()).steps[0].undo == "tidy /berth.slice/claims")
        let slice = KernelState.Group(path: "/berth.slice", cpus: [])
        #expect(try plan(TestKernel.claim("a", [4]), Self.state(slice: slice)).steps[0].undo == "nothing")
        // systemd has made its slice, and nobody the cgroup below it. The second claim does as the first one.
        var state = Self.state(slice: slice)
        state.hasClaims = false
        let first = try plan(TestKernel.claim("a", [4]), state)
        #expect(first.steps[0].undo == "tidy /berth.slice/claims below /berth.slice")
        var claim = TestKernel.claim("a", [4])
        claim.enforcement?.steps = first.steps
        var ledger = Ledger()
        try ledger.apply(LedgerChange(claims: [claim]))
        state.hasClaims = true
        #expect(try plan(TestKernel.claim("b", [5]), state, ledger: ledger).steps[0].undo == first.steps[0].undo)
    }

    @Test("two long names that were cut to the same cgroup are not enforced together")
    func collisions() throws {
        let name = String(repeating: "x", count: 300)
        var ledger = Ledger()
        try ledger.apply(LedgerChange(claims: [TestKernel.claim(name, [6])]))
        let plan = KernelPlan(state: Self.state())
        #expect(try plan.plan(TestKernel.claim(name, [6]), in: ledger).isolation == .partition)
        #expect(try plan.plan(TestKernel.claim(name + "y", [7]), in: ledger).isolation == .partition)
    }
}
