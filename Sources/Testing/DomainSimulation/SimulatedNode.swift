import Domain

/// The actual state of a node, whatever the domain believes.
struct SimulatedNode {
    let id: NodeID
    var description: NodeDescription
    var nonce: UInt64
    /// How far its clock is ahead of the domain's, in milliseconds.
    var skew: Int
    /// When the domain last heard of it, in time in which the domain's process ran.
    var lastHeard = 0
    /// Whether it has announced that it leaves.
    var hasLeft = false
    /// Whether its process runs.
    var isAlive = true
    /// Until when it is disconnected from the domain.
    var partitionedUntil = 0
    /// Its running components and their wiring.
    var running: [ComponentID: [String: PhysicalID]] = [:]
    var peers: [NodeID: String] = [:]
    /// The calls that wait for their turn.
    var queue: ArraySlice<NodeCall> = []
    var isBusy = false
    /// The call on its way to the node.
    var inFlight: NodeCall?
    /// Starts that it carries out after their deadline, unless it is reset before.
    var overdue: [NodeCall] = []
    /// The answer on its way back.
    var answer: (call: CallID, outcome: CallOutcome)?

    /// Executes a call.
    mutating func carryOut(_ request: NodeCall.Request, _ random: inout Xoshiro) -> CallOutcome {
        switch request {
        case .reset: (running, overdue) = ([:], [])
        case .addPeer(let peer, let url): peers[peer] = url
        case .removePeer(let peer): peers[peer] = nil
        case .start:
            let component = ComponentID(random: &random)
            running[component] = [:]
            return .started(PhysicalID(node: id, component: component))
        case .stop(let component, _): running[component] = nil
        case .patch(let component, _, let mapping):
            if running[component] != nil { running[component] = mapping }
        }
        return .done
    }

    /// Restarts the node: no components, another nonce.
    mutating func restart(_ random: inout Xoshiro) {
        nonce = random.next()
        isAlive = true
        hasLeft = false
        running = [:]
        overdue = []
        peers = [:]
    }
}

/// The nodes of a history; the node at index n has the id n + 1.
struct NodeTable {
    private var nodes: [SimulatedNode] = []

    mutating func append(_ node: SimulatedNode) { nodes.append(node) }

    var indices: Range<Int> { nodes.indices }

    /// Accesses nodes in place: a copy would copy all its peers.
    subscript(index: Int) -> SimulatedNode {
        _read { yield nodes[index] }
        _modify { yield &nodes[index] }
    }

    subscript(id: NodeID) -> SimulatedNode? { index(of: id).map { nodes[$0] } }

    func index(of id: NodeID) -> Int? {
        guard let number = Int(exactly: id.low), nodes.indices.contains(number - 1) else { return nil }
        return number - 1
    }
}

extension NodeDescription {
    /// The description of the node with this number.
    static func simulated(_ number: Int, _ random: inout Xoshiro) -> NodeDescription {
        var capabilities = NodeCapabilities()
        capabilities.cpus = UInt32.random(in: 1...8, using: &random)
        capabilities.cores = capabilities.cpus
        capabilities.cpuFrequency = [0, 1000, 2400, .nan, .infinity, -3].randomElement(using: &random) ?? 0
        capabilities.runtimes = number == 0 || Bool.random(using: &random) ? ["RUST_WASM"] : ["RUST_WASM", "CONTAINER"]
        capabilities.labels = number % 2 == 0 ? ["even"] : ["odd"]
        // Some providers share a name.
        let providers = number % 3 == 0 ? [ResourceProvider(id: "provider-\(number / 6)", classType: "file-log")] : []
        return NodeDescription(
            agentURL: "http://10.0.0.\(number):7005", invocationURL: "http://10.0.0.\(number):7006",
            providers: providers, capabilities: capabilities)
    }
}
