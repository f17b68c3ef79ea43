import Testing

@testable import Domain

/// How many nodes may join, and how much may be stored.
@Suite struct BoundsTests {
    private static func function(_ bytes: Int, code: Binary? = nil) -> Specification {
        .function(
            FunctionSpecification(
                functionClass: FunctionClass(id: "f", runtime: "r", version: "1", binary: code),
                annotations: ["a": String(repeating: "x", count: bytes)], stateID: StateID(high: 1, low: 1)))
    }

    private static func record(_ number: UInt64, _ specification: Specification) -> InstanceRecord {
        InstanceRecord(
            id: LogicalID(high: 1, low: number), specification: specification, created: number, physical: nil)
    }

    @Test("the size after changes is that of the records, and shared code counts once")
    func size() {
        let code = Binary(digest: "d", bytes: Array(repeating: 1, count: 5_000))
        let node = NodeRecord(
            id: NodeID(high: 1, low: 1), nonce: 1,
            description: NodeDescription(agentURL: "http://a:1", invocationURL: "http://a:2"), claims: [:])
        var described = node
        described.description.capabilities.labels = ["label"]
        let (first, second) = (
            Self.record(1, Self.function(100, code: code)), Self.record(2, Self.function(7, code: code))
        )
        let changes: [DomainChange] = [
            .node(node), .node(described), .instance(first), .instance(second), .instance(first),
            .wiring(first.id, ["out": second.id]), .wiring(first.id, ["out": second.id, "other": second.id]),
            .placed(first.id, nil), .instanceRemoved(first.id), .nodeRemoved(node.id), .instanceRemoved(second.id),
        ]
        var records = DomainRecords()
        var size = StateSize(of: records)
        for (step, change) in changes.enumerated() {
            size.take(change, of: records)
            records.apply(change)
            #expect(size == StateSize(of: records), "after change \(step)")
            if (2...9).contains(step) { #expect(size.code == 5_000, "after change \(step)") }
        }
        #expect(size.texts == 0 && size.code == 0)
    }

    @Test("more text than a record of the store takes is refused, whatever the limit is")
    func texts() {
        let size = StateSize(of: DomainRecords())
        #expect(size.refusal(of: StateSize.textLimit, limit: .max / 2) == nil)
        #expect(size.refusal(of: StateSize.textLimit + 1, limit: .max / 2)?.summary == "state too large")
        #expect(size.refusal(of: 0, code: 8 << 30, limit: .max / 2) == nil)
        #expect(size.refusal(of: 0, code: 8 << 30, limit: 4 << 30)?.detail?.contains("state_limit_bytes") == true)
    }

    @Test("Starts that are in progress count, so that many at once do not exceed the limit")
    func starts() {
        var options = DomainOptions()
        options.stateLimit = 10_000
        var domain = Domain(
            options: options, random: Xoshiro(seed: 1), now: Timestamp(monotonic: 1_000, wall: 1_700_000_000_000))
        let now = Timestamp(monotonic: 2_000, wall: 1_700_000_001_000)
        _ = domain.begin(at: now)
        // A node that is joining, for which Starts wait.
        var description = NodeDescription(agentURL: "http://a:1", invocationURL: "http://a:2")
        (description.capabilities.cpus, description.capabilities.cores) = (1, 1)
        description.capabilities.runtimes = ["r"]
        let update = NodeUpdate(
            node: NodeID(high: 1, low: 1), description: description, refreshDeadline: 1_700_000_100, nonce: 1)
        _ = domain.handle(.update(update, problem: nil, 1), at: now)
        var refused = 0
        for request in 2...11 as ClosedRange<RequestID> {
            let step = domain.handle(.start(Self.function(2_000), request), at: now)
            for case .started(_, .failure(let refusal)) in step.effects where refusal.summary == "state too large" {
                refused += 1
            }
        }
        #expect(refused == 7)
    }

    @Test("an address may register new nodes again after ten minutes, and other addresses are not affected")
    func newcomers() {
        var options = DomainOptions()
        options.newNodesPerClient = 2
        var domain = Domain(
            options: options, random: Xoshiro(seed: 1), now: Timestamp(monotonic: 0, wall: 1_700_000_000_000))
        var number: UInt64 = 0
        func isAccepted(_ client: String, at seconds: Int, node: UInt64? = nil) -> Bool {
            number += 1
            var update = NodeUpdate(
                node: NodeID(high: 1, low: node ?? number),
                description: NodeDescription(agentURL: "http://a:\(number)", invocationURL: "http://a:1"),
                refreshDeadline: 1_700_000_000 + 100_000, nonce: node ?? number)
            update.client = client
            let now = Timestamp(monotonic: seconds * 1000, wall: 1_700_000_000_000 + seconds * 1000)
            let step = domain.handle(.update(update, problem: nil, number), at: now)
            return step.effects.contains(.updated(number, nil))
        }
        #expect(isAccepted("10.0.0.1", at: 1))
        #expect(isAccepted("10.0.0.1", at: 2))
        #expect(!isAccepted("10.0.0.1", at: 3))
        #expect(isAccepted("10.0.0.1", at: 4, node: 1))
        #expect(isAccepted("10.0.0.2", at: 5))
        #expect(!isAccepted("10.0.0.1", at: 600))
        #expect(isAccepted("10.0.0.1", at: 601))
    }
}
