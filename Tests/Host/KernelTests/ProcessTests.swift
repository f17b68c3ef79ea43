import Kernel
import Ledger
import Machine
import Testing

@Suite("Processes of claims")
struct ProcessTests {
    @Test("the process goes into the claim's cgroup, and back to where it was")
    func moved() throws {
        var test = TestKernel(.linux61)
        test.files.addGroup("/user.slice")
        test.files.addProcess(42, in: "/user.slice", threads: 3)
        try test.enforce(TestKernel.claim("a", [4, 5], process: 42))
        #expect(test.files.file("/berth.slice/claims/run-a/cgroup.procs") == "42\n")
        try test.release("a")
        #expect(test.files.file("/user.slice/cgroup.procs") == "42\n")
    }

    @Test("threads that had an affinity of their own have it again after the claim; the others have all CPUs")
    func affinityAfterwards() throws {
        for kernel in PartitionTests.v2 {
            var test = TestKernel(kernel)
            test.files.addProcess(42, in: "/", threads: 3)
            test.files.change { $0.processes[42]?.threads[43] = [0, 1] }
            // Those of other claims are not missing afterwards.
            try test.enforce(TestKernel.claim("b", [8]))
            try test.enforce(TestKernel.claim("a", [4, 5], process: 42))
            try test.release("a")
            try test.release("b")
            #expect(test.threads == [42: CPUSet(0...15), 43: [0, 1], 44: CPUSet(0...15)])
        }
    }

    @Test("the machine's first process, and the kernel's, are not moved", arguments: [1, 60])
    func notForClaims(id: Int) throws {
        var test = TestKernel()
        test.files.addProcess(id, in: "/")
        test.files.change { $0.processes[60]?.isKernelThread = true }
        #expect(throws: EnforcementError.self) { try test.enforce(TestKernel.claim("a", [4, 5], process: id)) }
        #expect(test.files.changes == 0)
    }

    @Test("a process id that was reused is never touched")
    func reused() throws {
        var test = TestKernel()
        test.files.addProcess(42, in: "/")
        let claim = TestKernel.claim("a", [4, 5], process: 42)
        test.files.change { $0.processes[42]?.start = 7 }
        #expect(throws: EnforcementError.self) { try test.enforce(claim) }
        test.files.change { $0.processes[42]?.start = 420 }
        #expect(test.files.changes == 0)
        var later = TestKernel()
        later.files.addProcess(42, in: "/")
        later.files.change { $0.boot = "boot-2" }
        later = TestKernel(later.files)
        #expect(throws: EnforcementError.self) { try later.enforce(claim) }
        #expect(later.files.changes == 0)
        try test.commit(claim)
        test.files.change { $0.processes[42]?.start = 7 }
        #expect(throws: EnforcementError("process 42 has ended")) { try test.apply(claim.holder) }
        try test.release("a")
        #expect(test.files.file("/cgroup.procs") == "42\n" && !test.files.log.contains { $0.contains("cgroup.procs") })
    }

    @Test(
        "children that are left when the claim ends go to where the process came from, and to the root where that is gone"
    )
    func leftovers() throws {
        for isGone in [false, true] {
            var test = TestKernel()
            test.files.addGroup("/user.slice")
            test.files.addProcess(42, in: "/user.slice")
            try test.enforce(TestKernel.claim("a", [4, 5], process: 42))
            test.files.addProcess(43, in: "/berth.slice/claims/run-a")
            test.files.change { state in
                // The holder made a cgroup of its own.
                state.groups["/berth.slice/claims/run-a/inner"] = FakeCgroups.Group()
                state.processes[43]?.cgroup = "/berth.slice/claims/run-a/inner"
                if isGone { state.groups["/user.slice"] = nil }
            }
            try test.release("a")
            #expect(test.files.file("\(isGone ? "" : "/user.slice")/cgroup.procs") == "42\n43\n")
            #expect(test.files.file("/berth.slice/cgroup.procs") == "absent")
        }
    }

    @Test("a process that somebody else moved away stays there when the claim ends, and is drift until then")
    func movedAway() throws {
        var test = TestKernel()
        test.files.addGroup("/user.slice")
        test.files.addGroup("/elsewhere")
        test.files.addProcess(42, in: "/user.slice")
        try test.enforce(TestKernel.claim("a", [4, 5], process: 42))
        test.files.poke("42", to: "/elsewhere/cgroup.procs")
        #expect(throws: EnforcementError("process 42 is in cgroup /elsewhere, not in /berth.slice/claims/run-a")) {
            try test.verify("a")
        }
        try test.release("a")
        #expect(test.files.file("/elsewhere/cgroup.procs") == "42\n")
    }

    @Test("a program whose first process has ended keeps its claim whole")
    func outlived() throws {
        var test = TestKernel()
        test.files.addProcess(42, in: "/")
        let claim = TestKernel.claim("a", [4, 5], process: 42)
        try test.enforce(claim)
        test.files.addProcess(43, in: "/berth.slice/claims/run-a")
        test.files.change { $0.processes[42] = nil }
        try test.verify("a")
        try test.apply(claim.holder)
        try test.release("a")
        #expect(test.files.file("/cgroup.procs") == "43\n")
    }

    @Test("a cgroup that has processes which no claim moved there is not taken over")
    func populated() throws {
        var test = TestKernel()
        test.files.addGroup("/berth.slice")
        test.files.addGroup("/berth.slice/claims")
        test.files.addGroup("/berth.slice/claims/run-a")
        test.files.addProcess(42, in: "/berth.slice/claims/run-a")
        #expect(throws: EnforcementError.self) { try test.enforce(TestKernel.claim("a", [4, 5])) }
        #expect(test.files.changes == 0)
    }
}
