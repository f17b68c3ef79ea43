import Kernel
import Ledger
import Machine
import Synchronization
import Testing

@Suite("Where there is no partition")
struct FallbackTests {
    @Test(
        "the strongest isolation that claims can have is told before any claim asks, with the reason for a weaker one")
    func strength() {
        for kernel in PartitionTests.v2 {
            #expect(TestKernel(kernel).enforcer.strength == (.partition, nil))
        }
        #expect(TestKernel(.v1).enforcer.strength == (.cpuset, "cgroup v1 has no partitions"))
        let files = FakeCgroups(.linux612, cpus: 8)
        files.change { $0.isReadOnly = true }
        #expect(TestKernel(files).enforcer.strength == (.affinity, "/sys/fs/cgroup is mounted read-only"))
    }

    @Test("where another cgroup has the CPUs, a cpuset keeps the holder on them")
    func cpuset() throws {
        for kernel in PartitionTests.v2 {
            var test = TestKernel(kernel)
            test.files.addGroup("/system.slice", cpus: CPUSet(0...15))
            test.files.addProcess(42, in: "/")
            let before = test.files.snapshot
            let plan = try test.enforce(TestKernel.claim("a", [4, 5], process: 42))
            #expect(plan.isolation == .cpuset)
            #expect(plan.limit?.contains("/system.slice") ?? false, "\(plan.limit ?? "")")
            #expect(test.files.file("/berth.slice/claims/run-a/cpuset.cpus.effective") == "4-5\n")
            #expect(test.files.file("/berth.slice/cpuset.cpus") == "\n")
            // It would be cut off by a partition.
            test.files.poke("", to: "/system.slice/cpuset.cpus")
            #expect(try test.enforce(TestKernel.claim("b", [6])).isolation == .cpuset)
            try test.release("a")
            try test.release("b")
            let alone = try test.enforce(TestKernel.claim("b", [6]))
            #expect(alone.isolation == .partition && alone.limit == nil)
            try test.release("b")
            test.files.poke("0-15", to: "/system.slice/cpuset.cpus")
            #expect(test.files.snapshot == before)
        }
    }

    @Test("cgroup v1: a cpuset with CPUs and memory nodes, and a CPU that was offline is given back by a repair")
    func v1() throws {
        var test = TestKernel(.v1)
        test.files.addProcess(42, in: "/", threads: 2)
        let before = test.files.snapshot
        let claim = TestKernel.claim("a", [4, 5], process: 42, memoryNodes: [1])
        let plan = try test.enforce(claim)
        // Nothing reports when a v1 cgroup becomes empty.
        #expect(plan.isolation == .cpuset && plan.lease == nil)
        #expect(test.files.file("/berth.slice/claims/run-a/cpuset.mems") == "1\n")
        #expect(test.files.file("/berth.slice/claims/run-a/cgroup.procs") == "42\n")
        try test.enforce(TestKernel.claim("b", [6]))
        #expect(test.files.file("/berth.slice/claims/run-b/cpuset.mems") == "0-1\n")
        _ = test.files.change { $0.online.remove(5) }
        #expect(throws: EnforcementError.self) { try test.verify("a") }
        _ = test.files.change { $0.online.insert(5) }
        #expect(test.files.file("/berth.slice/claims/run-a/cpuset.cpus") == "4\n")
        try test.apply(claim.holder)
        try test.verify("a")
        try test.release("a")
        try test.release("b")
        #expect(test.files.snapshot == before)
    }

    @Test("the affinity of all threads, where no cgroup can be written; each gets its own back")
    func affinity() throws {
        for kernel in PartitionTests.v2 {
            let files = FakeCgroups(kernel)
            files.change { $0.isReadOnly = true }
            var test = TestKernel(files)
            files.addProcess(42, in: "/", threads: 4)
            files.change { state in
                state.processes[42]?.threads[43] = [0, 1]
                state.processes[42]?.threads[44] = [5]
            }
            let plan = try test.enforce(TestKernel.claim("a", [4, 5], process: 42))
            #expect(plan.isolation == .affinity && plan.lease == nil)
            #expect(plan.steps.last?.undo == "unpin 42@420 boot boot-1 from 4-5 to 0-15 0-1:43 5:44")
            #expect(test.threads == [42: [4, 5], 43: [4, 5], 44: [5], 45: [4, 5]])
            // Somebody pins one meanwhile, and one is new.
            test.files.change { state in
                state.processes[42]?.threads[45] = [4]
                state.processes[42]?.threads[46] = [4, 5]
            }
            try test.verify("a")
            test.files.change { $0.processes[42]?.threads[47] = [1] }
            #expect(throws: EnforcementError("thread 47 of process 42 may run on CPUs 1, not 4-5")) {
                try test.verify("a")
            }
            try test.release("a")
            let all = CPUSet(0...15)
            #expect(test.threads == [42: all, 43: [0, 1], 44: [5], 45: [4], 46: all, 47: [1]])
        }
    }

    @Test("a claim without a process that only an affinity could keep on its CPUs is recorded only")
    func none() throws {
        let files = FakeCgroups(.linux612)
        files.change { $0.isReadOnly = true }
        var test = TestKernel(files)
        let plan = try test.enforce(TestKernel.claim("a", [4, 5]))
        #expect(plan.steps.isEmpty && plan.isolation == Isolation.none)
        try test.release("a")
        #expect(test.files.changes == 0)
    }

    @Test("the hierarchy with cpuset is found where it is mounted; a hybrid system has it in v1")
    func detection() {
        for kernel in FakeCgroups.Kernel.allCases {
            let files = FakeCgroups(kernel)
            let mount = FakeCgroups.mount(kernel)
            let expected = CgroupHierarchy(kind: kernel == .v1 ? .v1 : .v2, mount: mount)
            #expect(CgroupHierarchy.detect(files) == expected)
            #expect(CgroupHierarchy.detect(files, mount: mount + "/") == expected)
            #expect(CgroupHierarchy.detect(files, mount: "/elsewhere") == CgroupHierarchy(kind: .none))
        }
        let files = FakeCgroups(.linux612)
        files.change { $0.isReadOnly = true }
        #expect(CgroupHierarchy.detect(files).isReadOnly)
    }

    @Test("huge pages are limited where the controller is offered")
    func pages() throws {
        var test = TestKernel()
        let before = test.files.snapshot
        try test.enforce(
            TestKernel.claim("a", [4], reservations: [PageReservation(node: 0, sizeKB: 2_048, count: 64)]))
        let file = "/berth.slice/claims/run-a/hugetlb.2MB.max"
        #expect(test.files.file(file) == "134217728\n")
        test.files.poke("0", to: file)
        #expect(throws: EnforcementError.self) { try test.verify("a") }
        try test.release("a")
        #expect(test.files.snapshot == before)
    }
}

extension TestKernel {
    /// What the threads of process 42 were given.
    var threads: [Int: CPUSet] { files.state.withLock { $0.processes[42]?.threads ?? [:] } }
}
