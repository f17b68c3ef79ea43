import ClusterStandIn
import Synchronization
import TestSupport
import Testing

@testable import KubernetesClient

/// Calls to a stand-in for an API server, which answers as a real one does.
@Suite struct StandInCallTests {
    private static func binding(_ name: String, pod: String) -> PodCPUBinding {
        var binding = PodCPUBinding(name: name, namespace: "default")
        binding.podName = pod
        binding.cpuSet = [2, 3]
        binding.exclusivenessLevel = .cpu
        return binding
    }

    @Test("who has a certificate makes, reads, changes, lists and deletes objects as on a real server")
    func calls() async throws {
        try await StandIn.serving { standIn async throws -> Void in
            let (pem, key) = (standIn.certificates.path("admin.pem"), standIn.certificates.path("admin.key"))
            let client = ClusterClient(try standIn.configuration(.certificate(pem, key: key)))
            let bindings = client.resources(PodCPUBinding.self)
            #expect(try await client.serverVersion().hasPrefix("v1."))
            for name in ["a", "b", "c", "d", "e"] { _ = try await bindings.create(Self.binding(name, pod: name)) }
            let tried = try await bindings.create(Self.binding("f", pod: "f"), ChangeOptions(isDryRun: true))
            #expect(!tried.metadata.uid.isEmpty)
            let list = try await bindings.list(Selection(namespace: "default"), pageSize: 2)
            #expect(list.items.map(\.metadata.name) == ["a", "b", "c", "d", "e"] && !list.resourceVersion.isEmpty)
            #expect(standIn.requests("GET", "limit=2").count == 3)
            let twice = await #expect(throws: KubernetesError.self) {
                try await bindings.create(Self.binding("a", pod: "x"))
            }
            #expect(twice?.reason == .alreadyExists)
            // The status is apart from the rest, in both directions.
            var a = try await bindings.get("a", namespace: "default")
            #expect(a.metadata.generation == 1)
            a.podName = "other"
            a.resourceStatus = .applied
            a.nodeName = "n"
            let described = try await bindings.updateStatus(a)
            #expect(described.podName == "a" && described.resourceStatus == .applied)
            let stale = await #expect(throws: KubernetesError.self) { try await bindings.update(a) }
            #expect(stale?.reason == .conflict)
            a.metadata.resourceVersion = described.metadata.resourceVersion
            a.metadata.finalizers = [PodCPUBinding.finalizer]
            a.resourceStatus = .failed
            let changed = try await bindings.update(a)
            #expect(changed.podName == "other" && changed.resourceStatus == .applied)
            #expect(changed.metadata.generation == 2)
            // With a finalizer it stays until that is gone.
            try await bindings.delete("a", namespace: "default")
            #expect(try await bindings.get("a", namespace: "default").metadata.isBeingDeleted)
            _ = try await bindings.patch("a", namespace: "default", .merge(["metadata": ["finalizers": .null]]))
            let gone = await #expect(throws: KubernetesError.self) { try await bindings.get("a", namespace: "default") }
            #expect(gone?.reason == .notFound)
            var wrong = Self.binding("g", pod: "g")
            wrong.json[["spec", "exclusivenessLevel"]] = "Everything"
            let invalid = await #expect(throws: KubernetesError.self) { try await bindings.create(wrong) }
            #expect(invalid?.reason == .invalid && invalid?.status?.causes.first?.field == "spec.exclusivenessLevel")
            try await bindings.deleteAll(Selection(namespace: "default"))
            #expect(try await bindings.list().items.isEmpty)
            await client.close()
        }
    }

    @Test("what another manager has applied is a conflict unless it is taken over; what is left out goes")
    func apply() async throws {
        try await StandIn.serving { standIn async throws -> Void in
            let bindings = try TimedClient(standIn).client.resources(PodCPUBinding.self)
            var binding = Self.binding("a", pod: "one")
            _ = try await bindings.apply(binding, manager: "one")
            binding.podName = "two"
            let conflict = await #expect(throws: KubernetesError.self) {
                try await bindings.apply(binding, manager: "two")
            }
            #expect(conflict?.reason == .conflict && conflict.map { "\($0)".contains(#"conflict with "one""#) } == true)
            #expect(try await bindings.apply(binding, manager: "two", force: true).podName == "two")
            var labelled = Self.binding("b", pod: "b")
            labelled.metadata.labels = ["x": "1", "y": "2"]
            _ = try await bindings.apply(labelled, manager: "one")
            labelled.metadata.labels = ["y": "2"]
            #expect(try await bindings.apply(labelled, manager: "one").metadata.labels == ["y": "2"])
        }
    }

    @Test("a token that the server does not know is refused; an authority that did not sign for it is not talked to")
    func strangers() async throws {
        try await StandIn.serving { standIn async throws -> Void in
            let stranger = try TimedClient(standIn, as: "nobody").client
            let refused = await #expect(throws: KubernetesError.self) { try await stranger.resources(Pod.self).list() }
            #expect(refused?.reason == .unauthorized)
            try standIn.certificates.authority("other")
            var configuration = try standIn.configuration(.token("agent"))
            configuration.trust.authorities = .file(standIn.certificates.path("other.pem"))
            standIn.server.forgetServed()
            let error = await #expect(throws: KubernetesError.self) {
                try await ClusterClient(configuration).resources(Node.self).create(Node(name: "n"))
            }
            guard case .unreachable = error else { throw error ?? .cancelled }
            #expect(standIn.server.served.isEmpty)
        }
    }

    @Test("who is refused with 429 comes again when the server says, and not before")
    func busy() async throws {
        try await StandIn.serving { standIn async throws -> Void in
            let timed = try TimedClient(standIn)
            standIn.server.faults = Faults([.init(.refuse(429, retryAfter: 7), verbs: ["create"], times: 2)])
            let making = Task { try await timed.client.resources(Node.self).create(Node(name: "n")) }
            for tries in 1...2 {
                #expect(try await eventually { timed.system.wakings == [.seconds(7 * tries)] })
                timed.system.advance(by: .milliseconds(6_999))
                #expect(timed.system.sleepers == 1 && standIn.requests("POST").count == tries)
                timed.system.advance(by: .milliseconds(1))
            }
            #expect(try await making.value.metadata.name == "n")
            #expect(standIn.requests("POST").map(\.status) == [429, 429, 201])
        }
    }

    @Test("in a storm of conflicts every change that succeeds is there, once")
    func conflicts() async throws {
        try await StandIn.serving { standIn async throws -> Void in
            standIn.set("counter", 0)
            standIn.server.faults = Faults([.init(.refuse(409), verbs: ["update"], probability: 0.3)], seed: 7)
            let maps = try TimedClient(standIn).client.resources(StandIn.configMaps)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        var left = 5
                        while left > 0 {
                            var map = try await maps.get("counter", namespace: "default")
                            let value = try #require(Int(map.json[["data", "value"]]?.string ?? ""))
                            map.json[["data", "value"]] = .string(String(value + 1))
                            do throws(KubernetesError) {
                                _ = try await maps.update(map)
                                left -= 1
                            } catch {
                                guard error.reason == .conflict else { throw error }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let counter = try await maps.get("counter", namespace: "default")
            #expect(counter.json[["data", "value"]] == "20")
            let statuses = standIn.requests("PUT").map(\.status)
            #expect(statuses.count { $0 == 200 } == 20 && statuses.contains(409))
        }
    }

    @Test("a change whose answer is lost is not sent again; a question is")
    func lostAnswers() async throws {
        try await StandIn.serving { standIn async throws -> Void in
            let timed = try TimedClient(standIn)
            let nodes = timed.client.resources(Node.self)
            standIn.server.faults = Faults([.init(.loseAnswer, times: 1)])
            let error = await #expect(throws: KubernetesError.self) { try await nodes.create(Node(name: "n")) }
            guard case .interrupted = error else { throw error ?? .cancelled }
            #expect(standIn.requests("POST").count == 1)
            standIn.server.faults = Faults([.init(.loseAnswer, times: 2)])
            let asking = Task { try await nodes.get("n") }
            #expect(try await timed.passes { standIn.requests("GET").count == 3 })
            #expect(try await asking.value.metadata.name == "n")
        }
    }

    @Test("a list whose pages are of a moment that the server forgets begins anew")
    func expiredPages() async throws {
        try await StandIn.serving { standIn async throws -> Void in
            for name in ["a", "b", "c"] { standIn.set(name) }
            let maps = try TimedClient(standIn).client.resources(StandIn.configMaps)
            let selection = Selection(namespace: "default")
            let first = try await maps.page(selection, size: 1)
            standIn.set("d")
            standIn.server.withCluster { $0.compact() }
            let error = await #expect(throws: KubernetesError.self) {
                try await maps.page(selection, size: 1, continue: first.continue)
            }
            #expect(error?.reason == .expired)
            standIn.server.faults = Faults([.init(.refuse(410), verbs: ["list"], times: 1)])
            let all = try await maps.list(selection, pageSize: 1)
            #expect(Set(all.items.map(\.metadata.name)).isSuperset(of: ["a", "b", "c", "d"]))
        }
    }
}
