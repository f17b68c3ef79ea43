import Synchronization
import TestSupport
import WireJSON

/// Schedules pods as kube-scheduler does with an extender (Kubernetes specification, 4.9): one pod after the other is filtered
/// and prioritized, binds run beside that, and a pod that did not get a node comes back later.
package final class SchedulerLoop: Sendable {
    /// Asks the extender; nil where there is no answer.
    package typealias Ask = @Sendable (_ verb: String, _ question: JSONValue) async -> JSONValue?

    private struct State {
        var waiting: [JSONValue]
        var random: SeededRandom
        package var errors: [String: Int] = [:]
        var bound = 0
    }

    private let nodes: [String]
    private let state: Mutex<State>
    private let backoff: Duration
    private let concurrency: Int

    /// A scheduler of these pods, as the API server shows them.
    ///
    /// - Parameters:
    ///   - backoff: after how long a pod comes back.
    ///   - concurrency: how many binds may be under way.
    package init(_ pods: [JSONValue], nodes: [String], seed: UInt64, backoff: Duration, concurrency: Int = 16) {
        self.nodes = nodes
        self.backoff = backoff
        self.concurrency = concurrency
        state = Mutex(State(waiting: pods, random: SeededRandom(seed: seed)))
    }

    /// How many pods are bound.
    package var bound: Int { state.withLock { $0.bound } }
    /// What was said of pods that did not get a node, and how often.
    package var errors: [String: Int] { state.withLock { $0.errors } }

    /// Schedules until all pods are bound, or the task is cancelled.
    package func run(_ ask: @escaping Ask) async {
        let count = state.withLock { $0.waiting.count }
        await withTaskGroup(of: Void.self) { group in
            var binding = 0
            while !Task.isCancelled, bound < count {
                guard let pod = state.withLock({ $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() })
                else {
                    try? await Task.sleep(for: .milliseconds(1))
                    continue
                }
                guard let node = await place(pod, ask) else {
                    comesBack(pod)
                    continue
                }
                if binding >= concurrency {
                    await group.next()
                    binding -= 1
                }
                binding += 1
                group.addTask { [self] in await bind(pod, node, ask) }
            }
            group.cancelAll()
        }
    }

    /// The pod's node; nil where none has room.
    private func place(_ pod: JSONValue, _ ask: Ask) async -> String? {
        // The nodes come in another order from try to try.
        let names = state.withLock { state -> [String] in
            let shift = Int.random(in: 0..<nodes.count, using: &state.random)
            return Array(nodes[shift...] + nodes[..<shift])
        }
        func question(_ names: [String]) -> JSONValue {
            ["Pod": pod, "Nodes": .null, "NodeNames": .array(names.map { .string($0) })]
        }
        guard let filtered = await ask("filter", question(names)) else { return note("no answer") }
        if let error = filtered["Error"]?.string, !error.isEmpty { return note(error) }
        let fitting = filtered["NodeNames"]?.array?.compactMap(\.string) ?? []
        guard let first = fitting.first else {
            return note(filtered["FailedNodes"]?.members?.first?.value.string ?? "")
        }
        guard fitting.count > 1 else { return first }
        guard let scores = await ask("prioritize", question(fitting))?.array else {
            return note("no answer")
        }
        let best = scores.max { ($0["Score"]?.integer ?? 0) < ($1["Score"]?.integer ?? 0) }
        return best?["Host"]?.string
    }

    private func bind(_ pod: JSONValue, _ node: String, _ ask: Ask) async {
        func text(_ name: String) -> JSONValue { pod["metadata"]?[name] ?? .null }
        let answer = await ask(
            "bind",
            [
                "PodName": text("name"), "PodNamespace": text("namespace"), "PodUID": text("uid"),
                "Node": .string(node),
            ])
        if answer?["Error"]?.string == "" { return state.withLock { $0.bound += 1 } }
        _ = note(answer?["Error"]?.string ?? "no answer")
        try? await Task.sleep(for: backoff)
        state.withLock { $0.waiting.append(pod) }
    }

    private func comesBack(_ pod: JSONValue) {
        Task { [self] in
            try? await Task.sleep(for: backoff)
            state.withLock { $0.waiting.append(pod) }
        }
    }

    private func note(_ error: String) -> String? {
        state.withLock { $0.errors[error, default: 0] += 1 }
        return nil
    }
}
