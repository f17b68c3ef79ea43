import Testing

@testable import Domain
@testable import DomainRuntime

/// The pace of resets and peer updates beside other calls, over simulated time.
@Suite struct CallQueuesTests {
    /// Queues in which many peer updates wait, and calls that are answered at once.
    private struct Load {
        var queues = CallQueues()
        var now = Duration.zero
        var updates = 0
        var resets = 0
        private var last: CallID = 0
        private var hasBegun = false

        private static let updated = (1...100).map { NodeID(high: 1, low: $0) }
        private var nodes = Self.updated
        private static let worker = NodeID(high: 2, low: 1)

        /// - Parameter resets: how many other nodes wait for their reset.
        init(resets: Int = 0) {
            for number in 0..<resets {
                nodes.insert(NodeID(high: 4, low: UInt64(number)), at: 0)
                add(.reset, to: nodes[0])
            }
            for node in Self.updated {
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
                if case .reset = taken.call.request { resets += 1 }
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
                if !hasBegun { for node in nodes { serve(node) } }
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

    @Test("many resets are made 500 in a second, 50 beside Starts, before any peer update")
    func resets() {
        for (starts, expected) in [(0.0, 495...505), (3, 48...52)] {
            var load = Load(resets: 2_000)
            _ = load.run(.seconds(1), starts: starts)
            let before = load.resets
            #expect(load.run(.seconds(1), starts: starts) == 0)
            #expect(expected.contains(load.resets - before))
        }
    }

    @Test("updates are resumed without the end of another call only while they wait for the budget")
    func resumes() {
        var queues = CallQueues()
        #expect(queues.resumption == nil)
        let node = NodeID(high: 1, low: 1)
        for id in 1...2_000 as ClosedRange<CallID> {
            let request = NodeCall.Request.removePeer(NodeID(high: 3, low: id))
            queues.append(NodeCall(id: id, node: node, agentURL: "http://a:1", request: request), at: .zero)
        }
        var flights: [CallQueues.Taken] = []
        while let taken = queues.next(of: node, at: .zero) { flights.append(taken) }
        // The node takes no more at a time.
        #expect(flights.count == 4 && queues.resumption == nil)
        while let taken = flights.popLast() {
            _ = queues.finish(taken, .done, at: .zero)
            if let next = queues.next(of: node, at: .zero) { flights.append(next) }
        }
        #expect(queues.resumption != nil && queues.nextThrottled(at: .milliseconds(1)) == node)
        #expect(queues.next(of: node, at: .milliseconds(1)) != nil)
    }
}
