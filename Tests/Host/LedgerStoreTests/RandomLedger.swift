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

    private mutating func part() -> Claim.Part? {
        let protection: Claim.Protection = chance(50) ? .automatic : .explicit
        let exclusiveness =
            [Claim.Exclusiveness.none, .cpu, .core, .socket, .numa].randomElement(using: &random) ?? .cpu
        if chance(20) {
            let cpus = CPUSet(shared.shuffled(using: &random).prefix(3))
            return Claim.Part(cpus: cpus, withdrawn: [], protection: protection, exclusiveness: exclusiveness)
        }
        let cpus = take(Int.random(in: 1...5, using: &random))
        guard !cpus.isEmpty else { return nil }
        let withdrawn = cpus.union(chance(30) ? take(3) : [])
        return Claim.Part(cpus: cpus, withdrawn: withdrawn, protection: protection, exclusiveness: exclusiveness)
    }

    /// Leaves these CPUs to those who hold them.
    mutating func avoid(_ held: CPUSet) { free.removeAll { held.contains($0) } }

    /// A claim of `holder` that nothing contradicts.
    mutating func claim(_ holder: Holder) -> Claim {
        var claim = Claim(holder: holder, owner: owner())
        for _ in 0..<Int.random(in: 0...3, using: &random) { if let part = part() { claim.parts.append(part) } }
        for node in [0, 1, 255] where chance(25) {
            claim.pages.append(
                .init(
                    node: node, sizeKB: [4, 2048, 1 << 20].randomElement(using: &random) ?? 4,
                    count: chance(10) ? Claim.PageBooking.maximumCount : Int.random(in: 1...999, using: &random)))
        }
        if chance(30) || claim.isEmpty { claim.memoryNodes = [0, 3].shuffled(using: &random) }
        if chance(20) {
            claim.lease = .init(until: [0, -1, 1_795_218_831_691, Int.max].randomElement(using: &random) ?? 0)
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
                free.append(contentsOf: old.withdrawn)
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
