import Kernel
import Ledger
import Machine
import TestSupport
import Testing

@Suite("Changes of enforced claims")
struct ChangeTests {
    private static func claim(_ machine: FaultTests.Machine) -> Claim {
        TestKernel.claim(
            "a", [8, 9, 10], process: 42, memoryNodes: machine.kernel == .v1 ? [] : [1],
            reservations: [PageReservation(node: 1, sizeKB: 2_048, count: 2)])
    }

    /// Gives up CPU 8, takes 11 and 12, frees the memory and doubles the pages.
    private static func edit(_ claim: inout Claim) {
        claim.grants = [Grant(cpus: [9, 10, 11, 12])]
        claim.memoryNodes = []
        claim.reservations = [PageReservation(node: 1, sizeKB: 2_048, count: 4)]
    }

    @Test(
        "a program moves to its new CPUs in its cgroup, and all comes back when it ends", arguments: FaultTests.machines
    )
    func moves(machine: FaultTests.Machine) throws {
        var test = try FaultTests.test(machine)
        let before = test.files.snapshot
        try test.enforce(Self.claim(machine))
        let group = test.ledger[Holder(kind: .run, name: "a")]?.cgroup?.path ?? ""
        try test.change("a", Self.edit)
        try test.verify("a")
        try test.verify("other")
        #expect(test.files.file("\(group)/cpuset.cpus") == "9-12\n")
        #expect(test.files.snapshot["process 42"] == group)
        if machine.kernel != .v1 {
            let root = test.files.file("/cpuset.cpus.effective")
            #expect(try CPUSet(list: root.dropLast()).isDisjoint(with: [9, 10, 11, 12]))
            #expect(try CPUSet(list: root.dropLast()).contains(8))
            // The kernel does not let the mask become empty again.
            #expect(test.files.file("\(group)/cpuset.mems.effective") == "0-1\n")
        }
        // Once more, by a claim that holds fewer.
        try test.change("a") { $0.grants = [Grant(cpus: [12])] }
        try test.verify("a")
        try test.release("a")
        #expect(test.files.snapshot == before)
    }

    @Test("whichever write of a change the kernel refuses, the claim stays what it was", arguments: FaultTests.machines)
    func refused(machine: FaultTests.Machine) throws {
        for hasEffect in [false, true] {
            var failed = 0
            for number in 1... {
                var test = try FaultTests.test(machine)
                let start = test.files.snapshot
                try test.enforce(Self.claim(machine))
                let before = (test.ledger, test.files.snapshot)
                let changes = test.files.changes
                test.files.change { $0.failures = [changes + number: hasEffect] }
                do throws(EnforcementError) { try test.change("a", Self.edit) } catch {
                    failed += 1
                    #expect(test.ledger == before.0)
                    let after = test.files.snapshot
                    #expect(after == before.1, "change \(number) with effect \(hasEffect): \(error)")
                    try test.verify("a")
                    try test.verify("other")
                }
                let isOver = test.files.changes < changes + number
                test.files.change { $0.failures = [:] }
                try test.release("a")
                let end = test.files.snapshot
                #expect(end == start, "change \(number) with effect \(hasEffect)")
                if isOver { break }
            }
            #expect(failed >= 2)
        }
    }

    @Test(
        "after a crash between any two writes of a change it can be undone by what was committed",
        arguments: FaultTests.machines)
    func crashed(machine: FaultTests.Machine) throws {
        for number in 1...100 {
            var test = try FaultTests.test(machine)
            try test.enforce(Self.claim(machine))
            let before = (test.ledger, test.files.snapshot)
            try test.commitChange("a", Self.edit)
            let changes = test.files.changes
            test.files.change {
                $0.failures = Dictionary(uniqueKeysWithValues: (number...number + 60).map { ($0 + changes, false) })
            }
            let isWhole = (try? test.applyChange("a")) != nil
            test.files.change { $0.failures = [:] }
            if isWhole { break }
            try test.undoChange("a")
            let after = test.files.snapshot
            #expect(test.ledger == before.0 && after == before.1, "crash at change \(number)")
            try test.verify("a")
        }
    }

    @Test(
        "a change that would endanger the machine, or ask for more than the claim has, is refused before anything is written"
    )
    func notPlanned() throws {
        var test = TestKernel(.linux612, cpus: 8)
        try test.enforce(TestKernel.claim("a", [4, 5]))
        try test.enforce(TestKernel.claim("b", [6], isBalanced: false))
        let changes = test.files.changes
        #expect(throws: EnforcementError.self) { try test.change("a") { $0.grants = [Grant(cpus: CPUSet(0...5))] } }
        #expect(throws: EnforcementError.self) { try test.change("a") { $0.grants = [] } }
        #expect(throws: EnforcementError.self) { try test.change("b") { $0.grants = [Grant(cpus: [7])] } }
        #expect(test.files.changes == changes)
        try test.verify("a")
    }
}
