import Kernel
import Ledger
import Machine
import Service
import TestSupport
import Testing

/// The affinities of programs that have no claim.
@Suite struct AffinityTests {
    private static let kernels = [FakeCgroups.Kernel.linux61, .linux612]

    /// What a thread may use.
    private func affinity(_ kernel: TestKernel, _ thread: Int) throws -> CPUSet {
        try kernel.files.affinity(of: thread)
    }

    private func pin(_ kernel: TestKernel, _ process: Int, _ cpus: CPUSet, isInherited: Bool = false) {
        kernel.files.change { state in
            for thread in state.processes[process]?.threads.keys ?? [:].keys {
                state.processes[process]?.threads[thread] = cpus
            }
            state.processes[process]?.isInherited = isInherited
        }
    }

    @Test(
        "programs that were given fewer CPUs keep them while claims come and go, but for claimed ones, and get all back",
        arguments: kernels)
    func others(_ version: FakeCgroups.Kernel) throws {
        var kernel = TestKernel(version)
        kernel.files.addGroup("/system.slice")
        kernel.files.addProcess(100, in: "/")
        kernel.files.addProcess(200, in: "/system.slice", threads: 3)
        kernel.files.addProcess(300, in: "/system.slice")
        kernel.files.addProcess(400, in: "/")
        pin(kernel, 100, [2, 3])
        pin(kernel, 200, CPUSet(0...5), isInherited: true)
        kernel.files.change { $0.processes[200]?.threads[202] = [4, 5] }
        pin(kernel, 400, [4])
        try kernel.enforce(TestKernel.claim("a", [4, 5]))
        #expect(try affinity(kernel, 100) == [2, 3])
        #expect(try affinity(kernel, 200) == CPUSet(0...3) && affinity(kernel, 201) == CPUSet(0...3))
        // Nothing of theirs is left: they run where their cgroups may.
        #expect(try affinity(kernel, 202).isDisjoint(with: [4, 5]) && affinity(kernel, 400).isDisjoint(with: [4, 5]))
        #expect(try affinity(kernel, 300) == CPUSet(0...15).subtracting([4, 5]))
        try kernel.enforce(TestKernel.claim("b", [2]))
        #expect(try affinity(kernel, 100) == [3] && affinity(kernel, 200) == [0, 1, 3])
        try kernel.release("a")
        #expect(try affinity(kernel, 100) == [3] && affinity(kernel, 400) == [4])
        #expect(try affinity(kernel, 200) == [0, 1, 3, 4, 5] && affinity(kernel, 202) == [4, 5])
        try kernel.release("b")
        #expect(try affinity(kernel, 100) == [2, 3] && affinity(kernel, 202) == [4, 5])
        #expect(try affinity(kernel, 200) == CPUSet(0...5) && affinity(kernel, 300) == CPUSet(0...15))
        #expect(kernel.affinities.load() == nil)
    }

    @Test("an affinity that is set anew during a claim stays", arguments: kernels)
    func changedMeanwhile(_ version: FakeCgroups.Kernel) throws {
        var kernel = TestKernel(version)
        kernel.files.addProcess(100, in: "/")
        pin(kernel, 100, CPUSet(2...5))
        try kernel.enforce(TestKernel.claim("a", [4, 5]))
        try kernel.files.setAffinity(100, [8, 9])
        try kernel.release("a")
        #expect(try affinity(kernel, 100) == [8, 9])
    }

    @Test("an affinity that a program sets in the middle of a change stays", arguments: kernels)
    func changedWithin(_ version: FakeCgroups.Kernel) throws {
        var kernel = TestKernel(version)
        kernel.files.addProcess(100, in: "/")
        pin(kernel, 100, CPUSet(2...5))
        kernel.files.change { $0.reactions[100] = [2] }
        try kernel.enforce(TestKernel.claim("a", [4, 5]))
        #expect(try affinity(kernel, 100) == [2])
        try kernel.release("a")
        #expect(try affinity(kernel, 100) == [2])
    }

