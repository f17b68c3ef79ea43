import ArgumentParser
import Domain

/// The state machine by itself, over simulated time, in a domain of some size.
struct Pure: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Times placements and passes of a large domain.")

    @Option(help: "How many nodes.") var nodes = 10_000
    @Option(help: "How many functions run on them.") var functions = 100_000
    @Option(help: "How many placements and passes are timed.") var times = 1_001

    func run() async throws {
        for strategy in [DomainOptions.Strategy.random, .roundRobin, .loadAware] { measure(strategy) }
    }

    private func measure(_ strategy: DomainOptions.Strategy) {
        var records = DomainRecords()
        let made = MadeRecords(nodes: nodes, functions: functions, agentPort: 7_005)
        for change in made.nodes { records.apply(change) }
        for number in 0..<functions { for change in made.function(number) { records.apply(change) } }
        var options = DomainOptions()
        options.strategy = strategy
        options.recoveryGrace = 86_400
        var now = Timestamp(monotonic: 0, wall: 1_800_000_000_000)
        var domain = Domain(records: records, options: options, random: Xoshiro(seed: 1), now: now)
        // As in a process that runs for long: nobody else holds what the domain changes.
        records = DomainRecords()
        _ = domain.begin(at: now)
        _ = domain.handle(.controllerAnswered(.max, .accepted), at: now)

        for (name, label) in [("any", nil), ("label", "hostname=bench")] {
            let specification = Specification.function(BenchFunction.specification(state: 1, label: label))
            var placed: [Double] = []
            var answered: [Double] = []
            for number in 0...times {
                let (step, took) = time { domain.handle(.start(specification, UInt64(number)), at: now) }
                guard let call = step.calls.first else { continue }
                let physical = PhysicalID(node: call.node, component: ComponentID(high: 1, low: UInt64(number)))
                let (_, then) = time { domain.handle(.answered(call.id, .started(physical)), at: now) }
                if number == 0 {
                    report("placement-\(strategy.rawValue)-\(name)-first", ["us": took])
                } else {
                    placed.append(took)
                    answered.append(then)
                }
            }
            placed.sort()
            answered.sort()
            report(
                "placement-\(strategy.rawValue)-\(name)",
                [
                    "us": placed[placed.count / 2], "p99_us": placed[placed.count * 99 / 100],
                    "answer_us": answered[answered.count / 2],
                ])
        }

        var passes: [Double] = []
        var quiet: [Double] = []
        for _ in 0..<min(times, 201) {
            // One of four ticks also tells the controller.
            now.monotonic += 500
            now.wall += 500
            let (step, took) = time { domain.handle(.tick, at: now) }
            guard let number = step.updates.first else {
                quiet.append(took)
                continue
            }
            passes.append(took)
            _ = domain.handle(.controllerAnswered(number, .accepted), at: now)
        }
        passes.sort()
        quiet.sort()
        report(
            "pass-\(strategy.rawValue)",
            [
                "ms": passes[passes.count / 2] / 1e3, "most_ms": (passes.last ?? 0) / 1e3,
                "without_update_ms": quiet[quiet.count / 2] / 1e3,
            ])
    }

    /// How long something takes, in microseconds.
    private func time<Result>(_ body: () -> Result) -> (Result, Double) {
        let begin = seconds()
        let result = body()
        return (result, (seconds() - begin) * 1e6)
    }
}

extension DomainStep {
    fileprivate var calls: [NodeCall] { effects.compactMap { if case .call(let call) = $0 { call } else { nil } } }

    /// The numbers of the updates to the controller.
    fileprivate var updates: [UInt64] {
        effects.compactMap { if case .updateController(let number, _) = $0 { number } else { nil } }
    }
}
