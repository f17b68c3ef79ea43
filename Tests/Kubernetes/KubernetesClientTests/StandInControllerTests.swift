import ClusterStandIn
import Synchronization
import TestSupport
import Testing

@testable import KubernetesClient

/// Informer, work queue and calls together, as a controller has them.
@Suite struct StandInControllerTests {
    /// Writes into the status of each binding which pod it has seen.
    private final class Controller: Sendable {
        let timed: TimedClient
        let informer: Informer<PodCPUBinding>
        let bindings: ResourceClient<PodCPUBinding>
        private let queue: WorkQueue<ObjectKey>
        private let working = Mutex<Set<ObjectKey>>([])

        init(_ standIn: StandIn) throws {
            timed = try TimedClient(standIn)
            bindings = timed.client.resources(PodCPUBinding.self)
            informer = Informer(bindings)
            queue = WorkQueue(system: timed.system.access)
            informer.addHandler { [queue] in queue.add($0.key) }
        }

        func run() async {
            async let keeping: Void = informer.run()
            await queue.run(workers: 4) { [self] key in
                #expect(working.withLock { $0.insert(key).inserted }, "two work on \(key)")
                defer { working.withLock { _ = $0.remove(key) } }
                guard var binding = informer[key], binding.nodeName != binding.podName else { return nil }
                binding.nodeName = binding.podName
                binding.resourceStatus = .validated
                _ = try await bindings.updateStatus(binding)
                return nil
            }
            await keeping
        }
    }

    @Test(
        "every object comes to what it should, though the server fails in all ways while objects change",
        arguments: 1...3)
    func converges(seed: UInt64) async throws {
        try await StandIn.serving { standIn async throws -> Void in
            let path = "/apis/cslab.ece.ntua.gr/v1alpha1/namespaces/default/podcpubindings"
            func send(_ method: String, _ name: String, _ pod: String) {
                let text = """
                    {"apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "PodCPUBinding", "metadata": {"name": "\(name)"},
                     "spec": {"podName": "\(pod)", "cpuSet": [], "exclusivenessLevel": "None"}}
                    """
                _ = standIn.server.send(
                    StandInRequest(
                        method, method == "POST" ? path : "\(path)/\(name)", body: Array(text.utf8),
                        contentType: method == "POST" ? "application/json" : "application/merge-patch+json"))
            }
            standIn.server.faults = Faults(
                [
                    .init(.refuse(409), verbs: ["update"], probability: 0.2),
                    .init(.refuse(429, retryAfter: 1), probability: 0.1), .init(.refuse(503), probability: 0.1),
                    .init(.disconnect, probability: 0.1), .init(.loseAnswer, verbs: ["update"], probability: 0.2),
                    .init(.watch(.ends(after: 5, resets: seed == 2))), .init(.watch(.gone), probability: 0.1),
                ], seed: seed)
            let controller = try Controller(standIn)
            let running = Task { await controller.run() }
            var random = SeededRandom(seed: seed)
            for name in 0..<10 { send("POST", "b\(name)", "p") }
            for round in 0..<40 {
                send("PATCH", "b\(Int.random(in: 0..<10, using: &random))", "p\(round)")
                if round == 20 { try await standIn.server.restart(keepsHistory: seed != 3) }
                let wanted = standIn.server.served.count + 1
                #expect(try await controller.timed.passes { standIn.server.served.count >= wanted })
            }
            #expect(standIn.server.served.contains { $0.status == 0 } && !standIn.requests("PUT").isEmpty)
            standIn.server.faults = Faults()
            #expect(
                try await controller.timed.passes {
                    controller.informer.count == 10
                        && controller.informer.all.allSatisfy { $0.nodeName == $0.podName && !$0.podName.isEmpty }
                })
            let list = try await controller.bindings.list()
            #expect(list.items.count == 10 && list.items.allSatisfy { $0.nodeName == $0.podName })
            #expect(list.items.allSatisfy { $0.resourceStatus == .validated })
            running.cancel()
            await running.value
        }
    }
}
