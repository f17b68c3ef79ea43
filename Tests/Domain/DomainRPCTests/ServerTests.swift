import Domain
import DomainDemo
import DomainRPC
import DomainWire
import GRPCCore
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

/// Domain specification, section 1.4: answers.
@Suite struct ServerTests {
    private let id = LogicalID(high: 7, low: 8)

    @Test("a successful Start returns only the logical id")
    func started() async throws {
        try await Serving.serving { (serving) async throws in
            #expect(
                try await serving.orchestrator.start(.function(Sample.function)) == .success(.init(high: 1, low: 2)))
            #expect(
                try await serving.orchestrator.start(.resource(Sample.resource)) == .success(.init(high: 1, low: 2)))
            let asked = serving.stub.state.withLock { $0.specifications }
            #expect(asked == [.function(Sample.function), .resource(Sample.resource)])
            let peer = serving.stub.state.withLock { $0.peers.first }
            #expect(peer??.address.contains("127.0.0.1") == true && peer??.names == nil)
        }
    }

    @Test("a malformed Start returns OK with a response_error and does not reach the domain")
    func malformedStart() async throws {
        try await Serving.serving { (serving) async throws in
            let answer = try await serving.orchestrator.connection.call(within: .seconds(20)) { client, options in
                try await EdgelessApi_FunctionInstance.Client(wrapping: client)
                    .start(EdgelessApi_SpawnFunctionRequest(), options: options)
            }
            #expect(answer.responseError.summary == "Invalid function instance creation request")
            #expect(answer.responseError.detail == "code is missing: the function to start")
            #expect(!answer.hasInstanceID && serving.stub.asked.isEmpty)
        }
    }

    @Test("a refusal of the domain is OK with the domain's words")
    func refusedStart() async throws {
        try await Serving.serving { (serving) async throws in
            for refusal in [
                DomainRefusal("Could not start function RUST_WASM f", detail: "no valid node found"),
                DomainRefusal("class type not found", detail: "class_type: rc-666"), DomainRefusal("", detail: nil),
            ] {
                serving.stub.state.withLock { $0.answer = .failure(refusal) }
                #expect(try await serving.orchestrator.start(.function(Sample.function)) == .failure(refusal))
                #expect(try await serving.orchestrator.start(.resource(Sample.resource)) == .failure(refusal))
            }
        }
    }

    @Test("Stop and Patch return OK and reach the domain with the kind of their service")
    func stopAndPatch() async throws {
        try await Serving.serving { (serving) async throws in
            for kind in [ComponentKind.function, .resource] {
                try await serving.orchestrator.stop(id, kind: kind)
                try await serving.orchestrator.patch(id, mapping: ["out": .init(high: 0, low: 1)], kind: kind)
            }
            #expect(
                serving.stub.asked == [
                    "stop function \(id)", "patch function \(id)", "stop resource \(id)", "patch resource \(id)",
                ])
            #expect(serving.stub.state.withLock { $0.mappings.first } == ["out": .init(high: 0, low: 1)])
        }
    }

    @Test("X3: Stop and Patch with malformed ids are INVALID_ARGUMENT and do not reach the domain")
    func malformedIDs() async throws {
        try await Serving.serving { (serving) async throws in
            for kind in [ComponentKind.function, .resource] {
                let physical = EdgelessApi_InstanceIdVariant(
                    PhysicalID(node: Sample.node, component: .init(high: 0, low: 1)))
                for message in [physical, EdgelessApi_InstanceIdVariant()] {
                    let text = await failure { try await serving.orchestrator.stop(message, kind: kind) }
                    #expect(text?.contains("failed(\"status 3 (") == true, "\(text ?? "OK")")
                }
                let text = await failure {
                    try await serving.orchestrator.patch(EdgelessApi_PatchRequest(), kind: kind)
                }
                #expect(text?.contains("status 3 (") == true && text?.contains("function_id is missing") == true)
            }
            #expect(serving.stub.asked.isEmpty)
        }
    }

    @Test("X6: malformed targets of a patch are dropped, the others reach the domain")
    func partialPatch() async throws {
        try await Serving.serving { (serving) async throws in
            var message = EdgelessApi_PatchRequest(id, mapping: ["a": id, "b": id])
            message.outputMapping["b"]?.functionID = "nonsense"
            try await serving.orchestrator.patch(message, kind: .function)
            #expect(serving.stub.state.withLock { $0.mappings } == [["a": id]])
        }
    }

    @Test("a failure of the domain is INTERNAL, for a resource a response_error")
    func broken() async throws {
        try await Serving.serving { (serving) async throws in
            serving.stub.state.withLock { $0.isBroken = true }
            let update = EdgelessApi_UpdateNodeRequest(Sample.update())
            for text in [
                await failure { try await serving.orchestrator.stop(id, kind: .function) },
                await failure { try await serving.orchestrator.patch(id, mapping: [:], kind: .resource) },
                await failure { _ = try await serving.orchestrator.start(.function(Sample.function)) },
                await failure { _ = try await serving.update(update) },
            ] {
                #expect(text?.contains("status 13 (") == true, "\(text ?? "OK")")
            }
            let answer = try await serving.orchestrator.start(.resource(Sample.resource))
            #expect(answer == .failure(DomainRefusal("Resource creation rejected")))
        }
    }

    @Test("a node's update reaches the domain, and its answer reaches the node")
    func updates() async throws {
        try await Serving.serving { (serving) async throws in
            #expect(try await serving.update(EdgelessApi_UpdateNodeRequest(Sample.update())) == nil)
            serving.stub.state.withLock { $0.refusal = DomainRefusal("no", detail: "too many") }
            #expect(
                try await serving.update(EdgelessApi_UpdateNodeRequest(Sample.update()))
                    == DomainRefusal("no", detail: "too many"))
            var update = Sample.update()
            update.client = "127.0.0.1"
            #expect(serving.stub.state.withLock { $0.updates } == [update, update])
        }
    }

    @Test(
        "a client is its address without the port, or its network of 64 bits",
        arguments: [
            ("ipv4:10.0.0.7:40112", "10.0.0.7"), ("ipv6:[2001:db8:1:2:3:4:5:6]:40112", "2001:db8:1:2::/64"),
            ("ipv6:[::1]:9", "::/64"), ("unknown", ""),
        ])
    func client(address: String, client: String) {
        #expect(CallerIdentity(address: address).client == client)
    }

    @Test("X1: a node with an invalid URL gets OK with a response_error, and the domain learns of it")
    func badURLs() async throws {
        try await Serving.serving { (serving) async throws in
            for (update, part) in [
                (Sample.update(invocation: "http://:7006"), "invocation_url: \"http://:7006\": no host"),
                (Sample.update(agent: "127.0.0.1:7005"), "agent_url: \"127.0.0.1:7005\": no scheme"),
                (
                    Sample.update(agent: "coap://127.0.0.1:7005"),
                    "agent_url: \"coap://127.0.0.1:7005\": agents cannot be called"
                ),
            ] {
                let refusal = try await serving.update(EdgelessApi_UpdateNodeRequest(update))
                #expect(refusal?.summary == "invalid node configuration")
                #expect(refusal?.detail?.hasPrefix(part) == true, "\(refusal?.detail ?? "")")
                #expect(serving.stub.state.withLock { $0.problems.last } == refusal)
            }
        }
    }

    @Test("X2: a malformed node update is INVALID_ARGUMENT")
    func malformedUpdate() async throws {
        try await Serving.serving { (serving) async throws in
            var message = EdgelessApi_UpdateNodeRequest(Sample.update())
            message.resourceProviders = [.with { $0.classType = "redis" }]
            let text = await failure { _ = try await serving.update(message) }
            #expect(text?.contains("status 3 (") == true, "\(text ?? "OK")")
            #expect(serving.stub.asked.isEmpty)
        }
    }

    @Test("an instance whose caller has disconnected is stopped again", arguments: ["gives up", "closes"])
    func callerGone(how: String) async throws {
        try await Serving.serving { (serving) async throws in
            serving.stub.state.withLock { $0.waitsForGoing = true }
            let caller = try OrchestratorClient(
                url: ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: serving.server.orchestratorPort),
                within: how == "gives up" ? .seconds(10) : .seconds(60))
            defer { caller.close() }
            let call = Task { try await caller.start(.function(Sample.function)) }
            #expect(try await eventually { serving.stub.asked == ["start function"] })
            serving.stub.state.withLock { $0.waitsForGoing = false }
            if how == "closes" { caller.close() }
            await #expect(throws: CallFailure.self) { _ = try await call.value }
            #expect(
                try await eventually { serving.stub.asked.last == "stop function \(LogicalID(high: 1, low: 2))" })
        }
    }

    @Test("a Start in progress during a shutdown is answered, and its instance is not stopped")
    func startWhileEnding() async throws {
        try await Serving.serving { (serving) async throws in
            serving.stub.state.withLock { $0.delay = .milliseconds(500) }
            let call = Task { try await serving.orchestrator.start(.resource(Sample.resource)) }
            #expect(try await eventually { serving.stub.asked == ["start resource"] })
            await serving.server.stop(within: .seconds(20))
            #expect(try await call.value == .success(LogicalID(high: 1, low: 2)))
            #expect(serving.stub.asked == ["start resource"])
        }
    }

    @Test("each service is only available at its own address")
    func separation() async throws {
        try await Serving.serving { (serving) async throws in
            let elsewhere = try OrchestratorClient(
                url: ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: serving.server.nodeRegisterPort))
            let text = await failure { try await elsewhere.stop(id, kind: .function) }
            #expect(text?.contains("status 12 (") == true, "\(text ?? "OK")")
            elsewhere.close()
        }
    }
}
