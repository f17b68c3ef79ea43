import Ledger
import Machine
import Placement
import TestSupport
import Testing

/// A machine that exists only as sets, drawn at random.
struct RandomMachine {
    var isolated: Set<Int> = []
    var nodes: [Int: Set<Int>] = [:]
    var siblings: [Int: Set<Int>] = [:]

    init(using random: inout SeededRandom) {
        let threads = [1, 2, 2, 4, 8].randomElement(using: &random) ?? 1
        let cores = Int.random(in: 1...24, using: &random)
        let nodeCount = Int.random(in: 1...4, using: &random)
        let adjacent = Bool.random(using: &random)
        for core in 0..<cores {
            let members = Set((0..<threads).map { adjacent ? core * threads + $0 : core + $0 * cores })
            let node = [0, 3, 8, 250][core * nodeCount / cores]
            nodes[node, default: []].formUnion(members)
            for cpu in members where Int.random(in: 0..<20, using: &random) > 0 { siblings[cpu] = members }
            for cpu in members where Int.random(in: 0..<10, using: &random) > 1 { isolated.insert(cpu) }
        }
        // Absent and offline CPUs in the isolated list, CPUs that no node names, nodes that overlap, nodes without CPUs.
        if Bool.random(using: &random) { isolated.insert(cores * threads + 3) }
        if Int.random(in: 0..<4, using: &random) == 0, let cpu = nodes[0]?.first { nodes[3, default: []].insert(cpu) }
        if Bool.random(using: &random) { nodes[9] = [] }
    }
}

/// The requests as the EPA frontend makes them.
enum EPARequests {
    static func cores(_ holder: Holder, _ demand: CPURequest.Demand) -> Request {
        .claim(ClaimRequest(holder: holder, cpus: CPURequest(demand)))
    }

    static func node(_ holder: Holder, _ node: Int, _ demand: CPURequest.Demand) -> Request {
        .claim(
            ClaimRequest(
                holder: holder,
                cpus: CPURequest(
                    demand, nodes: [node], packing: .siblingPairs, replaces: .nodes, preemption: .allowed,
                    isExplicit: true)))
    }

    static func pages(_ holder: Holder, _ node: Int, _ sizeKB: Int, _ count: Int) -> Request {
        .claim(
            ClaimRequest(holder: holder, reservations: [ReservationRequest(node: node, sizeKB: sizeKB, count: count)]))
    }
}

extension RandomMachine {
    /// What the machine says while these CPUs are isolated.
    func facts(isolated: CPUSet) -> MachineFacts {
        MachineFacts(
            pools: [Pool.isolated: isolated], hasNUMA: true,
            nodes: nodes.filter { !$0.value.isEmpty }.mapValues { CPUSet($0) },
            cores: CoreIndex(of: isolated) { siblings[$0].map { CPUSet($0) } })
    }
}

/// Runs the same random requests against the ledger and the naive model.
@Suite struct LedgerPropertyTests {
    static let root = Caller(uid: 0, gid: 0, isAdministrator: true, frontend: "epa")

