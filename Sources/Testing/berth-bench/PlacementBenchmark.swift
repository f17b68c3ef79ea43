import Ledger
import Machine
import Placement

/// Times one placement on large machines; prints a JSON object a line, for `Benchmarks/run`.
@main
enum PlacementBenchmark {
    static func main() {
        measure("placement-512", cpus: 512, nodes: 128)
        measure("placement-4096", cpus: 4096, nodes: 8)
    }

    /// Every CPU is isolated, siblings are n and n + cpus / 2, a quarter of the CPUs is held by services.
    private static func measure(_ name: String, cpus: Int, nodes: Int) {
        let isolated = CPUSet(0...(cpus - 1))
        let cores = CoreIndex(of: isolated) { CPUSet([$0, ($0 + cpus / 2) % cpus]) }
        let perNode = cpus / 2 / nodes
        let node = CPUSet((0..<perNode).flatMap { [$0, $0 + cpus / 2] })
        let caller = Caller(uid: 0, gid: 0, isAdministrator: true)
        var ledger = Ledger()
        for index in 0..<16 {
            let command = Command.allocateCores(
                .service("service \(index)"), .exactly(cpus / 64), isolated: isolated)
            guard let decision = try? ledger.decide(command, by: caller) else { continue }
            try? ledger.apply(decision.change)
        }

        report("\(name)-node") {
            _ = try? ledger.decide(
                .allocateNodeCores(
                    .service("new"), count: min(perNode, 3), node: .cpus(node: 0, node), isolated: isolated,
                    cores: cores),
                by: caller)
        }
        report("\(name)-machine") {
            _ = try? ledger.decide(
                .allocateNodeCores(
                    .service("new"), count: cpus / 2 + 1, node: .cpus(node: 0, isolated), isolated: isolated,
                    cores: cores),
                by: caller)
        }
        report("\(name)-count") {
            _ = try? ledger.decide(.allocateCores(.service("new"), .exactly(cpus / 4), isolated: isolated), by: caller)
        }
        report("\(name)-whole-cores") {
            _ = Placement.wholeCores(cpus / 2 + 1, of: isolated, cores: cores)
        }
    }

    /// The median of many runs, in microseconds.
    private static func report(_ name: String, _ body: () -> Void) {
        let clock = ContinuousClock()
        var times = (0..<301).map { _ in clock.measure(body) }
        times.sort()
        let nanoseconds = Int(times[times.count / 2] / .nanoseconds(1))
        print("{\"name\":\"\(name)\",\"us\":\(Double(nanoseconds) / 1000)}")
    }
}