    @Test("what a program starts during a claim gets what the program was given", arguments: kernels)
    func children(_ version: FakeCgroups.Kernel) throws {
        var kernel = TestKernel(version)
        kernel.files.addProcess(100, in: "/")
        pin(kernel, 100, CPUSet(2...5))
        try kernel.enforce(TestKernel.claim("a", [4, 5]))
        kernel.files.addProcess(110, in: "/")
        kernel.files.change { $0.processes[110]?.parent = 100 }
        pin(kernel, 110, [2, 3], isInherited: true)
        try kernel.release("a")
        #expect(try affinity(kernel, 100) == CPUSet(2...5) && affinity(kernel, 110) == CPUSet(2...5))
    }

    @Test(
        "threads whose affinities are alike while there are claims each have their own afterwards", arguments: kernels)
    func alike(_ version: FakeCgroups.Kernel) throws {
        var kernel = TestKernel(version)
        kernel.files.addProcess(100, in: "/", threads: 2)
        kernel.files.addProcess(110, in: "/")
        kernel.files.addProcess(120, in: "/")
        pin(kernel, 100, CPUSet(8...15))
        kernel.files.change { state in
            state.processes[100]?.threads[101] = [8]
            state.processes[110]?.parent = 100
        }
        pin(kernel, 110, [8])
        // All that is left in the end.
        pin(kernel, 120, [0, 1, 8], isInherited: true)
        try kernel.enforce(TestKernel.claim("a", CPUSet(9...15)))
        try kernel.enforce(TestKernel.claim("b", CPUSet(2...7)))
        try kernel.release("a")
        try kernel.release("b")
        #expect(try affinity(kernel, 100) == CPUSet(8...15) && affinity(kernel, 101) == [8])
        #expect(try affinity(kernel, 110) == [8] && affinity(kernel, 120) == [0, 1, 8])
    }

    @Test("a CPU that is offline while claims come and go is in the affinity again when it is back", arguments: kernels)
    func offline(_ version: FakeCgroups.Kernel) throws {
        var kernel = TestKernel(version)
        kernel.files.addProcess(100, in: "/")
        pin(kernel, 100, [4, 6])
        try kernel.enforce(TestKernel.claim("a", [4, 5]))
        kernel.files.change { $0.online = CPUSet(0...15).subtracting([4]) }
        try kernel.enforce(TestKernel.claim("b", [12, 13]))
        try kernel.release("b")
        kernel.files.change { $0.online = CPUSet(0...15) }
        try kernel.release("a")
        #expect(try affinity(kernel, 100) == [4, 6])
    }

