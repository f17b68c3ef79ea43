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

/// Runs the same random commands against the ledger and the naive model.
@Suite struct LedgerPropertyTests {
    static let root = Caller(uid: 0, gid: 0, isAdministrator: true)

    @Test(
        "on random machines every EPA command is decided as the specification says",
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
            let cores = CoreIndex(of: isolated) { machine.siblings[$0].map { CPUSet($0) } }
            let service = ["a", "b", "c", "é"].randomElement(using: &random) ?? "a"
            let holder = Holder.service(service)
            let node = [0, 3, 8, 9, 250, 77].randomElement(using: &random) ?? 0
            let facts: NodeFacts =
                if let cpus = machine.nodes[node], !cpus.isEmpty { .cpus(node: node, CPUSet(cpus)) } else {
                    .missing(node: node)
                }
            let count = Int.random(in: 1...max(2, machine.isolated.count / 2 + 2), using: &random)
            var expected: Set<Int>?
            let command: Command
            switch Int.random(in: 0..<9, using: &random) {
            case 0, 1:
                command = .allocateCores(holder, .exactly(count), isolated: isolated)
                expected = try? model.allocate(service, count)
            case 2:
                command = .allocateCores(holder, .byDefault, isolated: isolated)
                expected = try? model.allocate(service, 0)
            case 3:
                let percent = Int.random(in: 1...100, using: &random)
                command = .allocateCores(holder, .percent(percent), isolated: isolated)
                expected = try? model.percent(service, percent)
            case 4:
                guard !model.isolated.isEmpty || model.allocations[service] != nil else { continue }
                command = .releaseCores(holder, isolated: isolated)
                model.release(service)
                expected = []
            case 5, 6, 7:
                command = .allocateNodeCores(holder, count: count, node: facts, isolated: isolated, cores: cores)
                expected = try? model.allocateNode(service, node, count)
            default:
                command = .releaseNodeCores(holder, node: facts, isolated: isolated)
                do {
                    try model.releaseNode(service, node)
                    expected = []
                } catch {}
            }
            log.append("\(command)")
            let context = "seed \(seed), step \(log.count): \(command)"
            do {
                let decision = try ledger.decide(command, by: Self.root)
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
                #expect(Set(claim.withdrawn) == model.allocations[claim.holder.name], "\(context)")
                let pinned = claim.parts.filter { $0.protection == .explicit }.reduce(into: CPUSet()) {
                    $0.formUnion($1.cpus)
                }
                #expect(Set(pinned) == model.explicit[claim.holder.name] ?? [], "\(context)")
            }
            let statistics = ledger.statistics(isolated: isolated)
            let all = model.allocations.values.reduce(into: Set<Int>()) { $0.formUnion($1) }
            #expect(statistics.remaining == model.isolated.subtracting(all).count, "\(context)")
            if !model.isolated.isEmpty, expected != nil, case .allocateCores = command {
                let decision = try ledger.decide(.releaseCores(holder, isolated: isolated), by: Self.root)
                #expect(Set(decision.remainder) == model.isolated.subtracting(model.others(service)), "\(context)")
            }
        }
    }

    @Test(
        "huge page bookings follow the overlay formula whatever the kernel reports", arguments: 0..<60 as Range<UInt64>)
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
                    .unbookPages(.service(service), node: key[0], sizeKB: key[1]), by: Self.root)
                #expect(decision.found == (model.pages[service]?[key] != nil), context)
                try ledger.apply(decision.change)
                model.unbook(service, key)
            } else {
                let accepted = (try? model.book(service, key, count, total: total, free: free)) != nil
                let decision = try? ledger.decide(
                    .bookPages(
                        .service(service), node: key[0], sizeKB: key[1], count: count,
                        capacity: .pages(total: total, free: free)), by: Self.root)
                #expect((decision != nil) == accepted, context)
                if let decision { try ledger.apply(decision.change) }
            }
            try checkInvariants(ledger, "\(context)")
            for claim in ledger.sortedClaims {
                let booked = Dictionary(uniqueKeysWithValues: claim.pages.map { ([$0.node, $0.sizeKB], $0.count) })
                #expect(booked == model.pages[claim.holder.name], context)
            }
            #expect(ledger.count == model.pages.count, context)
        }
    }

    @Test(
        "what holders of other kinds withdrew is never granted or taken",
        arguments: 0..<120 as Range<UInt64>)
    func otherKinds(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let machine = RandomMachine(using: &random)
        let isolated = CPUSet(machine.isolated)
        let cores = CoreIndex(of: isolated) { machine.siblings[$0].map { CPUSet($0) } }
        var ledger = Ledger()
        for step in 0..<50 {
            let before = ledger
            let name = ["x", "y", "z"].randomElement(using: &random) ?? "x"
            let kind = [Holder.Kind.pod, .function, .run].randomElement(using: &random) ?? .pod
            let command: Command
            switch Int.random(in: 0..<6, using: &random) {
            case 0:
                let cpus = CPUSet(machine.isolated.filter { _ in Int.random(in: 0..<5, using: &random) == 0 })
                let shares = Int.random(in: 0..<3, using: &random) == 0
                guard !cpus.isEmpty else { continue }
                command = .put(
                    Claim(
                        holder: Holder(kind: kind, name: name), owner: .user(uid: 5, label: nil),
                        parts: [
                            .init(
                                cpus: cpus, withdrawn: shares ? CPUSet() : cpus,
                                protection: Bool.random(using: &random) ? .automatic : .explicit,
                                exclusiveness: shares ? .none : .cpu)
                        ]))
            case 1: command = .end(Holder(kind: kind, name: name))
            case 2, 3:
                let node = machine.nodes.keys.sorted().randomElement(using: &random) ?? 0
                guard let cpus = machine.nodes[node], !cpus.isEmpty else { continue }
                command = .allocateNodeCores(
                    .service(name), count: Int.random(in: 1...6, using: &random),
                    node: .cpus(node: node, CPUSet(cpus)), isolated: isolated, cores: cores)
            default:
                command = .allocateCores(
                    .service(name), .exactly(Int.random(in: 1...8, using: &random)), isolated: isolated)
            }
            guard let decision = try? ledger.decide(command, by: Self.root) else {
                #expect(ledger == before)
                continue
            }
            // A shared part must not turn a service away from a CPU, but then the claim is refused as a conflict.
            guard (try? ledger.apply(decision.change)) != nil else {
                #expect(ledger == before, "seed \(seed), step \(step)")
                continue
            }
            try checkInvariants(ledger, "seed \(seed), step \(step)")
            for claim in before.sortedClaims where claim.holder.kind != .service && claim.holder != command.holder {
                #expect(ledger[claim.holder] == claim, "seed \(seed), step \(step): \(command)")
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
        let cores = CoreIndex(of: isolated) { machine.siblings[$0].map { CPUSet($0) } }
        var ledger = Ledger()
        for step in 0..<60 {
            let caller = Caller(
                uid: UInt32.random(in: 1000...1002, using: &random), gid: 100,
                label: [nil, "snap.a", "snap.b"].randomElement(using: &random) ?? nil,
                isAdministrator: Int.random(in: 0..<10, using: &random) == 0)
            let holder = Holder.service(["a", "b"].randomElement(using: &random) ?? "a")
            let node = machine.nodes.first { !$0.value.isEmpty }
            let commands: [Command] = [
                .allocateCores(holder, .exactly(1), isolated: isolated), .releaseCores(holder, isolated: isolated),
                .allocateNodeCores(
                    holder, count: 1, node: .cpus(node: node?.key ?? 0, CPUSet(node?.value ?? [])), isolated: isolated,
                    cores: cores),
                .bookPages(holder, node: 0, sizeKB: 2048, count: 1, capacity: .pages(total: 9, free: 9)),
                .unbookPages(holder, node: 0, sizeKB: 2048), .end(holder),
            ]
            guard let command = commands.randomElement(using: &random) else { continue }
            let before = ledger[holder]
            do {
                let decision = try ledger.decide(command, by: caller)
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
        var withdrawn: [Int: Holder] = [:]
        for claim in ledger.sortedClaims {
            #expect(!claim.isEmpty, "\(context)")
            for part in claim.parts {
                for cpu in part.withdrawn {
                    #expect(withdrawn[cpu] == nil, "CPU \(cpu) is granted twice: \(context)")
                    withdrawn[cpu] = claim.holder
                }
            }
        }
        for claim in ledger.sortedClaims {
            for cpu in claim.cpus { #expect(withdrawn[cpu] == nil || withdrawn[cpu] == claim.holder, "\(context)") }
        }
        #expect(Set(ledger.withdrawn) == Set(withdrawn.keys), "\(context)")
        let protected = ledger.sortedClaims.reduce(into: CPUSet()) { set, claim in
            for part in claim.parts where part.protection == .explicit || claim.holder.kind != .service {
                set.formUnion(part.withdrawn)
            }
        }
        #expect(ledger.protected == protected, "\(context)")
        #expect(
            ledger.holders == ledger.sortedClaims.map(\.holder) && ledger.holders.count == ledger.count, "\(context)")
    }
}
