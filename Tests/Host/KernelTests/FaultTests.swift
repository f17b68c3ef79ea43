import Kernel
import Ledger
import Machine
import TestSupport
import Testing

@Suite("Refused writes")
struct FaultTests {
    /// A kernel of one kind.
    struct Machine: CustomTestStringConvertible, Sendable {
        let kernel: FakeCgroups.Kernel
        let isolated: CPUSet
        var testDescription: String { "\(kernel), isolcpus \(isolated.isEmpty ? "none" : isolated.list)" }
    }

    static let machines =
        FakeCgroups.Kernel.allCases.map { Machine(kernel: $0, isolated: []) } + [
            Machine(kernel: .linux61, isolated: CPUSet(4...15)), Machine(kernel: .linux612, isolated: CPUSet(4...15)),
        ]

    /// Somebody else's shared claim, and process 42 with two threads in `/user`.
    static func test(_ machine: Machine) throws -> TestKernel {
        var test = TestKernel(machine.kernel, isolated: machine.isolated)
        if machine.kernel == .v1 {
            test.files.change { $0.groups["/user"] = FakeCgroups.Group(cpus: CPUSet(0...15), mems: [0, 1]) }
        } else {
            test.files.addGroup("/user")
        }
        test.files.addProcess(42, in: "/user", threads: 2)
        try test.enforce(TestKernel.claim("other", [6, 7], exclusive: []))
        return test
    }

    private static func claim(_ machine: Machine) -> Claim {
        TestKernel.claim(
            "a", [7, 8, 10], exclusive: [], process: 42, isBalanced: true,
            memoryNodes: machine.kernel == .v1 ? [] : [1],
            reservations: [PageReservation(node: 1, sizeKB: 2_048, count: 2)])
    }

    private static func unbalanced() -> Claim { TestKernel.claim("a", [8, 10], process: 42, isBalanced: false) }

    @Test(
        "whichever write the kernel refuses, the earlier ones are undone and nobody else notices", arguments: machines)
    func refused(machine: Machine) throws {
        for claim in [Self.claim(machine)] + (machine.kernel == .v1 ? [] : [Self.unbalanced()]) {
            for hasEffect in [false, true] {
                var failed = 0
                for number in 1... {
                    var test = try Self.test(machine)
                    let before = test.files.snapshot
                    let changes = test.files.changes
                    test.files.change { $0.failures = [changes + number: hasEffect] }
                    do throws(EnforcementError) { try test.enforce(claim) } catch {
                        failed += 1
                        #expect(error.description.contains("Input/output error"), "change \(number): \(error)")
                        #expect(test.ledger.count == 1, "change \(number): \(error)")
                        let after = test.files.snapshot
                        #expect(after == before, "change \(number) with effect \(hasEffect): \(error)")
                        try test.verify("other")
                        #expect(!test.files.hasCrashed)
                        continue
                    }
                    // A refused write that had its effect may not be noticed, or be made good.
                    if test.files.changes < changes + number { break }
                }
                #expect(failed >= 4)
            }
        }
    }

    @Test("an undo that the kernel refuses is finished by the next one", arguments: machines)
    func refusedUndo(machine: Machine) throws {
        for claim in [Self.claim(machine)] + (machine.kernel == .v1 ? [] : [Self.unbalanced()]) {
            for hasEffect in [false, true] {
                for number in 1... {
                    var test = try Self.test(machine)
                    let before = test.files.snapshot
                    try test.enforce(claim)
                    let changes = test.files.changes
                    test.files.change { $0.failures = [changes + number: hasEffect] }
                    do throws(EnforcementError) { try test.release("a") } catch { try test.release("a") }
                    let after = test.files.snapshot
                    #expect(after == before, "change \(number) with effect \(hasEffect)")
                    try test.verify("other")
                    if test.files.changes < changes + number { break }
                }
            }
        }
    }

    @Test("after a crash between any two writes the steps can be undone by what was committed", arguments: machines)
    func crashed(machine: Machine) throws {
        for claim in [Self.claim(machine)] + (machine.kernel == .v1 ? [] : [Self.unbalanced()]) {
            for number in 1... {
                var test = try Self.test(machine)
                let before = test.files.snapshot
                try test.commit(claim)
                let changes = test.files.changes
                // From here on nothing has an effect: the program is gone.
                test.files.change {
                    $0.failures = Dictionary(uniqueKeysWithValues: (number...number + 60).map { ($0 + changes, false) })
                }
                let isWhole = (try? test.apply(claim.holder)) != nil
                test.files.change { $0.failures = [:] }
                try test.release("a")
                let after = test.files.snapshot
                #expect(after == before, "crash at change \(number)")
                try test.verify("other")
                if isWhole { break }
            }
        }
    }

