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
}
