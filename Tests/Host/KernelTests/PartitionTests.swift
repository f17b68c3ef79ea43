import Kernel
import Ledger
import Machine
import Testing

@Suite("Claims in the partition")
struct PartitionTests {
    static let slice = "/berth.slice"
    static let claims = "/berth.slice/claims"
    static let v2: [FakeCgroups.Kernel] = [.linux61, .linux612]

    @Test("a claim has its CPUs alone, and everything is as before when it ends", arguments: v2)
    func oneClaim(kernel: FakeCgroups.Kernel) throws {
        var test = TestKernel(kernel)
        test.files.addProcess(42, in: "/")
        let before = test.files.snapshot
        let plan = try test.enforce(TestKernel.claim("a", [4, 5, 6, 7], process: 42))
        #expect(plan.isolation == .partition)
        #expect(plan.lease == .cgroup(path: "/berth.slice/claims/run-a", bootID: "boot-1"))
        #expect(test.files.file("/cpuset.cpus.effective") == "0-3,8-15\n")
        #expect(test.files.file("/berth.slice/cpuset.cpus.partition") == "root\n")
        #expect(test.files.file("/berth.slice/claims/run-a/cpuset.cpus.effective") == "4-7\n")
        #expect(test.files.file("/berth.slice/claims/run-a/cgroup.procs") == "42\n")
        #expect(
            test.ledger[Holder(kind: .run, name: "a")]?.cgroup
                == ClaimCgroup(path: "/berth.slice/claims/run-a", cpus: [4, 5, 6, 7]))
        try test.release("a")
        #expect(test.files.snapshot == before && test.ledger.count == 0)
    }

    @Test("a slice that systemd made stays as it was when the last claim ends, in any order", arguments: v2)
    func foreignSlice(kernel: FakeCgroups.Kernel) throws {
        for order in [["a", "b"], ["b", "a"]] {
            var test = TestKernel(kernel)
            test.files.addGroup(Self.slice)
            let before = test.files.snapshot
            try test.enforce(TestKernel.claim("a", [4, 5]))
            try test.enforce(TestKernel.claim("b", [6]))
            for name in order { try test.release(name) }
            #expect(test.files.snapshot == before)
        }
    }

    @Test("claims come and go in any order without disturbing each other", arguments: v2)
    func anyOrder(kernel: FakeCgroups.Kernel) throws {
        for order in [["a", "b", "c"], ["b", "a", "c"], ["c", "b", "a"], ["b", "c", "a"]] {
            var test = TestKernel(kernel)
            let before = test.files.snapshot
            try test.enforce(TestKernel.claim("a", [4, 5]))
            // One sibling of each core stays idle: in the partition, in nobody's cpuset.
            try test.enforce(TestKernel.claim("b", [6, 8], exclusive: [6, 7, 8, 9]))
            try test.enforce(TestKernel.claim("c", [10]))
            #expect(test.files.file("/cpuset.cpus.effective") == "0-3,11-15\n")
            var left = ["a", "b", "c"]
            for name in order {
                try test.release(name)
                left.removeAll { $0 == name }
                for other in left { try test.verify(other) }
            }
            #expect(test.files.snapshot == before)
        }
    }

    @Test("CPUs that claims share leave the partition with the last of them", arguments: v2)
    func shared(kernel: FakeCgroups.Kernel) throws {
        for (first, second) in [("a", "b"), ("b", "a")] {
            var test = TestKernel(kernel)
            let before = test.files.snapshot
            try test.enforce(TestKernel.claim("a", [4, 5], exclusive: []))
            try test.enforce(TestKernel.claim("b", [5, 6], exclusive: []))
            try test.release(first)
            try test.verify(second)
            #expect(test.files.file("/berth.slice/cpuset.cpus") == (first == "a" ? "5-6\n" : "4-5\n"))
            try test.release(second)
            #expect(test.files.snapshot == before)
        }
    }

    @Test(
        "a claim without load balancing is a partition inside the partition, also beside claims with processes",
        arguments: v2)
    func unbalanced(kernel: FakeCgroups.Kernel) throws {
        for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c"]] {
            var test = TestKernel(kernel)
            for id in 42...44 { test.files.addProcess(id, in: "/") }
            let before = test.files.snapshot
            try test.enforce(TestKernel.claim("a", [4, 5], process: 42))
            try test.enforce(TestKernel.claim("b", [6, 7], process: 43, isBalanced: false))
            #expect(test.files.file("/berth.slice/run-b/cpuset.cpus.partition") == "isolated\n")
            #expect(test.files.file("/berth.slice/claims/run-a/cpuset.cpus.effective") == "4-5\n")
            try test.enforce(TestKernel.claim("c", [8], exclusive: [8, 9], process: 44, isBalanced: false))
            for name in ["a", "b", "c"] { try test.verify(name) }
            var left = ["a", "b", "c"]
            for name in order {
                try test.release(name)
                left.removeAll { $0 == name }
                for other in left { try test.verify(other) }
            }
            #expect(test.files.snapshot == before)
        }
    }

    @Test(
        "over isolcpus the partition is a remote one where the kernel refuses a local one, and local where it does not")
    func isolcpus() throws {
        for kernel in Self.v2 {
            var test = TestKernel(kernel, isolated: CPUSet(4...15))
            let before = test.files.snapshot
            try test.enforce(TestKernel.claim("a", [3, 4, 5]))
            try test.enforce(TestKernel.claim("b", [8, 9]))
            #expect(test.files.file("/cpuset.cpus.effective") == "0-2,6-7,10-15\n")
            #expect(
                test.files.file("/berth.slice\(kernel == .linux612 ? "/claims" : "")/cpuset.cpus.partition") == "root\n"
            )
            try test.release("a")
            try test.verify("b")
            try test.enforce(TestKernel.claim("c", [10], exclusive: [10, 11], isBalanced: false))
            #expect(test.files.file("/cpuset.cpus.effective") == "0-7,12-15\n")
            try test.verify("b")
            try test.release("b")
            try test.verify("c")
            try test.release("c")
            #expect(test.files.snapshot == before && !test.files.hasCrashed)
        }
    }

    @Test(
        "what would leave the root without a CPU outside isolcpus is refused before anything is written", arguments: v2)
    func survival(kernel: FakeCgroups.Kernel) throws {
        var test = TestKernel(kernel, cpus: 8, isolated: CPUSet(2...7), settings: KernelSettings(housekeeping: [2]))
        #expect(throws: EnforcementError.self) { try test.enforce(TestKernel.claim("a", [0, 1])) }
        #expect(test.files.changes == 0)
        try test.enforce(TestKernel.claim("b", [0]))
        #expect(throws: EnforcementError.self) { try test.enforce(TestKernel.claim("a", [1])) }
        #expect(!test.files.hasCrashed)
        try test.verify("b")
    }

    @Test("the machine survives also where a CPU went offline between the plan and the step", arguments: v2)
    func survivalAtApply(kernel: FakeCgroups.Kernel) throws {
        var test = TestKernel(kernel, cpus: 8, isolated: CPUSet(2...7), settings: KernelSettings(housekeeping: [0]))
        let claim = TestKernel.claim("a", [1])
        try test.commit(claim)
        _ = test.files.change { $0.online.remove(0) }
        #expect(throws: EnforcementError.self) { try test.apply(claim.holder) }
        try test.release("a")
        #expect(!test.files.hasCrashed && test.ledger.count == 0)
    }

    @Test("CPUs that somebody else added to the slice do not endanger the machine, and stay when the claim ends")
    func foreignCPUs() throws {
        for kernel in Self.v2 {
            var test = TestKernel(kernel, cpus: 8, isolated: CPUSet(4...7), settings: KernelSettings(housekeeping: [0]))
            let claim = TestKernel.claim("a", [1])
            try test.commit(claim)
            try test.enforcer.apply(
                test.ledger[claim.holder]?.enforcement?.steps[0] ?? EnforcementStep(action: "", undo: ""),
                of: claim.holder)
            for directory in ["/berth.slice", "/berth.slice/claims"] {
                test.files.poke("0-3", to: "\(directory)/cpuset.cpus")
            }
            #expect(throws: EnforcementError.self) { try test.apply(claim.holder) }
            try test.release("a")
            #expect(!test.files.hasCrashed && test.files.file("/berth.slice/cpuset.cpus") == "0,2-3\n")
        }
    }

    @Test("an invalid partition is an error with the kernel's reason, and what the claim had is undone", arguments: v2)
    func invalid(kernel: FakeCgroups.Kernel) throws {
        var test = TestKernel(kernel)
        try test.enforce(TestKernel.claim("a", [4, 5]))
        let claim = TestKernel.claim("b", [6, 7])
        try test.commit(claim)
        // Somebody takes the CPUs between the look and the write.
        test.files.addGroup("/other")
        let files = test.files
        let before = files.snapshot
        files.change { $0.failures = [:] }
        files.poke("7", to: "/other/cpuset.cpus")
        #expect(throws: EnforcementError("cgroup /other has CPUs 7 in its cpuset")) { try test.apply(claim.holder) }
        try test.release("b")
        try test.verify("a")
        files.poke("", to: "/other/cpuset.cpus")
        #expect(files.snapshot == before)
    }

    @Test("a neighbour that makes the partition invalid is found, and repaired once it has gone", arguments: v2)
    func neighbour(kernel: FakeCgroups.Kernel) throws {
        var test = TestKernel(kernel)
        test.files.addGroup("/other")
        let before = test.files.snapshot
        let claim = TestKernel.claim("a", [4, 5])
        try test.enforce(claim)
        test.files.poke("0-5", to: "/other/cpuset.cpus")
        let reason =
            kernel == .linux61 ? "root invalid (Cpu list in cpuset.cpus not exclusive)" : "root invalid"
        #expect(throws: EnforcementError("/sys/fs/cgroup/berth.slice/cpuset.cpus.partition: \(reason)")) {
            try test.verify("a")
        }
        #expect(throws: EnforcementError("cgroup /other has CPUs 4-5 in its cpuset")) { try test.apply(claim.holder) }
        test.files.poke("0-3", to: "/other/cpuset.cpus")
        #expect(throws: EnforcementError.self) { try test.verify("a") }
        // Linux 6.1 needs another word first; 6.12 does not take new CPUs into an invalid partition.
        try test.enforce(TestKernel.claim("b", [8, 9]))
        try test.verify("a")
        try test.apply(claim.holder)
        try test.release("a")
        try test.release("b")
        test.files.poke("", to: "/other/cpuset.cpus")
        #expect(test.files.snapshot == before)
    }

    @Test("CPUs that somebody gave the slice stay there after the last claim, and are no partition", arguments: v2)
    func givenCPUs(kernel: FakeCgroups.Kernel) throws {
        var test = TestKernel(kernel)
        try test.enforce(TestKernel.claim("a", [4, 5]))
        test.files.poke("4-5,9", to: "/berth.slice/cpuset.cpus")
        try test.release("a")
        #expect(test.files.file("/berth.slice/cpuset.cpus") == "9\n")
        #expect(test.files.file("/berth.slice/cpuset.cpus.partition") == "member\n")
        #expect(test.files.file("/cpuset.cpus.effective") == "0-15\n")
    }

    @Test("every step can be taken twice, undone twice, and undone though it never was taken", arguments: v2)
    func idempotent(kernel: FakeCgroups.Kernel) throws {
        for isolated in [CPUSet(), CPUSet(8...15)] {
            var test = TestKernel(kernel, isolated: isolated)
            test.files.addProcess(42, in: "/")
            try test.enforce(TestKernel.claim("a", [10, 11]))
            let claim = TestKernel.claim("b", [8, 9], process: 42, isBalanced: false)
            try test.commit(claim)
            let planned = try #require(test.ledger[claim.holder])
            let steps = planned.enforcement?.steps ?? []
            let before = test.files.snapshot
            for step in steps.reversed() { try test.enforcer.undo(step, of: claim.holder) }
            #expect(test.files.snapshot == before)
            for step in steps {
                try test.enforcer.apply(step, of: claim.holder)
                try test.enforcer.apply(step, of: claim.holder)
            }
            try test.enforcer.verify(planned)
            for step in steps.reversed() {
                try test.enforcer.undo(step, of: claim.holder)
                try test.enforcer.undo(step, of: claim.holder)
            }
            #expect(test.files.snapshot == before)
            try test.verify("a")
        }
    }
}
