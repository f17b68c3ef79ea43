import Synchronization
import TestSupport
import Testing

@testable import Domain
@testable import DomainRuntime

@Suite struct DispatcherTests {
    @Test("three hundred calls to a hundred nodes are made with at most three in flight")
    func bound() async throws {
        let transport = FakeTransport()
        let answered = Mutex<[CallID]>([])
        var limits = CallDispatcher.Limits()
        limits.total = 3
        let dispatcher = CallDispatcher(transport: transport, limits: limits, deadline: .seconds(10)) { id, _ in
            answered.withLock { $0.append(id) }
        }
        for id in 1...300 as ClosedRange<CallID> {
            let node = NodeID(high: 1, low: id % 100)
            dispatcher.send(NodeCall(id: id, node: node, agentURL: "http://a:1", request: .reset))
        }
        for _ in 0..<1_000 where answered.withLock({ $0.count }) < 300 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(answered.withLock { $0.sorted() } == Array(1...300))
        #expect(transport.mostOpen <= 3)
        // The calls of one node keep their order.
        let ofOne = answered.withLock { $0.filter { $0 % 100 == 7 } }
        #expect(ofOne == [7, 107, 207])
    }

    @Test("a Start queued for a silent node expires after one call deadline")
    func stale() async throws {
        let transport = FakeTransport()
        let node = NodeID(high: 1, low: 1)
        transport.silence(node)
        let answered = Mutex<[CallID: CallOutcome]>([:])
        let dispatcher = CallDispatcher(transport: transport, deadline: .seconds(5)) { id, outcome in
            answered.withLock { $0[id] = outcome }
        }
        let specification = Specification.resource(
            ResourceSpecification(classType: "a", configuration: [:], workflowID: ""))
        for id in 1...4 as ClosedRange<CallID> {
            let request: NodeCall.Request = id == 3 ? .start(specification) : .reset
            dispatcher.send(NodeCall(id: id, node: node, agentURL: "http://a:1", request: request))
        }
        dispatcher.expireStaleStarts()
        #expect(answered.withLock { $0.isEmpty })
        dispatcher.expireStaleStarts(at: .now + .seconds(5))
        #expect(answered.withLock { Array($0.keys) } == [3])
        guard case .unreachable = answered.withLock({ $0[3] }) else {
            Issue.record("it may have been carried out")
            return
        }
        // The other calls continue in order.
        #expect(dispatcher.dropQueued() == [2, 4])
        dispatcher.abandonAll()
    }

    @Test("consecutive Stops of one kind run in parallel, and queued calls follow an agent to its new address")
    func stops() async throws {
        let transport = FakeTransport()
        let node = NodeID(high: 1, low: 1)
        transport.silence(node)
        let dispatcher = CallDispatcher(transport: transport, deadline: .milliseconds(500)) { _, _ in }
        let kinds: [ComponentKind] = [.function, .function, .function, .resource]
        for (number, kind) in kinds.enumerated() {
            let request = NodeCall.Request.stop(ComponentID(high: 1, low: UInt64(number)), kind)
            dispatcher.send(NodeCall(id: CallID(number), node: node, agentURL: "http://a:1", request: request))
        }
        #expect(try await eventually { transport.mostOpen == 3 })
        dispatcher.send(NodeCall(id: 9, node: node, agentURL: "http://b:1", request: .reset))
        // A call from before the agent moved, which had to be committed first.
        dispatcher.send(NodeCall(id: 8, node: node, agentURL: "http://a:1", request: .reset))
        #expect(try await eventually { transport.heard.count == 6 })
        #expect(transport.mostOpen == 3)
        #expect(transport.clientURLs == ["http://a:1", "http://b:1"])
        dispatcher.abandonAll()
    }

    private static func update(_ id: CallID, _ peer: UInt64, isGone: Bool = false) -> NodeCall {
        let peer = NodeID(high: 2, low: peer)
        return NodeCall(
            id: id, node: NodeID(high: 1, low: 1), agentURL: "http://a:1",
            request: isGone ? .removePeer(peer) : .addPeer(peer, invocationURL: "http://b:1"))
    }

    private static func start(_ id: CallID) -> NodeCall {
        let resource = ResourceSpecification(classType: "a", configuration: [:], workflowID: "")
        return NodeCall(
            id: id, node: NodeID(high: 1, low: 1), agentURL: "http://a:1", request: .start(.resource(resource)))
    }

