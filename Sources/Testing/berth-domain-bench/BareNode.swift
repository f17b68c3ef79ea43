import Domain
import DomainRPC
import DomainWire
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
import SwiftProtobuf
import Synchronization

/// A node's agent that answers at once and runs nothing; many fit into one process.
final class BareNode: Sendable {
    let id: NodeID
    let port: Int
    /// Counts its calls.
    let counts: CallCounts
    private let task: Task<Void, any Error>

    /// Starts to listen, by default at any free port.
    init(number: Int, port: Int = 0, counts: CallCounts) throws {
        id = NodeID(high: 0xBE9C, low: UInt64(number))
        self.counts = counts
        let listener = try Listener(
            ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: UInt16(clamping: port)))
        self.port = Int(listener.port)
        let server = GRPCServer(
            transport: HTTP2ServerTransport.Posix(
                listeningSocketDescriptor: Int(listener.take()), transportSecurity: .plaintext, config: .defaults),
            services: [BareFunctions(node: id, counts: counts), BareManagement(node: id, counts: counts)])
        task = Task { try await server.serve() }
    }

    deinit { task.cancel() }

    /// What it says of itself.
    ///
    /// - Parameter lease: when it says that it will have refreshed, in seconds from now.
    func update(labels: [String] = [], lease: Double = 3_600, nonce: UInt64 = 1) -> NodeUpdate {
        NodeUpdate(
            node: id, description: Self.description(port: port, labels: labels),
            refreshDeadline: UInt64(seconds(CLOCK_REALTIME) + lease), nonce: nonce)
    }

    /// The description of a node.
    static func description(port: Int, labels: [String] = []) -> NodeDescription {
        var capabilities = NodeCapabilities()
        capabilities.cpus = 4
        capabilities.cores = 2
        capabilities.cpuModel = "bench"
        capabilities.cpuFrequency = 2_400
        capabilities.memoryMiB = 8_192
        capabilities.runtimes = ["RUST_WASM"]
        capabilities.labels = ["hostname=bench"] + labels
        return NodeDescription(
            agentURL: "http://127.0.0.1:\(port)", invocationURL: "http://127.0.0.1:7006", capabilities: capabilities)
    }
}

/// Counts the calls to nodes.
final class CallCounts: Sendable {
    struct State {
        var starts = 0
        var stops = 0
        var patches = 0
        var resets = 0
        var peers = 0
        /// Where the function with a state runs, and where its output leads; only while `isFollowed`.
        var placements: [String: PhysicalID] = [:]
        var targets: [ComponentID: String] = [:]
        var isFollowed = false
        /// While it is closed, those nodes answer nothing.
        var silent: Set<NodeID> = []
        var unanswered: [CheckedContinuation<Void, Never>] = []
    }

    let state = Mutex(State())

    /// Lets a node answer nothing from now on.
    func silence(_ node: NodeID) { state.withLock { _ = $0.silent.insert(node) } }

    /// Lets all nodes answer again, also what they were asked meanwhile.
    func wake() {
        let waiting = state.withLock { state in
            defer { (state.silent, state.unanswered) = ([], []) }
            return state.unanswered
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Counts, and returns once the node may answer.
    func take(_ node: NodeID, _ count: (inout State) -> Void) async {
        let isSilent = state.withLock { state in
            count(&state)
            return state.silent.contains(node)
        }
        guard isSilent else { return }
        await withCheckedContinuation { continuation in
            let isAwake = state.withLock { state in
                guard state.silent.contains(node) else { return true }
                state.unanswered.append(continuation)
                return false
            }
            if isAwake { continuation.resume() }
        }
    }

    /// Waits until the nodes have received this many more calls than at `before`.
    func wait(for what: String, limit: Double = 60, _ condition: (borrowing State) -> Bool) async throws {
        try await berth_domain_bench.wait(for: what, limit: limit) { state.withLock { condition($0) } }
    }
}

private struct BareFunctions: EdgelessApi_FunctionInstance.SimpleServiceProtocol {
    let node: NodeID
    let counts: CallCounts

    func start(
        request: EdgelessApi_SpawnFunctionRequest, context: ServerContext
    ) async throws -> EdgelessApi_StartComponentResponse {
        var random = SystemRandomNumberGenerator()
        let id = PhysicalID(node: node, component: ComponentID(random: &random))
        await counts.take(node) { state in
            state.starts += 1
            if state.isFollowed { state.placements[request.stateSpecification.stateID] = id }
        }
        return EdgelessApi_StartComponentResponse(.success(id))
    }

    func stop(request: EdgelessApi_InstanceIdVariant, context: ServerContext) async throws -> Google_Protobuf_Empty {
        await counts.take(node) { $0.stops += 1 }
        return Google_Protobuf_Empty()
    }

    func patch(request: EdgelessApi_PatchRequest, context: ServerContext) async throws -> Google_Protobuf_Empty {
        let target = request.outputMapping["out"]?.functionID
        let origin = ComponentID(request.functionID)
        await counts.take(node) { state in
            state.patches += 1
            if state.isFollowed, let origin { state.targets[origin] = target }
        }
        return Google_Protobuf_Empty()
    }
}

private struct BareManagement: EdgelessApi_NodeManagement.SimpleServiceProtocol {
    let node: NodeID
    let counts: CallCounts

    func updatePeers(
        request: EdgelessApi_UpdatePeersRequest, context: ServerContext
    ) async throws -> Google_Protobuf_Empty {
        await counts.take(node) { $0.peers += 1 }
        return Google_Protobuf_Empty()
    }

    func reset(request: Google_Protobuf_Empty, context: ServerContext) async throws -> Google_Protobuf_Empty {
        await counts.take(node) { $0.resets += 1 }
        return Google_Protobuf_Empty()
    }
}
