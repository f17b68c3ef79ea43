import Domain

/// A node as it really is, whatever the domain believes.
struct SimulatedNode {
    let id: NodeID
    var description: NodeDescription
    var nonce: UInt64
    /// How far its clock is ahead of the domain's, in milliseconds.
    let skew: Int
    /// Whether its process runs.
    var isAlive = true
    /// Until when nothing passes between it and the domain.
    var partitionedUntil = 0
    /// What runs on it, and where the outputs of each lead.
    var running: [ComponentID: [String: PhysicalID]] = [:]
    var peers: [NodeID: String] = [:]
    /// The calls that wait for their turn.
    var queue: ArraySlice<NodeCall> = []
    var isBusy = false
    /// The call that is on its way to it.
    var inFlight: NodeCall?
    /// The answer that is on its way back.
    var answer: (call: CallID, outcome: CallOutcome)?

    /// Does what it is asked.
    mutating func carryOut(_ request: NodeCall.Request, _ random: inout Xoshiro) -> CallOutcome {
        switch request {
        case .reset: running = [:]
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

    /// It ends and begins anew: nothing runs, and its number is another one.
    mutating func restart(_ random: inout Xoshiro) {
        nonce = random.next()
        isAlive = true
        running = [:]
        peers = [:]
    }
}

/// The nodes of a history, at places from 0 on; the node at a place has the id whose number is one more.
struct NodeTable {
    private var nodes: [SimulatedNode] = []

    mutating func append(_ node: SimulatedNode) { nodes.append(node) }

    var indices: Range<Int> { nodes.indices }

    /// Changes happen where the node is: a copy would cost one of all its peers.
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
    /// What the node of this number says of itself.
    static func simulated(_ number: Int, _ random: inout Xoshiro) -> NodeDescription {
        var capabilities = NodeCapabilities()
        capabilities.cpus = UInt32.random(in: 1...8, using: &random)
        capabilities.cores = capabilities.cpus
        capabilities.cpuFrequency = [0, 1000, 2400, .nan, .infinity, -3].randomElement(using: &random) ?? 0
        capabilities.runtimes = number == 0 || Bool.random(using: &random) ? ["RUST_WASM"] : ["RUST_WASM", "CONTAINER"]
        capabilities.labels = number % 2 == 0 ? ["even"] : ["odd"]
        // Some providers have the name of another one.
        let providers = number % 3 == 0 ? [ResourceProvider(id: "provider-\(number / 6)", classType: "file-log")] : []
        return NodeDescription(
            agentURL: "http://10.0.0.\(number):7005", invocationURL: "http://10.0.0.\(number):7006",
            providers: providers, capabilities: capabilities)
    }
}