    @Test(
        "random claims, failures and foreign writers: all is as before when the last claim has ended",
        arguments: machines)
    func random(machine: Machine) throws {
        for seed in 0..<15 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var test = TestKernel(machine.kernel, isolated: machine.isolated)
            if machine.kernel == .v1 {
                test.files.change { $0.groups["/user"] = FakeCgroups.Group(cpus: CPUSet(0...15), mems: [0, 1]) }
            } else {
                test.files.addGroup("/user")
            }
            // Cgroups that were there before Berth stay.
            if seed % 2 == 1 && machine.kernel != .v1 {
                for path in ["/berth.slice", "/berth.slice/claims"] { test.files.addGroup(path) }
            }
            for id in 100..<110 { test.files.addProcess(id, in: id % 2 == 0 ? "/" : "/user") }
            let before = test.files.snapshot
            for step in 0..<40 {
                if Int.random(in: 0..<3, using: &random) == 0 {
                    let now = test.files.changes
                    let number = now + Int.random(in: 1...12, using: &random)
                    let hasEffect = Bool.random(using: &random)
                    test.files.change { $0.failures = [number: hasEffect] }
                }
                let name = "n\(Int.random(in: 0..<6, using: &random))"
                if let claim = test.ledger[Holder(kind: .run, name: name)] {
                    if claim.predecessor == .none, Bool.random(using: &random) {
                        let other = Self.randomClaim(name, &random)
                        try? test.change(name) { $0.grants = other.grants }
                    } else {
                        try? test.release(name)
                    }
                } else {
                    _ = try? test.enforce(Self.randomClaim(name, &random))
                }
                if machine.kernel != .v1, Int.random(in: 0..<6, using: &random) == 0 {
                    let first = Int.random(in: 0..<16, using: &random)
                    test.files.poke(
                        ["\(first)-15", "\(first)", ""].randomElement(using: &random) ?? "", to: "/user/cpuset.cpus")
                }
                // Somebody undoes our work.
                switch Int.random(in: 0..<12, using: &random) {
                case 0: test.files.poke("member", to: "/berth.slice/cpuset.cpus.partition")
                case 1: test.files.poke("member", to: "/berth.slice/claims/cpuset.cpus.partition")
                case 2: test.files.poke("0-1", to: "/berth.slice/claims/run-\(name)/cpuset.cpus")
                case 3: test.files.poke("member", to: "/berth.slice/run-\(name)/cpuset.cpus.partition")
                case 4: test.files.poke("\(100 + step % 10)", to: "/cgroup.procs")
                default: break
                }
                #expect(!test.files.hasCrashed, "seed \(seed), step \(step)")
            }
            test.files.change { $0.failures = [:] }
            if machine.kernel != .v1 { test.files.poke("", to: "/user/cpuset.cpus") }
            for holder in test.ledger.holders { try test.release(holder.name) }
            let after = test.files.snapshot
            for key in Set(before.keys).union(after.keys) where !key.hasPrefix("process") && key != "/user" {
                #expect(after[key] == before[key], "seed \(seed): \(key)")
            }
            for id in 100..<110 {
                // A failed way back leads to the root.
                #expect(
                    after["process \(id)"] == before["process \(id)"] || after["process \(id)"] == "/", "seed \(seed)")
            }
            #expect(test.ledger.count == 0)
        }
    }

    private static func randomClaim(_ name: String, _ random: inout SeededRandom) -> Claim {
        let first = Int.random(in: 0..<16, using: &random)
        let cpus = CPUSet(first...min(first + Int.random(in: 0..<4, using: &random), 15))
        let isShared = Int.random(in: 0..<4, using: &random) == 0
        return TestKernel.claim(
            name, cpus, exclusive: isShared ? CPUSet() : nil,
            process: Bool.random(using: &random) ? Int.random(in: 100..<110, using: &random) : nil,
            isBalanced: Int.random(in: 0..<3, using: &random) > 0)
    }
}
