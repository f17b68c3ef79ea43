import Glibc
import Kernel
import Ledger
import Machine
import TestSupport
import Testing

/// Interrupts and workqueues that leave CPUs, and come back.
@Suite struct MaskShiftTests {
    private static let newInterrupts = "/proc/irq/default_smp_affinity"
    private static let workqueues = "/sys/devices/virtual/workqueue/cpumask"

    private static func path(_ irq: Int) -> String { "/proc/irq/\(irq)/smp_affinity_list" }

    /// A machine of eight CPUs.
    private static func machine(_ masks: [Int: String]) -> MapFiles {
        let files = MapFiles([
            newInterrupts: "ff\n", workqueues: "ff\n", "/sys/devices/system/cpu/online": "0-7\n",
            "/proc/irq/24/node": "0\n",
        ])
        for (irq, mask) in masks { files[path(irq)] = mask + "\n" }
        return files
    }

    private func mask(_ files: MapFiles, _ irq: Int) -> String? { files[Self.path(irq)]?.trimmed }

    @Test("the text of a shift reads back as the same shift, and no other text is one")
    func text() throws {
        for text in [
            "irq 25 -4-7", "irq 24-26,30 -4-5,8 +0", "new-irqs -4-7", "workqueues -4-7 +0-1", "irq 24-25 -4095 +0",
        ] {
            #expect(MaskShift(text: text)?.text == text)
        }
        for text in [
            "", "irq", "irq 25", "irq 25 4", "irq 25 +4", "irq 25 -", "irq 25 -4 +", "irq 25 -4 +0 +1", "irq 25 -4 -5",
            "irq  25 -4", "irq 25 -4 ", "irq -1 -4", "irq 26,25 -4", "irq 25,25 -4", "irq 27-26 -4",
            "irq 0-99999999 -4",
            "irq 99999999999999999999 -4", "irq x -4", "irq 25 -x", "irq 25 -4 +4", "irq 25 -99999999", "irqs 25 -4",
            "irq , -4", "workqueues 3 -4",
        ] {
            #expect(MaskShift(text: text) == nil, "\(text)")
        }
    }