    @Test(
        "on random machines every EPA request is decided as the specification says",
        arguments: 0..<150 as Range<UInt64>)
    func agreesWithTheSpecification(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let machine = RandomMachine(using: &random)
        var model = NaiveOrchestrator(isolated: machine.isolated, nodes: machine.nodes, siblings: machine.siblings)
        var ledger = Ledger()
        var log: [String] = []

        for _ in 0..<60 {
            // The isolated set shrinks and grows under the running service.
            if Int.random(in: 0..<25, using: &random) == 0 {
                model.isolated = machine.isolated.filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
            }
            let isolated = CPUSet(model.isolated)
            let facts = machine.facts(isolated: isolated)
            let service = ["a", "b", "c", "é"].randomElement(using: &random) ?? "a"
            let holder = Holder.service(service)
            let node = [0, 3, 8, 9, 250, 77].randomElement(using: &random) ?? 0
            let count = Int.random(in: 1...max(2, machine.isolated.count / 2 + 2), using: &random)
            var expected: Set<Int>?
            let request: Request
            switch Int.random(in: 0..<9, using: &random) {
            case 0, 1:
                request = EPARequests.cores(holder, .count(count))
                expected = try? model.allocate(service, count)
            case 2:
                request = EPARequests.cores(holder, .defaultShare)
                expected = try? model.allocate(service, 0)
            case 3:
                let percent = Int.random(in: 1...100, using: &random)
                request = EPARequests.cores(holder, .percent(percent))
                expected = try? model.percent(service, percent)
            case 4:
                guard !model.isolated.isEmpty || model.allocations[service] != nil else { continue }
                request = EPARequests.cores(holder, .nothing)
                model.release(service)
                expected = []
            case 5, 6, 7:
                request = EPARequests.node(holder, node, .count(count))
                expected = try? model.allocateNode(service, node, count)
            default:
                request = EPARequests.node(holder, node, .nothing)
                do {
                    try model.releaseNode(service, node)
                    expected = []
                } catch {}
            }
            log.append("\(request)")
            let context = "seed \(seed), step \(log.count): \(request)"
            do {
                let decision = try ledger.decide(request, facts: facts, caller: Self.root, now: 0)
                try ledger.apply(decision.change)
                #expect(expected != nil, "should be refused: \(context)")
                #expect(Set(decision.granted) == expected, "\(context)")
            } catch {
                #expect(error is Refusal && expected == nil, "\(error): \(context)")
            }
            try checkInvariants(ledger, context)
            #expect(
                ledger.sortedClaims.map(\.holder.name)
                    == model.allocations.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }, "\(context)")
            for claim in ledger.sortedClaims {
                #expect(Set(claim.exclusive) == model.allocations[claim.holder.name], "\(context)")
                #expect(Set(claim.explicit) == model.explicit[claim.holder.name] ?? [], "\(context)")
            }
            let statistics = ledger.statistics(of: isolated)
            let all = model.allocations.values.reduce(into: Set<Int>()) { $0.formUnion($1) }
            #expect(statistics.remaining == model.isolated.subtracting(all).count, "\(context)")
            if !model.isolated.isEmpty, expected != nil {
                let decision = try ledger.decide(
                    EPARequests.cores(holder, .nothing), facts: facts, caller: Self.root, now: 0)
                #expect(Set(decision.remainder) == model.isolated.subtracting(model.others(service)), "\(context)")
            }
        }
    }

    @Test(
        "huge page reservations follow the overlay formula whatever the kernel reports",
        arguments: 0..<60 as Range<UInt64>)
    func pages(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var model = NaiveOrchestrator(isolated: [], nodes: [:], siblings: [:])
        var ledger = Ledger()
        for step in 0..<80 {
            let service = ["a", "b", "c"].randomElement(using: &random) ?? "a"
            let key = [Int.random(in: 0...1, using: &random), [2048, 1_048_576].randomElement(using: &random) ?? 2048]
            let total = Int.random(in: 0...40, using: &random)
            let free = Int.random(in: 0...50, using: &random)
            let count = Int.random(in: 1...30, using: &random)
            let context: Comment = "seed \(seed), step \(step)"
            if Int.random(in: 0..<4, using: &random) == 0 {
                let decision = try ledger.decide(
                    EPARequests.pages(.service(service), key[0], key[1], 0), facts: MachineFacts(), caller: Self.root,
                    now: 0)
                #expect(decision.found == (model.pages[service]?[key] != nil), context)
                try ledger.apply(decision.change)
                model.removePages(service, key)
            } else {
                let accepted = (try? model.reserve(service, key, count, total: total, free: free)) != nil
                let decision = try? ledger.decide(
                    EPARequests.pages(.service(service), key[0], key[1], count),
                    facts: MachineFacts(pages: [key[0]: [HugePagePool(sizeKB: key[1], total: total, free: free)]]),
                    caller: Self.root, now: 0)
                #expect((decision != nil) == accepted, context)
                if let decision { try ledger.apply(decision.change) }
            }
            try checkInvariants(ledger, "\(context)")
            for claim in ledger.sortedClaims {
                let reserved = Dictionary(
                    uniqueKeysWithValues: claim.reservations.map { ([$0.node, $0.sizeKB], $0.count) })
                #expect(reserved == model.pages[claim.holder.name], context)
            }
            #expect(ledger.count == model.pages.count, context)
        }
    }

    @Test(
        "what is exclusive to holders of other kinds is never given or taken, and shared CPUs block nobody while others are free",
        arguments: 0..<120 as Range<UInt64>)
    func otherKinds(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let machine = RandomMachine(using: &random)
        let isolated = CPUSet(machine.isolated)
        let facts = machine.facts(isolated: isolated)
        var ledger = Ledger()
        for step in 0..<50 {
            let before = ledger
            let context: Comment = "seed \(seed), step \(step)"
            let name = ["x", "y", "z"].randomElement(using: &random) ?? "x"
            let other = Holder(kind: [.pod, .function, .run].randomElement(using: &random) ?? .pod, name: name)
            let count = Int.random(in: 1...6, using: &random)
            let request: Request
            switch Int.random(in: 0..<6, using: &random) {
            case 0:
                let cpus = CPUSet(machine.isolated.filter { _ in Int.random(in: 0..<5, using: &random) == 0 })
                let level: Exclusiveness = Int.random(in: 0..<3, using: &random) == 0 ? .none : .cpu
                guard !cpus.isEmpty else { continue }
                request = .claim(ClaimRequest(holder: other, cpus: CPURequest(.list(cpus), level: level)))
            case 1: request = .release(other)
            case 2, 3:
                let node = machine.nodes.keys.sorted().randomElement(using: &random) ?? 0
                guard machine.nodes[node]?.isEmpty == false else { continue }
                request = EPARequests.node(.service(name), node, .count(count))
            default: request = EPARequests.cores(.service(name), .count(count))
            }
            let decision: Decision
            do {
                decision = try ledger.decide(request, facts: facts, caller: Self.root, now: 0)
            } catch {
                // Whoever is refused by number could not have been served from what nobody else uses.
                if case .insufficient = error.reason {
                    let used = before.sortedClaims.reduce(into: CPUSet()) {
                        if $1.holder != request.holder { $0.formUnion($1.exclusive.union($1.cpus)) }
                    }
                    #expect(isolated.subtracting(used).count < count, context)
                }
                continue
            }
            try ledger.apply(decision.change)
            try checkInvariants(ledger, "\(context)")
            for claim in before.sortedClaims where claim.holder.kind != .service && claim.holder != request.holder {
                #expect(ledger[claim.holder] == claim, "\(context): \(request)")
            }
        }
    }

    @Test(
        "a claim changes by its owner's or an administrator's word, or by the NUMA rule",
        arguments: 0..<80 as Range<UInt64>)
    func ownership(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let machine = RandomMachine(using: &random)
        let isolated = CPUSet(machine.isolated)
        let facts = machine.facts(isolated: isolated)
        var ledger = Ledger()
        for step in 0..<60 {
            let caller = Caller(
                uid: UInt32.random(in: 1000...1002, using: &random), gid: 100,
                label: [nil, "snap.a", "snap.b"].randomElement(using: &random) ?? nil,
                isAdministrator: Int.random(in: 0..<10, using: &random) == 0, frontend: "epa")
            let holder = Holder.service(["a", "b"].randomElement(using: &random) ?? "a")
            let node = machine.nodes.first { !$0.value.isEmpty }
            var facts = facts
            facts.pages = [0: [HugePagePool(sizeKB: 2048, total: 9, free: 9)]]
            let requests: [Request] = [
                EPARequests.cores(holder, .count(1)), EPARequests.cores(holder, .nothing),
                EPARequests.node(holder, node?.key ?? 0, .count(1)), EPARequests.pages(holder, 0, 2048, 1),
                EPARequests.pages(holder, 0, 2048, 0), .release(holder), .renew(holder, .until(9)),
            ]
            guard let request = requests.randomElement(using: &random) else { continue }
            let before = ledger[holder]
            do {
                let decision = try ledger.decide(request, facts: facts, caller: caller, now: 0)
                try ledger.apply(decision.change)
                #expect(before.map { $0.owner.admits(caller) } ?? true, "seed \(seed), step \(step)")
                if before == nil, let claim = ledger[holder] {
                    #expect(claim.owner == Owner(caller), "seed \(seed), step \(step)")
                } else if let before, let claim = ledger[holder] {
                    #expect(claim.owner == before.owner, "seed \(seed), step \(step)")
                }
            } catch let refusal as Refusal {
                if let before, !before.owner.admits(caller) {
                    #expect(refusal.reason == .notOwner(holder, before.owner), "seed \(seed), step \(step)")
                } else if case .notOwner = refusal.reason {
                    Issue.record("the owner was refused: seed \(seed), step \(step)")
                }
            }
        }
    }

    /// The rules that hold after every step, checked without the ledger's own indexes.
    func checkInvariants(_ ledger: Ledger, _ context: String) throws {
        var exclusive: [Int: Holder] = [:]
        for claim in ledger.sortedClaims {
            #expect(!claim.isEmpty, "\(context)")
            for grant in claim.grants {
                for cpu in grant.exclusive {
                    #expect(exclusive[cpu] == nil, "CPU \(cpu) is granted twice: \(context)")
                    exclusive[cpu] = claim.holder
                }
            }
        }
        for claim in ledger.sortedClaims {
            for cpu in claim.cpus { #expect(exclusive[cpu] == nil || exclusive[cpu] == claim.holder, "\(context)") }
        }
        #expect(Set(ledger.exclusive) == Set(exclusive.keys), "\(context)")
        let unpreemptible = ledger.sortedClaims.reduce(into: CPUSet()) { set, claim in
            for grant in claim.grants where grant.isExplicit || grant.isProtected || claim.holder.kind != .service {
                set.formUnion(grant.exclusive)
            }
        }
        #expect(ledger.unpreemptible == unpreemptible, "\(context)")
        #expect(
            ledger.holders == ledger.sortedClaims.map(\.holder) && ledger.holders.count == ledger.count, "\(context)")
    }
}
