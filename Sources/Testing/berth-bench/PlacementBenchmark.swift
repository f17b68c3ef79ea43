import Ledger
import Machine
import Placement

/// Times one placement on large machines.
enum PlacementBenchmark {
    static func run() {
        measure("placement-512", cpus: 512, nodes: 128)
        measure("placement-4096", cpus: 4096, nodes: 8)
    }

    /// Every CPU is isolated, siblings are n and n + cpus / 2, a quarter of the CPUs is held by services.
    private static func measure(_ name: String, cpus: Int, nodes: Int) {
        let isolated = CPUSet(0...(cpus - 1))
        let cores = CoreIndex(of: isolated) { CPUSet([$0, ($0 + cpus / 2) % cpus]) }
        let perNode = cpus / 2 / nodes
        let node = CPUSet((0..<perNode).flatMap { [$0, $0 + cpus / 2] })
        let caller = Caller(uid: 0, gid: 0, isAdministrator: true, frontend: "epa")
        var facts = MachineFacts(pools: [Pool.isolated: isolated], hasNUMA: true, cores: cores)
        facts.nodes = [0: node, 1: isolated]
        var ledger = Ledger()
        for index in 0..<16 {
            let request = claim("service \(index)", CPURequest(.count(cpus / 64)))
            guard let decision = try? ledger.decide(request, facts: facts, caller: caller, now: 0) else { continue }
            try? ledger.apply(decision.change)
        }

        Benchmark.report("\(name)-node") {
            _ = try? ledger.decide(ofNode(0, min(perNode, 3)), facts: facts, caller: caller, now: 0)
        }
        Benchmark.report("\(name)-machine") {
            _ = try? ledger.decide(ofNode(1, cpus / 2 + 1), facts: facts, caller: caller, now: 0)
        }
        Benchmark.report("\(name)-count") {
            _ = try? ledger.decide(claim("new", CPURequest(.count(cpus / 4))), facts: facts, caller: caller, now: 0)
        }
        Benchmark.report("\(name)-whole-cores") {
            _ = Placement.wholeCores(cpus / 2 + 1, of: isolated, cores: cores)
        }
    }

    private static func claim(_ service: String, _ cpus: CPURequest) -> Request {
        .claim(ClaimRequest(holder: .service(service), cpus: cpus))
    }

    /// CPUs of a node as EPA's NUMA rule gives them.
    private static func ofNode(_ node: Int, _ count: Int) -> Request {
        claim(
            "new",
            CPURequest(
                .count(count), nodes: [node], packing: .siblingPairs, replaces: .nodes, preemption: .allowed,
                isExplicit: true))
    }
}