    @Test("interrupts with the same difference are one shift; those elsewhere and those without a mask are left out")
    func plan() {
        let files = Self.machine([24: "0-7", 25: "0-7", 26: "4", 27: "0-3", 28: "4-5,9"])
        files["/proc/irq/29/node"] = "0"
        let shifts = MaskShift.plan(off: [4, 5], housekeeping: [0, 1], files: files)
        // The only other CPU of interrupt 28 is not online.
        #expect(
            shifts.map(\.text) == [
                "new-irqs -4-5", "irq 24-25 -4-5", "irq 26 -4 +0-1", "irq 28 -4-5 +0-1", "workqueues -4-5",
            ])
        #expect(files.writes.isEmpty)
        #expect(MaskShift.plan(off: [4], housekeeping: [0], files: MapFiles()).isEmpty)
    }

    @Test("a shift is applied as often as one likes, and its undo returns every mask to what it was")
    func applyAndUndo() throws {
        let masks = [24: "0-7", 25: "4-5", 26: "5,7", 27: "0-3"]
        let files = Self.machine(masks)
        let shifts = MaskShift.plan(off: [4, 5], housekeeping: [0], files: files)
        for _ in 0..<2 {
            for shift in shifts { try shift.apply(files) }
            #expect((24...27).map { mask(files, $0) } == ["0-3,6-7", "0", "7", "0-3"])
            #expect(files[Self.newInterrupts]?.trimmed == "cf" && files[Self.workqueues]?.trimmed == "cf")
        }
        #expect(files.writes.count == 5)
        for _ in 0..<2 {
            for shift in shifts.reversed() { try shift.undo(files) }
            #expect((24...27).map { mask(files, $0) } == ["0-7", "4-5", "5,7", "0-3"])
            #expect(files[Self.newInterrupts]?.trimmed == "ff" && files[Self.workqueues]?.trimmed == "ff")
        }
        #expect(files.writes.count == 10)
    }

    @Test("masks of more than 32 CPUs are written in words")
    func words() throws {
        let files = Self.machine([:])
        files[Self.newInterrupts] = "ff,ffffffff,ffffffff\n"
        let shift = try #require(MaskShift(.newInterrupts, removed: CPUSet(4...31).union(CPUSet(64...71))))
        try shift.apply(files)
        #expect(files[Self.newInterrupts] == "ffffffff,0000000f\n")
        try shift.undo(files)
        #expect(files[Self.newInterrupts] == "ff,ffffffff,ffffffff\n")
    }

    @Test("a mask that somebody else changed stays as it is")
    func foreignChanges() throws {
        // A removed CPU is back; the added one is gone; nothing was ever applied.
        for (before, after) in [("4-5", "4"), ("4-5", "2"), ("0-7", "0-7"), ("4-5", "0,5")] {
            let files = Self.machine([25: before])
            let shifts = MaskShift.plan(off: [4, 5], housekeeping: [0], files: files)
            for shift in shifts { try shift.apply(files) }
            files[Self.path(25)] = after + "\n"
            for shift in shifts { try shift.undo(files) }
            #expect(mask(files, 25) == after)
        }
    }

    @Test("what else came into a mask meanwhile stays in it")
    func foreignAdditions() throws {
        let files = Self.machine([25: "4-5"])
        let shift = try #require(MaskShift(text: "irq 25 -4-5 +0"))
        try shift.apply(files)
        files[Self.path(25)] = "0,2\n"
        try shift.undo(files)
        #expect(mask(files, 25) == "2,4-5")
    }

    @Test(
        "interrupts that the kernel manages, and gone ones, are no error; a refusal of another is",
        arguments: [EIO, EPERM, EACCES])
    func managed(_ error: Int32) throws {
        let files = Self.machine([24: "4", 25: "4-5", 26: "4-5"])
        let shifts = MaskShift.plan(off: [4], housekeeping: [0], files: files)
        files.refuse(Self.path(25), errno: error)
        files[Self.path(24)] = nil
        for shift in shifts { try shift.apply(files) }
        #expect((24...26).map { mask(files, $0) } == [nil, "4-5", "5"])
        for shift in shifts { try shift.undo(files) }
        #expect((24...26).map { mask(files, $0) } == [nil, "4-5", "4-5"])

        // The others are moved all the same.
        files.refuse(Self.path(25), errno: ERANGE)
        let shift = try #require(MaskShift(text: "irq 25-26 -4"))
        let refusal = #expect(throws: EnforcementError.self) { try shift.apply(files) }
        #expect(
            refusal?.description
                == "cannot write /proc/irq/25/smp_affinity_list: Numerical result out of range, writing 5")
        #expect(mask(files, 26) == "5")
        files.refuse(Self.newInterrupts, errno: EPERM)
        let others = try #require(MaskShift(text: "new-irqs -4"))
        #expect(throws: EnforcementError.self) { try others.apply(files) }
    }

    @Test(
        "a mask to which a driver gave the CPUs back is a difference that applying mends; a managed interrupt is none")
    func verify() throws {
        let files = Self.machine([24: "0-7", 25: "4-5"])
        files.refuse(Self.path(25), errno: EPERM)
        let shifts = MaskShift.plan(off: [4], housekeeping: [0], files: files)
        for shift in shifts { try shift.apply(files) }
        for shift in shifts { try shift.verify(files) }
        for (path, mask) in [(Self.path(24), "0-7"), (Self.newInterrupts, "ff"), (Self.workqueues, "ff")] {
            files[path] = mask + "\n"
            let error = #expect(throws: EnforcementError.self) { for shift in shifts { try shift.verify(files) } }
            #expect(error?.description == "\(path) has CPUs 4, which only the claim may use")
            for shift in shifts { try shift.apply(files) }
            for shift in shifts { try shift.verify(files) }
        }
    }

    @Test("an interrupt that cannot be moved is no difference when claims are read back, alone or together")
    func readBack() throws {
        let files = Self.machine([24: "0-7", 25: "4-5"])
        files.refuse(Self.path(25), errno: EIO)
        let shifts = MaskShift.plan(off: [4], housekeeping: [0], files: files)
        for shift in shifts { try shift.apply(files) }
        var claim = TestKernel.claim("a", [4])
        claim.enforcement?.isolation = .affinity
        claim.enforcement?.steps = shifts.map { EnforcementStep(action: $0.text, undo: "nothing") }
        #expect(claim.enforcement?.steps.isEmpty == false)
        let enforcer = KernelEnforcer(files: files)
        try enforcer.verify(claim)
        #expect(enforcer.differences(of: [claim]).isEmpty)
        files[Self.path(24)] = "0-7\n"
        #expect(enforcer.differences(of: [claim]).count == 1)
    }

    @Test("a mask is never emptied: where the plan is too old for it, that is an error")
    func stalePlan() throws {
        let files = Self.machine([25: "4-5"])
        let shift = try #require(MaskShift(text: "irq 25 -4"))
        files[Self.path(25)] = "4\n"
        let error = #expect(throws: EnforcementError.self) { try shift.apply(files) }
        #expect(error?.description.contains("no other CPU than 4") == true)
        #expect(mask(files, 25) == "4")
        // Interrupts that somebody sends to a claimed CPU alone go to the housekeeping CPUs.
        try shift.apply(files, housekeeping: [0, 1])
        #expect(mask(files, 25) == "0-1")
    }

    @Test("a mask with other CPUs loses the claim's also where nobody can tell the housekeeping CPUs")
    func unknownHousekeeping() throws {
        let files = Self.machine([25: "4-5"])
        let shift = try #require(MaskShift(text: "irq 25 -4"))
        func unknown() throws(EnforcementError) -> CPUSet { throw EnforcementError("unreadable") }
        try shift.apply(files, housekeeping: try unknown())
        #expect(mask(files, 25) == "5")
        files[Self.path(25)] = "4\n"
        #expect(throws: EnforcementError("unreadable")) { try shift.apply(files, housekeeping: try unknown()) }
    }

    @Test("where the CPUs to be given back are offline, those that came in their place stay too")
    func offline() throws {
        let files = Self.machine([25: "4"])
        let shifts = MaskShift.plan(off: [4], housekeeping: [0], files: files)
        let shift = try #require(shifts.first { $0.target == .interrupts([25]) })
        try shift.apply(files)
        files["/sys/devices/system/cpu/online"] = "0-3,5-7\n"
        try shift.undo(files)
        #expect(mask(files, 25) == "0,4")
        try shift.undo(files)
        #expect(mask(files, 25) == "0,4")
    }

    @Test("the shifts of two claims, applied and undone in any order, return every mask to what it was")
    func twoClaims() throws {
        for seed in UInt64(1)...400 {
            var random = SeededRandom(seed: seed)
            var masks: [Int: String] = [:]
            for irq in 24..<34 {
                let cpus = CPUSet((0..<8).filter { _ in random.next() % 3 == 0 })
                masks[irq] = cpus.isEmpty ? "\(random.next() % 8)" : cpus.list
            }
            let files = Self.machine(masks)
            let before = files.all
            // Two claims of different CPUs; CPU 0 stays for housekeeping.
            var offs = [CPUSet(), CPUSet()]
            for cpu in 1..<8 where random.next() % 4 != 0 { offs[Int(random.next() % 2)].insert(cpu) }
            var plans: [[MaskShift]] = [[], []]
            // Both are planned before either is applied, or each when its turn comes.
            let isPlannedFirst = random.next() % 2 == 0
            if isPlannedFirst {
                plans[0] = MaskShift.plan(off: offs[0], housekeeping: [0], files: files)
                plans[1] = MaskShift.plan(off: offs[1], others: offs[0], housekeeping: [0], files: files)
            }
            var active: Set<Int> = []
            func apply(_ claim: Int) throws {
                if !isPlannedFirst, !active.contains(claim) {
                    let others = active.contains(1 - claim) ? offs[1 - claim] : CPUSet()
                    plans[claim] = MaskShift.plan(off: offs[claim], others: others, housekeeping: [0], files: files)
                }
                for shift in plans[claim] { try shift.apply(files) }
                active.insert(claim)
            }
            func undo(_ claim: Int) throws {
                for shift in plans[claim].reversed() { try shift.undo(files) }
                active.remove(claim)
            }
            do {
                try apply(0)
                if random.next() % 4 == 0 { try undo(0) } else if random.next() % 2 == 0 { try apply(0) }
                try apply(1)
                if active.contains(0), random.next() % 2 == 0 { try apply(0) }
                for irq in 24..<34 {
                    let mask = try CPUSet(list: mask(files, irq) ?? "0-7")
                    for claim in active { #expect(mask.isDisjoint(with: offs[claim]), "seed \(seed)") }
                }
                let first = Int(random.next() % 2)
                for claim in [first, 1 - first, first] { try undo(claim) }
            } catch { Issue.record("seed \(seed): \(error)") }
            let after = files.all
            for (path, mask) in before { #expect(after[path]?.trimmed == mask.trimmed, "seed \(seed), \(path)") }
        }
    }
}

extension String {
    /// Without the line's end.
    var trimmed: String { String(prefix { $0 != "\n" }) }
}
