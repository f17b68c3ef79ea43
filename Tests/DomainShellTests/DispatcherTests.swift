import Synchronization
import Testing

@testable import Domain
@testable import DomainShell

@Suite struct DispatcherTests {
    @Test("with room for three calls, three hundred to a hundred nodes are all made, never more than three at once")
    func bound() async throws {
        let outside = Outside()
        let answered = Mutex<[CallID]>([])
        var limits = CallDispatcher.Limits()
        limits.inAll = 3
        let dispatcher = CallDispatcher(outside: outside, limits: limits, deadline: .seconds(10)) { id, _ in
            answered.withLock { $0.append(id) }
        }
        for id in 1...300 as ClosedRange<CallID> {
            let node = NodeID(high: 1, low: id % 100)
            dispatcher.send(NodeCall(id: id, node: node, agentURL: "http://a:1", request: .reset))
        }
        for _ in 0..<1_000 where answered.withLock({ $0.count }) < 300 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(answered.withLock { $0.sorted() } == Array(1...300))
        #expect(outside.mostOpen <= 3)
        // Those of one node in their order.
        let ofOne = answered.withLock { $0.filter { $0 % 100 == 7 } }
        #expect(ofOne == [7, 107, 207])
    }
}
