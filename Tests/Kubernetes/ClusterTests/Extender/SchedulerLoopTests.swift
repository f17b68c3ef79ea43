import Bindings
import ClusterStandIn
import KubernetesClient
import Synchronization
import TestSupport
import Testing
import WireJSON

@testable import Cluster

/// A whole scheduler with its extender, while the API server fails and extenders come and go.
@Suite struct SchedulerLoopTests {
    /// The extender of the moment; nil while there is none.
    private final class Sidecar: Sendable {
        private let running = Mutex<RunningExtender?>(nil)

        func replace(_ extender: RunningExtender?) async {
            let before = running.withLock { running in
                defer { running = extender }
                return running
            }
            await before?.stop()
        }

        func ask(_ verb: String, _ question: JSONValue) async -> JSONValue? {
            guard let extender = running.withLock({ $0 }) else { return nil }
            return try? await extender.ask(verb, question)
        }

        var known: (nodes: Int, bindings: Int, pending: Int)? {
            running.withLock { $0?.extender.known }
        }
    }

    /// Longer than a bind takes that an extender has begun which is ended, also where the machine is busy: it waits 2 s to see its
    /// binding, and the pod is tried to be bound for 1 s, with calls of 1 s.
    private static let grace = Duration.seconds(20)

    /// No two bindings of pods that are bound share a CPU, each is of its pod's node, and no pod has two.
    private func check(_ site: ExtenderSite) {
        var taken: [String: [Int: String]] = [:]
        for binding in site.allBindings {
            guard let node = site.pod(binding.podName)?.nodeName else { continue }
            #expect(binding.chosenNode == node, "\(binding.podName) is on \(node)")
            for cpu in binding.cpuSet {
                let other = taken[node, default: [:]].updateValue(binding.podName, forKey: cpu)
                #expect(other == nil, "CPU \(cpu) of \(node) is \(other ?? "")'s and \(binding.podName)'s")
            }
        }
    }

    @Test(
        "W9, W19: no pod is bound without its CPUs and no CPU is given twice, though calls fail and the extender restarts",
        .timeLimit(.minutes(10)), arguments: 1...3)
    func lossy(seed: UInt64) async throws {
        let nodes = ["n0": 16, "n1": 8, "n2": 32]
        try await ExtenderSite.serving(nodes: nodes) { site async throws -> Void in
            // 7 + 3 + 15 pairs of CPUs, since each node keeps one for pods without a binding.
            let pods = (0..<25).map { site.makePod("p\($0)", family: "io-bound") }
            let sidecar = Sidecar()
            await sidecar.replace(try await RunningExtender(site, grace: Self.grace, limit: 1))
            let loop = SchedulerLoop(
                pods, nodes: nodes.keys.sorted(), seed: seed, backoff: .milliseconds(100))
            site.server.faults = Faults(
                [
                    .init(.refuse(500), verbs: ["create", "get", "delete"], probability: 0.1),
                    .init(.loseAnswer, verbs: ["create", "delete"], probability: 0.15),
                    .init(.disconnect, verbs: ["create", "get"], probability: 0.1),
                    .init(.hang, verbs: ["create"], probability: 0.02),
                    .init(.refuse(403), verbs: ["create"], resources: ["pods/binding"], probability: 0.1),
                    .init(.delay(0...0.03), verbs: ["create", "delete", "watch"]),
                    .init(.watch(.ends(after: 7, resets: seed == 2))), .init(.watch(.gone), probability: 0.1),
                ], seed: seed)
            let running = Task { await loop.run { await sidecar.ask($0, $1) } }
            for round in 0..<3 {
                try await Task.sleep(for: .milliseconds(400 + 150 * Int(seed)))
                check(site)
                await sidecar.replace(nil)
                if round == 1 { try await site.server.restart(keepsHistory: seed == 1) }
                // What the extender needs to begin is not refused for ever.
                await sidecar.replace(try await RunningExtender(site, grace: Self.grace, limit: 1))
            }
            site.server.faults = Faults()
            #expect(try await eventually(seconds: 120) { loop.bound == 25 }, "\(loop.errors)")
            running.cancel()
            await running.value
            check(site)
            #expect(site.allBindings.count == 25 && pods.allSatisfy { Pod(json: $0).nodeName == nil })
            for pod in pods.map({ Pod(json: $0).metadata.name }) {
                #expect(site.pod(pod)?.nodeName != nil && site.binding("\(pod)-pcb") != nil)
            }
            // One more finds nothing.
            let more = try #require(
                await sidecar.ask(
                    "filter",
                    [
                        "Pod": site.makePod("more", family: "io-bound"),
                        "NodeNames": .array(nodes.keys.map { .string($0) }),
                    ]))
            #expect(more["NodeNames"] == [] && more["FailedNodes"]?.members?.count == 3)
            #expect(
                try await eventually { sidecar.known.map { $0.bindings == 25 && $0.pending == 0 } ?? false }
            )
            await sidecar.replace(nil)
        }
    }

    @Test(
        "W46: a pod that finds no CPUs gets those of a pod that goes, as soon as the scheduler asks again"
    )
    func freed() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site, WorkloadAwareArgs(features: [.physicalCores]))
            let (one, other) = (site.makePod("p", cpus: "3"), site.makePod("q", cpus: "3"))
            #expect(try await extender.bind(one) == "")
            let refused = try await extender.filter(other)
            #expect(refused["FailedNodes"]?["n"] == "not enough cores, request: 3000m, available: 1000m")
            site.deletePod("p")
            #expect(try await eventually { try await extender.filter(other)["NodeNames"] == ["n"] })
            #expect(try await extender.bind(other) == "")
            await extender.stop()
        }
    }
}
