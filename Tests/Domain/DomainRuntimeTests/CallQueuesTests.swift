import Testing

@testable import Domain
@testable import DomainRuntime

/// The pace of peer updates beside other calls, over simulated time.
@Suite struct CallQueuesTests {
    /// Queues in which many peer updates wait, and calls that are answered at once.
    private struct Load {
        var queues = CallQueues()
        var now = Duration.zero
        var updates = 0
        private var last: CallID = 0
        private var hasBegun = false

        private static let nodes = (1...100).map { NodeID(high: 1, low: $0) }
        private static let worker = NodeID(high: 2, low: 1)

        init() {
            for node in Self.nodes {
                for peer in 1...1_000 as ClosedRange<UInt64> { add(.removePeer(NodeID(high: 3, low: peer)), to: node) }
            }
        }

        private mutating func add(_ request: NodeCall.Request, to node: NodeID) {
            last += 1
            queues.append(NodeCall(id: last, node: node, agentURL: "http://a:1", request: request), at: now)
        }

        /// Makes the calls of a node that may be made now.
        private mutating func serve(_ node: NodeID) {
            while let taken = queues.next(of: node, at: now) {
                if case .removePeer = taken.call.request { updates += 1 }
                _ = queues.finish(taken, .done, at: now)
            }
        }

        /// Lets time pass, with so many Starts in each millisecond.
        ///
        /// - Returns: the peer updates that were made.
        mutating func run(_ time: Duration, starts: Double = 0) -> Int {
            let before = updates
            var due = 0.0
            for _ in 0..<Int(time / .milliseconds(1)) {
                now += .milliseconds(1)
                due += starts
                while due >= 1 {
                    due -= 1
                    add(.start(.resource(ResourceSpecification(classType: "c"))), to: Self.worker)
                    serve(Self.worker)
                }
                if !hasBegun { for node in Self.nodes { serve(node) } }
                hasBegun = true
                while let node = queues.nextThrottled(at: now) { serve(node) }
            }
            return updates - before
        }
    }

    @Test("without other calls, ten thousand peer updates are made in a second")
    func alone() {
        var load = Load()
        _ = load.run(.seconds(1))
        #expect((9_900...10_100).contains(load.run(.seconds(1))))
    }

    @Test(
        "beside Starts, many or few, a thousand peer updates are made in a second, and soon after them ten thousand again"
    )
    func besideStarts() {
        for starts in [3, 0.02] {
            var load = Load()
            _ = load.run(.seconds(1), starts: starts)
            #expect((950...1_050).contains(load.run(.seconds(1), starts: starts)))
            _ = load.run(.milliseconds(100))
            #expect((9_900...10_100).contains(load.run(.seconds(1))))
        }
    }

    @Test("a Start now and then slows peer updates down for a tenth of a second")
    func besideFewStarts() {
        var load = Load()
        _ = load.run(.seconds(1), starts: 0.002)
        #expect((8_000...8_400).contains(load.run(.seconds(1), starts: 0.002)))
    }

    @Test("updates are resumed without the end of another call only while they wait for the budget")
    func resumes() {
        var queues = CallQueues()
        #expect(queues.updatesResume == nil)
        let node = NodeID(high: 1, low: 1)
        for id in 1...2_000 as ClosedRange<CallID> {
            let request = NodeCall.Request.removePeer(NodeID(high: 3, low: id))
            queues.append(NodeCall(id: id, node: node, agentURL: "http://a:1", request: request), at: .zero)
        }
        var flights: [CallQueues.Taken] = []
        while let taken = queues.next(of: node, at: .zero) { flights.append(taken) }
        // The node takes no more at a time.
        #expect(flights.count == 4 && queues.updatesResume == nil)
        while let taken = flights.popLast() {
            _ = queues.finish(taken, .done, at: .zero)
            if let next = queues.next(of: node, at: .zero) { flights.append(next) }
        }
        #expect(queues.updatesResume != nil && queues.nextThrottled(at: .milliseconds(1)) == node)
        #expect(queues.next(of: node, at: .milliseconds(1)) != nil)
    }
}
