import HostClient
import KubernetesClient
import NodeAgent
import Synchronization
import TestSupport

/// A daemon that owns claims, in this process.
final class FakeHost: NodeHost {
    struct State {
        var claims: [ObjectKey: HeldClaim] = [:]
        var others: [Int] = []
        var machine = NodeMachine(
            online: Array(0..<8), cores: (0..<4).map { [$0, $0 + 4] }, packages: [Array(0..<8)],
            nodes: [(0, Array(0..<8))], reserved: [0, 4])
        var number = 0
        var isAway = false
        /// Whether it refuses, and why.
        var refuses: @Sendable (ObjectKey, ClaimWish) -> String? = { _, _ in nil }
        var refusalCode = "held_by_others"
        /// Pods whose requests are never answered.
        var hanging: Set<ObjectKey> = []
        var streams: [Int: AsyncStream<NodeHostEvent>.Continuation] = [:]
        var lastStream = 0
        /// What changed claims: `put NAMESPACE/NAME CPUS`, `release NAMESPACE/NAME`.
        var changes: [String] = []
        var working: Set<ObjectKey> = []
        var overlaps = 0
    }

    let state = Mutex(State())

    /// Everything that changed claims.
    var changes: [String] { state.withLock { $0.changes } }

    private func answer<Value: Sendable>(
        _ body: (inout State) throws(BerthError) -> Value
    ) throws(BerthError) -> Value {
        try state.withLock { state throws(BerthError) in
            if state.isAway { throw .unreachable("Cannot connect to /run/berth/berth.sock; is berthd running?") }
            return try body(&state)
        }
    }

    // MARK: - What happens to it

    /// It ends, or comes back, with the claims that it had.
    func set(away: Bool) {
        state.withLock { state in
            state.isAway = away
            if away {
                for stream in state.streams.values { stream.finish() }
                state.streams = [:]
            }
        }
    }

    /// Something happens that is told.
    func tell(_ pods: Set<ObjectKey> = [], others: Bool = false) {
        state.withLock { state in Self.tell(&state, pods, others: others) }
    }

    private static func tell(_ state: inout State, _ pods: Set<ObjectKey>, others: Bool) {
        state.number += 1
        for stream in state.streams.values {
            stream.yield(.claims(number: state.number, pods: pods, others: others))
        }
    }

    func tellMachine() {
        state.withLock { state in for stream in state.streams.values { stream.yield(.machine) } }
    }

    // MARK: - NodeHost

    func refusal() async throws(BerthError) -> String? { try answer { _ throws(BerthError) in nil } }
    func machine() async throws(BerthError) -> NodeMachine { try answer { state throws(BerthError) in state.machine } }
    func cpusOfOthers() async throws(BerthError) -> [Int] { try answer { state throws(BerthError) in state.others } }

    func podsWithClaims() async throws(BerthError) -> [ObjectKey] {
        try answer { state throws(BerthError) in Array(state.claims.keys) }
    }

    func claim(of pod: ObjectKey) async throws(BerthError) -> HeldClaim? {
        try answer { state throws(BerthError) in state.claims[pod] }
    }

    func put(_ wish: ClaimWish, for pod: ObjectKey) async throws(BerthError) -> HeldClaim {
        try begin(pod)
        defer { state.withLock { _ = $0.working.remove(pod) } }
        if state.withLock({ $0.hanging.contains(pod) }) {
            try? await Task.sleep(for: .seconds(1_000))
            throw .timedOut
        }
        try? await Task.sleep(for: .milliseconds(1))
        return try answer { state throws(BerthError) in
            if let reason = state.refuses(pod, wish) {
                let text = #"{"code": "\#(state.refusalCode)", "detail": "\#(reason)"}"#
                throw .problem(Problem(status: 409, Array(text.utf8)))
            }
            let held = HeldClaim(
                cgroupUID: wish.cgroupUID, cpus: wish.cpus, exclusive: wish.level == .none ? "" : wish.cpus,
                level: wish.level, memoryNodes: wish.memoryNodes,
                containers: wish.containers.map { .init(name: $0.name, id: $0.id) }, isPinning: wish.isPinning)
            state.claims[pod] = held
            state.changes.append("put \(pod) \(wish.cpus)")
            Self.tell(&state, [pod], others: false)
            return held
        }
    }

    func release(_ pod: ObjectKey) async throws(BerthError) {
        try begin(pod)
        defer { state.withLock { _ = $0.working.remove(pod) } }
        try answer { state throws(BerthError) in
            guard state.claims.removeValue(forKey: pod) != nil else { return }
            state.changes.append("release \(pod)")
            Self.tell(&state, [pod], others: false)
        }
    }

    private func begin(_ pod: ObjectKey) throws(BerthError) {
        try answer { state throws(BerthError) in
            if !state.working.insert(pod).inserted { state.overlaps += 1 }
        }
    }

    func newestEvent() async throws(BerthError) -> Int { try answer { state throws(BerthError) in state.number } }

    func follow(after: Int, _ body: @Sendable (NodeHostEvent) -> Void) async throws(BerthError) {
        let (events, continuation) = AsyncStream<NodeHostEvent>.makeStream()
        let id = try answer { state throws(BerthError) in
            state.lastStream += 1
            state.streams[state.lastStream] = continuation
            if state.number > after { continuation.yield(.gap) }
            return state.lastStream
        }
        for await event in events { body(event) }
        state.withLock { _ = $0.streams.removeValue(forKey: id) }
    }
}
