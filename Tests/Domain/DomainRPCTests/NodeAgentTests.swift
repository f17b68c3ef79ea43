import Domain
import DomainDemo
import DomainRPC
import DomainWire
import Glibc
import Synchronization
import TestSupport
import Testing

/// Calls to nodes and the controller over real connections.
@Suite struct NodeAgentTests {
    private let deadline = Duration.seconds(20)

    private func node(
        _ change: (inout DemoNode.Settings) -> Void = { _ in }, _ body: (DemoNode, NodeAgent) async throws -> Void
    ) async throws {
        var settings = DemoNode.Settings(
            node: Sample.node, registerURL: ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: 1))
        settings.providers = [ResourceProvider(id: "n-redis-1", classType: "redis")]
        change(&settings)
        let node = try DemoNode(settings)
        let agent = try NodeAgent(node: Sample.node, url: node.agentURL)
        do {
            try await body(node, agent)
        } catch {
            agent.close()
            await node.stop()
            throw error
        }
        agent.close()
        await node.stop()
    }

    @Test("every call arrives unchanged, over one connection")
    func calls() async throws {
        try await node { (node, agent) async throws in
            let other = NodeID(high: 9, low: 9)
            guard case .started(let id) = await agent.call(.start(.function(Sample.function)), within: deadline),
                case .started(let resource) = await agent.call(.start(.resource(Sample.resource)), within: deadline)
            else {
                Issue.record("not started")
                return
            }
            #expect(id.node == Sample.node && node.components.count == 2)
            let requests: [NodeCall.Request] = [
                .addPeer(other, invocationURL: "http://10.0.0.9:7006"),
                .patch(id.component, .function, ["out": PhysicalID(node: other, component: resource.component)]),
                .patch(resource.component, .resource, [:]), .removePeer(other), .stop(id.component, .function),
                .stop(resource.component, .resource), .reset,
            ]
            for request in requests { #expect(await agent.call(request, within: deadline) == .done) }
            let starts: [NodeCall.Request] = [.start(.function(Sample.function)), .start(.resource(Sample.resource))]
            #expect(node.calls == starts + requests)
            #expect(node.components.isEmpty && node.peers.isEmpty)

            await withTaskGroup(of: CallOutcome.self) { group in
                for _ in 0..<50 { group.addTask { await agent.call(.reset, within: deadline) } }
                for await outcome in group { #expect(outcome == .done) }
            }
            #expect(node.connections == 1)
        }
    }

    @Test("megabytes of code arrive unchanged")
    func largeBinary() async throws {
        try await node { (node, agent) async throws in
            let function = Sample.binary(8 << 20)
            guard case .started(let id) = await agent.call(.start(.function(function)), within: .seconds(60)) else {
                Issue.record("not started")
                return
            }
            guard case .function(let arrived) = node.components[id.component] else {
                Issue.record("not there")
                return
            }
            #expect(arrived.functionClass.binary?.bytes == function.functionClass.binary?.bytes)
        }
    }

    @Test("a refusal is distinguished from a failure")
    func refusals() async throws {
        try await node { (node, agent) async throws in
            node.faults.refusals = 1
            let request = NodeCall.Request.start(.function(Sample.function))
            #expect(
                await agent.call(request, within: deadline)
                    == .refused(DomainRefusal("the node refuses", detail: "as it was told to")))
            var other = Sample.function
            other.functionClass.runtime = "CONTAINER"
            #expect(
                await agent.call(.start(.function(other)), within: deadline)
                    == .refused(
                        DomainRefusal(
                            "Error when creating a function instance", detail: "there is no run-time \"CONTAINER\"")))
            node.faults.fails = true
            guard case .failed(let reason) = await agent.call(request, within: deadline) else {
                Issue.record("not failed")
                return
            }
            #expect(reason.hasPrefix("status 13 (") && reason.contains("as it was told to"))
            node.faults.fails = false
            guard case .failed = await agent.call(.stop(.init(high: 0, low: 1), .resource), within: deadline) else {
                Issue.record("an unknown resource is INTERNAL at a node")
                return
            }
            #expect(await agent.call(.stop(.init(high: 0, low: 1), .function), within: deadline) == .done)
        }
    }

    @Test("a hung call ends with an unknown outcome at its deadline and delays no other call")
    func hanging() async throws {
        try await node { (node, agent) async throws in
            #expect(await agent.call(.reset, within: deadline) == .done)
            node.faults.hangs = true
            let request = NodeCall.Request.start(.function(Sample.function))
            async let stuck = agent.call(request, within: .seconds(2))
            while node.calls.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
            node.faults.hangs = false
            #expect(await agent.call(.reset, within: deadline) == .done)
            guard case .unknown(let reason) = await stuck else {
                Issue.record("not unknown")
                return
            }
            #expect(!reason.isEmpty && node.connections == 1)
        }
    }

    @Test("a Start that is overdue ends at its deadline, and its outcome comes with the answer")
    func overdue() async throws {
        try await node { (node, agent) async throws in
            #expect(await agent.call(.reset, within: deadline) == .done)
            node.faults.delay = .seconds(2)
            let late = Mutex<[CallOutcome]>([])
            let outcome = await agent.call(.start(.function(Sample.function)), within: .milliseconds(500)) { outcome in
                late.withLock { $0.append(outcome) }
            }
            guard case .overdue = outcome else {
                Issue.record("not overdue: \(outcome)")
                return
            }
            #expect(try await eventually { late.withLock { $0 }.count == 1 })
            guard case .started(let id)? = late.withLock({ $0 }).first else {
                Issue.record("not started")
                return
            }
            #expect(node.components[id.component] != nil)
        }
    }

    @Test("a connection lost after the execution means an unknown outcome, and is reopened")
    func closedAfterExecuting() async throws {
        try await node { (node, agent) async throws in
            node.faults.closesAfterExecuting = true
            guard case .unknown = await agent.call(.start(.function(Sample.function)), within: deadline) else {
                Issue.record("not unknown")
                return
            }
            #expect(node.components.count == 1)
            node.faults.closesAfterExecuting = false
            // The first calls may still use the closing connection.
            var outcome = CallOutcome.unreachable("")
            for _ in 0..<100 where outcome != .done {
                outcome = await agent.call(.reset, within: deadline)
                if outcome != .done { try await Task.sleep(for: .milliseconds(50)) }
            }
            #expect(outcome == .done)
            #expect(node.components.isEmpty)
            // The transport may connect more than once; then there is one connection again.
            let connections = node.connections
            #expect(connections >= 2)
            for _ in 0..<10 { #expect(await agent.call(.reset, within: deadline) == .done) }
            #expect(node.connections == connections)
        }
    }

    @Test("an answer that names another node, or nothing, is reported as such")
    func strangeAnswers() async throws {
        try await node { (node, agent) async throws in
            let other = NodeID(high: 9, low: 9)
            let request = NodeCall.Request.start(.function(Sample.function))
            node.faults.claimedNode = other
            guard case .started(let id) = await agent.call(request, within: deadline) else {
                Issue.record("not started")
                return
            }
            #expect(id.node == other)
            node.faults.answersNothing = true
            guard case .unknown(let reason) = await agent.call(request, within: deadline) else {
                Issue.record("not unknown")
                return
            }
            #expect(reason.contains("neither an instance_id nor a response_error"))
        }
    }

    @Test("a closed port, a silent address and an unresolvable name mean unreachable")
    func unreachable() async throws {
        // The kernel accepts connections, and nothing answers.
        let silent = try Listener(Serving.url)
        for url in [
            ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: 1),
            ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: silent.port),
            ServiceURL(scheme: .http, host: .name("no-such-host.invalid"), port: 7_005),
        ] {
            let agent = try NodeAgent(node: Sample.node, url: url)
            let outcome = await agent.call(.reset, within: .seconds(1))
            guard case .unreachable(let reason) = outcome else {
                Issue.record("\(url): \(outcome)")
                continue
            }
            #expect(!reason.isEmpty)
            agent.close()
        }
        close(silent.take())
    }

    @Test("a call to a node that stops reading ends at its deadline")
    func stopsReading() async throws {
        let listener = try Listener(Serving.url)
        let agent = try NodeAgent(
            node: Sample.node, url: ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: listener.port))
        let descriptor = listener.take()
        let outcome = Task { await agent.call(.start(.function(Sample.binary(4 << 20))), within: .seconds(2)) }
        var connection: Int32 = -1
        while connection < 0 {
            connection = accept(descriptor, nil, nil)
            if connection < 0 { try await Task.sleep(for: .milliseconds(5)) }
        }
        // Sends empty settings, and then neither reads nor writes.
        _ = send(connection, [0, 0, 0, 4, 0, 0, 0, 0, 0] as [UInt8], 9, Int32(MSG_NOSIGNAL))
        guard case .unknown = await outcome.value else {
            Issue.record("\(await outcome.value)")
            return
        }
        agent.close()
        close(connection)
        close(descriptor)
    }

    @Test("a node that comes back is reached again")
    func comingBack() async throws {
        // Its own address, where no other test can take the port.
        let host = ServiceURL.Host.ipv4("127.0.0.77")
        let listener = try Listener(ServiceURL(scheme: .http, host: host, port: 0))
        let url = ServiceURL(scheme: .http, host: host, port: listener.port)
        close(listener.take())
        let agent = try NodeAgent(node: Sample.node, url: url)
        guard case .unreachable = await agent.call(.reset, within: .seconds(1)) else {
            Issue.record("reached")
            return
        }
        var settings = DemoNode.Settings(node: Sample.node, registerURL: url)
        settings.agentURL = url
        let node = try DemoNode(settings)
        var outcome = CallOutcome.unreachable("")
        for _ in 0..<200 where outcome != .done {
            outcome = await agent.call(.reset, within: .seconds(1))
            if outcome != .done { try await Task.sleep(for: .milliseconds(100)) }
        }
        #expect(outcome == .done)
        agent.close()
        await node.stop()
    }

    @Test("a call in progress ends when its connection is closed locally")
    func closing() async throws {
        try await node { (node, agent) async throws in
            node.faults.hangs = true
            async let stuck = agent.call(.reset, within: .seconds(60))
            while node.calls.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            agent.close()
            guard case .unknown = await stuck else {
                Issue.record("not unknown")
                return
            }
            guard case .unreachable = await agent.call(.reset, within: .seconds(5)) else {
                Issue.record("called after closing")
                return
            }
        }
    }

    @Test("an update that is not answered ends before the next one is due, which dials anew")
    func unansweredUpdate() async throws {
        for interval in [1, 2, 60] { #expect(ControllerClient.timeLimit(interval: interval) < .seconds(interval)) }
        let relay = try Listener(Serving.url)
        let client = try ControllerClient(
            url: ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: relay.port))
        let update = DomainUpdate(
            domainID: "d", orchestratorURL: "http://127.0.0.1:7003", capabilities: DomainCapabilities(),
            refreshDeadline: 9, counter: 0, nonce: 1)
        let listener = relay.take()
        defer { close(listener) }
        // Each connection is accepted by the kernel and answers nothing.
        for _ in 0..<3 {
            guard case .failed = await client.update(update, within: .milliseconds(500)) else {
                Issue.record("answered")
                return
            }
        }
        client.close()
        _ = fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK)
        var connections: [Int32] = []
        while case let connection = accept(listener, nil, nil), connection >= 0 { connections.append(connection) }
        connections.forEach { close($0) }
        #expect(connections.count >= 3)
    }

    @Test("a controller resets an unknown domain, and an unreachable controller is a failure")
    func controller() async throws {
        let controller = try DemoController()
        let client = try ControllerClient(url: controller.registerURL)
        var update = DomainUpdate(
            domainID: "d", orchestratorURL: "http://127.0.0.1:7003", capabilities: DomainCapabilities(),
            refreshDeadline: 9, counter: 0, nonce: 1)
        #expect(await client.update(update, within: deadline) == .reset)
        #expect(await client.update(update, within: deadline) == .accepted)
        update.domainID = ""
        #expect(
            await client.update(update, within: deadline) == .refused(DomainRefusal("Empty domain identifier")))
        await controller.stop()
        guard case .failed = await client.update(update, within: .seconds(2)) else {
            Issue.record("answered")
            return
        }
        client.close()
    }
}
