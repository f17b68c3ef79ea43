import Dispatch
import Domain
import DomainRuntime
import Logging
import Synchronization

/// Nodes and a controller in memory.
final class FakeTransport: DomainTransport {
    struct Heard: Sendable, Equatable {
        let node: NodeID
        let request: NodeCall.Request
    }

    private struct State {
        var heard: [Heard] = []
        var open = 0
        var mostOpen = 0
        var silent: Set<NodeID> = []
        var slow: Set<NodeID> = []
        var hanging: [NodeID: Int] = [:]
        var components: UInt64 = 0
        var clients: [String] = []
        var updates: [DomainUpdate] = []
    }

    private let state = Mutex(State())

    var heard: [Heard] { state.withLock { $0.heard } }
    var clients: Int { clientURLs.count }
    /// The URLs of the clients, in order of creation.
    var clientURLs: [String] { state.withLock { $0.clients } }
    var updates: [DomainUpdate] { state.withLock { $0.updates } }
    var mostOpen: Int { state.withLock { $0.mostOpen } }

    /// From now on this node does not answer.
    func silence(_ node: NodeID) { state.withLock { _ = $0.silent.insert(node) } }

    /// From now on this node carries out calls only when it is released.
    func delay(_ node: NodeID) { state.withLock { _ = $0.slow.insert(node) } }

    /// Ends the calls to a silent or slow node, which answers again.
    func release(_ node: NodeID) {
        state.withLock { state in
            state.silent.remove(node)
            state.slow.remove(node)
        }
    }

    /// The calls to a node that are waiting for an answer.
    func hanging(at node: NodeID) -> Int { state.withLock { $0.hanging[node] ?? 0 } }

    private func isWaiting(_ node: NodeID) -> Bool {
        state.withLock { $0.silent.contains(node) || $0.slow.contains(node) }
    }

    func client(of node: NodeID, at url: String) -> any NodeClient {
        state.withLock { $0.clients.append(url) }
        return Client(node: node, transport: self)
    }

    func update(_ update: DomainUpdate) async -> DomainUpdateOutcome {
        state.withLock { $0.updates.append(update) }
        return .accepted
    }

    /// Returns after the deadline, or when the node is released.
    private func hang(_ node: NodeID, _ deadline: Duration) async {
        state.withLock { $0.hanging[node, default: 0] += 1 }
        let end = ContinuousClock.now + deadline
        while isWaiting(node), ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(5)) }
        state.withLock { $0.hanging[node, default: 0] -= 1 }
    }

    private struct Client: NodeClient {
        let node: NodeID
        let transport: FakeTransport

        func call(
            _ request: NodeCall.Request, within deadline: Duration, late: (@Sendable (CallOutcome) -> Void)?
        ) async -> CallOutcome {
            let isSilent = transport.state.withLock { state in
                state.heard.append(Heard(node: node, request: request))
                state.open += 1
                state.mostOpen = max(state.mostOpen, state.open)
                return state.silent.contains(node)
            }
            if transport.isWaiting(node) { await transport.hang(node, deadline) } else { await Task.yield() }
            return transport.state.withLock { state in
                state.open -= 1
                if isSilent { return .unknown("no answer") }
                guard case .start = request else { return .done }
                state.components += 1
                return .started(
                    PhysicalID(node: node, component: ComponentID(high: 9, low: state.components)))
            }
        }

        func close() {}
    }
}

/// Stores records in memory; can be made to fail or to block.
final class MemoryStore: DomainRecordStore, Sendable {
    struct Full: Error {}

    private let state = Mutex((records: DomainRecords(), isFull: false, syncs: 0))
    private let gate = Mutex<(isHeld: Bool, waits: Int)>((false, 0))
    private let opened = DispatchSemaphore(value: 0)

    var records: DomainRecords { state.withLock { $0.records } }
    var syncs: Int { state.withLock { $0.syncs } }
    var isFull: Bool {
        get { state.withLock { $0.isFull } }
        set { state.withLock { $0.isFull = newValue } }
    }

    var failure: String? { isFull ? "full" : nil }

    /// From now on commits block until ``release()``.
    func hold() { gate.withLock { $0.isHeld = true } }

    func release() {
        let waits = gate.withLock { gate in
            gate.isHeld = false
            defer { gate.waits = 0 }
            return gate.waits
        }
        for _ in 0..<waits { opened.signal() }
    }

    /// Whether a commit is blocked.
    var isWaiting: Bool { gate.withLock { $0.waits > 0 } }

    func commit(_ changes: [DomainChange], before: DomainRecords) throws {
        let isHeld = gate.withLock { gate in
            if gate.isHeld { gate.waits += 1 }
            return gate.isHeld
        }
        if isHeld { opened.wait() }
        try state.withLock { state in
            if state.isFull { throw Full() }
            state.syncs += 1
            for change in changes { state.records.apply(change) }
        }
    }

    func maintain(_ records: DomainRecords, isIdle: Bool) {}

    func close(_ records: DomainRecords) {}
}