    @Test("after a crash in the middle of a change affinities come back with the next change", arguments: kernels)
    func crash(_ version: FakeCgroups.Kernel) throws {
        for stopped in 1...40 {
            let files = FakeCgroups(version)
            let store = MortalStore(files, stopped)
            var kernel = TestKernel(files, affinities: store)
            kernel.files.addProcess(100, in: "/")
            kernel.files.addProcess(200, in: "/")
            pin(kernel, 100, CPUSet(2...5), isInherited: true)
            pin(kernel, 200, [8, 9])
            try kernel.commit(TestKernel.claim("a", [4, 5]))
            // From here on nothing has an effect.
            kernel.files.change { state in for change in stopped...200 { state.failures[change] = false } }
            let isDone = (try? kernel.apply(Holder(kind: .run, name: "a"))) != nil
            kernel.files.change { $0.failures = [:] }
            kernel = TestKernel(files, ledger: kernel.ledger, affinities: store.afterCrash)
            try kernel.release("a")
            #expect(
                try affinity(kernel, 100) == CPUSet(2...5) && affinity(kernel, 200) == [8, 9], "stopped at \(stopped)")
            if isDone { return }
        }
        Issue.record("the claim was never enforced")
    }

    @Test(
        "a kernel thread that the kernel lets onto a claim's CPUs is taken off, and gets them back", arguments: kernels)
    func kernelThreads(_ version: FakeCgroups.Kernel) throws {
        var kernel = TestKernel(version)
        kernel.files.addProcess(60, in: "/")
        kernel.files.addProcess(61, in: "/")
        kernel.files.change { state in
            state.processes[60]?.isKernelThread = true
            state.processes[61]?.isKernelThread = true
        }
        pin(kernel, 60, CPUSet(0...7), isInherited: true)
        let claim = TestKernel.claim("a", [4, 5])
        try kernel.enforce(claim)
        #expect(try affinity(kernel, 60) == [0, 1, 2, 3, 6, 7])
        // As when a CPU comes back; a second one has only claimed CPUs and stays.
        kernel.files.change { state in
            for (thread, cpus) in [(60, CPUSet(0...7)), (61, CPUSet([4]))] {
                state.processes[thread]?.threads[thread] = cpus
                state.processes[thread]?.ignoresGroup = true
            }
        }
        kernel.settle()
        #expect(try affinity(kernel, 60) == [0, 1, 2, 3, 6, 7] && affinity(kernel, 61) == [4])
        try kernel.release("a")
        #expect(try affinity(kernel, 60) == CPUSet(0...7))
    }

    @Test("what a claim leaves behind does not run on the CPUs of other claims", arguments: kernels)
    func leftBehind(_ version: FakeCgroups.Kernel) throws {
        var kernel = TestKernel(version)
        kernel.files.addProcess(100, in: "/")
        kernel.files.addProcess(200, in: "/")
        pin(kernel, 200, [2, 3, 4])
        try kernel.enforce(TestKernel.claim("a", [4, 5]))
        try kernel.enforce(TestKernel.claim("b", [6, 7], process: 100))
        try kernel.enforce(TestKernel.claim("c", [3], process: 200))
        try kernel.release("b")
        #expect(
            try affinity(kernel, 100).isDisjoint(with: [3, 4, 5]) && CPUSet([6, 7]).isSubset(of: affinity(kernel, 100)))
        try kernel.release("c")
        #expect(try affinity(kernel, 200) == [2, 3])
        try kernel.release("a")
        #expect(try affinity(kernel, 200) == [2, 3, 4])
        #expect(try affinity(kernel, 100) == CPUSet(0...15))
    }

    @Test("where affinities cannot be stored nothing is changed, and what was done is undone all the same")
    func fullDisk() throws {
        let store = FullStore()
        var kernel = TestKernel(FakeCgroups(.linux61), affinities: store)
        kernel.files.addProcess(100, in: "/")
        pin(kernel, 100, [2, 3])
        let before = kernel.files.snapshot
        #expect(throws: EnforcementError("cannot write /x/affinities: No space left on device")) {
            try kernel.enforce(TestKernel.claim("a", [4, 5]))
        }
        #expect(kernel.files.snapshot == before)
        #expect(try affinity(kernel, 100) == [2, 3])
    }

    @Test("the file keeps a record, and is gone where there is none; what is no record is none")
    func file() throws {
        let directory = try TemporaryDirectory()
        let file = AffinityFile(stateDirectory: directory.path)
        #expect(file.load() == nil)
        var record = AffinityRecord(bootID: "b-1")
        record.isChanging = true
        record.affinities = [
            AffinityRecord.Thread(id: 7, startTime: 70): CPUSet(0...3), AffinityRecord.Thread(id: 8, startTime: 0): [9],
        ]
        try file.save(record)
        #expect(AffinityFile(stateDirectory: directory.path).load() == record)
        record.isChanging = false
        try file.save(record)
        #expect(AffinityFile(stateDirectory: directory.path).load() == record)
        try file.save(nil)
        #expect(AffinityFile(stateDirectory: directory.path).load() == nil)
        try file.save(nil)
        for text in ["", "boot", "boot b\n0-3", "boot b\nx 1@2\n", "boot b\n0-3 1\n", "boot b\n0-3 0@1\n"] {
            #expect(AffinityRecord(text: text)?.affinities.isEmpty ?? true, "\(text)")
        }
    }
}

/// A store that cannot store.
private struct FullStore: AffinityStore {
    func load() -> AffinityRecord? { nil }
    func save(_ record: AffinityRecord?) throws(SystemError) {
        if record != nil { throw SystemError("write /x/affinities", errno: 28) }
    }
}

/// A store whose program ends before a change of the kernel's: what it stores afterwards is never stored.
private final class MortalStore: AffinityStore {
    private let memory = AffinityMemory()
    private let files: FakeCgroups
    private let end: Int

    init(_ files: FakeCgroups, _ end: Int) { (self.files, self.end) = (files, end) }

    func load() -> AffinityRecord? { memory.load() }
    func save(_ record: AffinityRecord?) { if files.changes < end { memory.save(record) } }

    /// What the next program finds.
    var afterCrash: AffinityMemory {
        let copy = AffinityMemory()
        copy.save(memory.load().flatMap { AffinityRecord(text: $0.text) })
        return copy
    }
}
