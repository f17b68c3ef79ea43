import Ledger
import Machine
import TestSupport

/// Random claims of all kinds of holders that obey the ledger's rules together.
struct RandomLedger {
    var random: SeededRandom
    /// The CPUs that nobody has yet.
    private var free = Array(0..<200)
    private let shared = Array(300..<320)

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        free.shuffle(using: &random)
    }

    private static let names = [
        "", " ", "a", "a:b", "service:a", "é", "e\u{301}", "漢字", "\u{1F600}", "\u{FB00}", "x\ny", "\u{0}", "\"\\/",
        "\u{2028}", "\u{7F}", "long " + String(repeating: "n", count: 300),
    ]

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func take(_ count: Int) -> CPUSet {
        let taken = free.suffix(count)
        free.removeLast(taken.count)
        return CPUSet(taken)
    }

    mutating func holder() -> Holder {
        Holder(
            kind: Holder.Kind.allCases.randomElement(using: &random) ?? .service,
            name: Self.names.randomElement(using: &random) ?? "")
    }

    private mutating func owner() -> Owner {
        if chance(30) { return .administrators }
        let uid = ([0, 1000, .max] as [UInt32]).randomElement(using: &random) ?? 0
        return .user(uid: uid, label: chance(30) ? Self.names.randomElement(using: &random) : nil)
    }

    private mutating func grant(_ label: String) -> Grant? {
        let level = [Exclusiveness.none, .cpu, .core, .socket, .numa].randomElement(using: &random) ?? .cpu
        let (isExplicit, isProtected) = (chance(50), chance(20))
        if chance(20) {
            let cpus = CPUSet(shared.shuffled(using: &random).prefix(3))
            return Grant(
                cpus: cpus, exclusive: [], level: level, isExplicit: isExplicit, isProtected: isProtected, label: label)
        }
        let cpus = take(Int.random(in: 1...5, using: &random))
        guard !cpus.isEmpty else { return nil }
        let exclusive = cpus.union(chance(30) ? take(3) : [])
        return Grant(
            cpus: cpus, exclusive: exclusive, level: level, isExplicit: isExplicit, isProtected: isProtected,
            label: label)
    }

    private mutating func lease() -> Lease {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: .until([0, -1, 1_795_218_831_691, Int.max].randomElement(using: &random) ?? 0)
        case 1: .process(ProcessIdentity(id: 7, startTime: Int.random(in: 0...Int.max, using: &random), bootID: "b-1"))
        default: .cgroup(path: Self.names.randomElement(using: &random) ?? "", bootID: "b-2")
        }
    }

    private mutating func enforcement() -> Enforcement {
        let phase = [Enforcement.Phase.preparing, .active, .releasing].randomElement(using: &random) ?? .active
        let steps = (0..<Int.random(in: 0...2, using: &random)).map {
            EnforcementStep(action: "do \($0)", undo: "é\($0)")
        }
        let process = ProcessIdentity(id: 7, startTime: 3, bootID: "b-1")
        let container = PodReference.Container(name: "c", id: "cri-o://" + String(repeating: "0f", count: 32))
        let pod = container.flatMap { PodReference(uid: String(repeating: "0f", count: 16), containers: [$0]) }
        var enforcement = Enforcement(
            EnforcementRequest(
                minimum: Isolation.allCases.randomElement(using: &random) ?? .none, isBalanced: chance(50),
                process: chance(50) ? process : nil, pod: chance(50) ? pod : nil),
            phase: phase, id: Int.random(in: 0...Int.max, using: &random),
            isolation: Isolation.allCases.randomElement(using: &random) ?? .none, steps: steps,
            failure: chance(50) ? "why\n" : nil)
        if let container, chance(50) {
            enforcement.containers = [ContainerState(container, cgroup: chance(50) ? "/a b" : nil, .missing)]
        }
        return enforcement
    }

    /// Leaves these CPUs to those who hold them.
    mutating func avoid(_ held: CPUSet) { free.removeAll { held.contains($0) } }

    /// A claim of `holder` that nothing contradicts.
    mutating func claim(_ holder: Holder) -> Claim {
        var claim = Claim(holder: holder, owner: owner())
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let label = chance(30) ? Self.names.randomElement(using: &random) ?? "" : ""
            if let grant = grant(label) { claim.grants.append(grant) }
        }
        if chance(20), !claim.grants.isEmpty { claim.pool = Pool.general }
        for node in [0, 1, 255] where chance(25) {
            claim.reservations.append(
                .init(
                    node: node, sizeKB: [4, 2048, 1 << 20].randomElement(using: &random) ?? 4,
                    count: chance(10) ? PageReservation.maximumCount : Int.random(in: 1...999, using: &random)))
        }
        if chance(30) || claim.isEmpty { claim.memoryNodes = [0, 3].shuffled(using: &random) }
        if chance(20) { claim.lease = lease() }
        if chance(10) {
            claim.enforcement = enforcement()
            if claim.enforcement?.phase == .preparing, chance(50) {
                var before = Claim(holder: holder, owner: claim.owner, grants: [grant("")].compactMap(\.self))
                before.memoryNodes = [1]
                before.enforcement = enforcement()
                claim.predecessor = .claim(before)
                claim.enforcement?.nextSteps = [EnforcementStep(action: "next", undo: "back")]
            }
        }
        return claim
    }

    /// A change that can be applied to `ledger`: new claims, claims in place of others, ends.
    mutating func change(of ledger: Ledger) -> LedgerChange {
        var change = LedgerChange()
        var used = Set<Holder>()
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let holder = holder()
            guard used.insert(holder).inserted else { continue }
            if let old = ledger[holder] {
                // What it held is free for the next.
                free.append(contentsOf: old.exclusive)
                free.shuffle(using: &random)
                if chance(50) {
                    change.removed.append(holder)
                    continue
                }
            }
            change.claims.append(claim(holder))
        }
        return change
    }
}

extension DecisionRecord {
    /// The record of a change, as somebody asked for it.
    init(_ change: LedgerChange, time: Int = 0) {
        self.init(
            time: time,
            caller: Caller(uid: 7, gid: 8, pid: 9, label: "l", isAdministrator: false, frontend: "test"),
            action: "change", parameters: [Parameter("count", 3)],
            holder: change.claims.first?.holder ?? change.removed.first ?? .service("nobody"), outcome: .granted,
            granted: [1, 2], released: [3], releasedPages: [.init(node: 0, sizeKB: 2048, count: 6)],
            preempted: [.init(holder: .service("loser"), cpus: [4])], change: change)
    }
}