    @Test("Starts and resets do not wait for peer updates, which run a few at a time")
    func below() async throws {
        let transport = FakeTransport()
        let node = NodeID(high: 1, low: 1)
        transport.silence(node)
        let answered = Mutex<Set<CallID>>([])
        let dispatcher = CallDispatcher(transport: transport, deadline: .seconds(60)) { id, _ in
            answered.withLock { _ = $0.insert(id) }
        }
        for id in 1...100 as ClosedRange<CallID> { dispatcher.send(Self.update(id, id)) }
        #expect(try await eventually { transport.hanging(at: node) == 4 })
        dispatcher.send(Self.start(101))
        #expect(try await eventually { transport.hanging(at: node) == 5 })
        #expect(transport.heard.contains { if case .start = $0.request { true } else { false } })
        transport.release(node)
        #expect(try await eventually { answered.withLock { $0.count } == 101 })
        dispatcher.abandonAll()
    }

    @Test("peer updates of many nodes leave room for other calls, and are all made")
    func room() async throws {
        let transport = FakeTransport()
        var limits = CallDispatcher.Limits()
        (limits.total, limits.updates) = (5, 4)
        let answered = Mutex<Set<CallID>>([])
        let dispatcher = CallDispatcher(transport: transport, limits: limits, deadline: .seconds(60)) { id, _ in
            answered.withLock { _ = $0.insert(id) }
        }
        let nodes = (1...10).map { NodeID(high: 3, low: $0) }
        for node in nodes { transport.silence(node) }
        for (number, node) in nodes.enumerated() {
            for peer in 1...10 as ClosedRange<UInt64> {
                let request = NodeCall.Request.removePeer(NodeID(high: 2, low: peer))
                dispatcher.send(
                    NodeCall(id: CallID(number) * 10 + peer, node: node, agentURL: "http://a:1", request: request))
            }
        }
        #expect(try await eventually { transport.heard.count == 4 })
        dispatcher.send(Self.start(1_000))
        #expect(try await eventually { answered.withLock { $0 } == [1_000] })
        for node in nodes { transport.release(node) }
        #expect(try await eventually { answered.withLock { $0.count } == 101 })
        #expect(transport.mostOpen <= 5)
        dispatcher.abandonAll()
    }

    @Test("updates about one peer keep their order")
    func peerOrder() async throws {
        let transport = FakeTransport()
        let node = NodeID(high: 1, low: 1)
        transport.silence(node)
        let dispatcher = CallDispatcher(transport: transport, deadline: .seconds(60)) { _, _ in }
        let calls = [Self.update(1, 7), Self.update(2, 7, isGone: true), Self.update(3, 7), Self.update(4, 8)]
        for call in calls { dispatcher.send(call) }
        #expect(try await eventually { transport.hanging(at: node) == 2 })
        #expect(transport.heard.map(\.request) == [calls[0].request, calls[3].request])
        transport.release(node)
        #expect(try await eventually { transport.heard.count == 4 })
        #expect(transport.heard.suffix(2).map(\.request) == [calls[1].request, calls[2].request])
        dispatcher.abandonAll()
    }

    @Test("a dropped call that waits for its turn is not made and answered as such; one in flight is not disturbed")
    func dropped() async throws {
        let transport = FakeTransport()
        let node = NodeID(high: 1, low: 1)
        transport.silence(node)
        let answered = Mutex<[CallID: CallOutcome]>([:])
        let dispatcher = CallDispatcher(transport: transport, deadline: .seconds(60)) { id, outcome in
            answered.withLock { $0[id] = outcome }
        }
        dispatcher.send(NodeCall(id: 1, node: node, agentURL: "http://a:1", request: .reset))
        dispatcher.send(Self.start(2))
        for id in 3...10 as ClosedRange<CallID> { dispatcher.send(Self.update(id, id)) }
        #expect(try await eventually { transport.hanging(at: node) == 5 })
        for id in [1, 2, 10] as [CallID] { dispatcher.drop(id, of: node) }
        #expect(try await eventually { answered.withLock { $0 } == [2: .dropped, 10: .dropped] })
        transport.release(node)
        #expect(try await eventually { answered.withLock { $0.count } == 10 })
        #expect(!transport.heard.contains { if case .start = $0.request { true } else { false } })
        dispatcher.abandonAll()
    }
}
