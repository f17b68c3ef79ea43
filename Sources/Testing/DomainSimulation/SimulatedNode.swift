import Domain

/// The actual state of a node's process, whatever the domain believes.
struct SimulatedNode {
    let id: NodeID
    var description: NodeDescription
    var nonce: UInt64
    /// How far its clock is ahead of the domain's, in milliseconds.
    var skew: Int
    /// When the domain last heard of it, in time in which the domain's process ran.
    var lastHeard = 0
    /// The refreshes that have come while the domain's process was paused.
    var waitingRefreshes = 0
    /// Whether it has announced that it leaves.
    var hasLeft = false
    /// Whether its process runs.
    var isAlive = true
    /// Until when its process is paused.
    var pausedUntil = 0
    /// Until when no call reaches it.
    var deafUntil = 0
    /// Until when its refreshes and answers are lost.
    var muteUntil = 0
    /// Its running components and their wiring.
    var running: [ComponentID: [String: PhysicalID]] = [:]
    /// Components that it has lost; it answers a Stop of one with an error.
    var lost: Set<ComponentID> = []
    var peers: [NodeID: String] = [:]
    /// The calls that it receives when it can, in order.
    var inbox: [ReceivedCall] = []
    /// Calls that take long, unless it is reset before.
    var slow: [ReceivedCall] = []

    /// A call that has reached a node, and the process of the domain that made it.
    struct ReceivedCall {
        let call: NodeCall
        let run: Int
    }

    /// Whether calls that arrive now wait.
    func isHeldUp(at time: Int) -> Bool { isAlive && time < max(pausedUntil, deafUntil) }

    /// Executes a call.
    mutating func carryOut(_ request: NodeCall.Request, _ random: inout Xoshiro) -> CallOutcome {
        switch request {
        case .reset: (running, lost) = ([:], [])
        case .addPeer(let peer, let url): peers[peer] = url
        case .removePeer(let peer): peers[peer] = nil
        case .start:
            let component = ComponentID(random: &random)
            running[component] = [:]
            return .started(PhysicalID(node: id, component: component))
        case .stop(let component, _):
            if lost.contains(component) { return .failed("no such component") }
            running[component] = nil
        case .patch(let component, _, let mapping):
            if running[component] != nil { running[component] = mapping }
        }
        return .done
    }

    /// Ends the process.
    mutating func end() {
        isAlive = false
        (running, lost, peers, pausedUntil) = ([:], [], [:], 0)
    }

    /// Starts the process anew: no components, another nonce.
    mutating func restart(_ random: inout Xoshiro) {
        end()
        nonce = random.next()
        (isAlive, hasLeft) = (true, false)
    }
}

/// The processes of a history's nodes. The node at index n has the id n + 1; behind them are processes that use the id of
/// one of these nodes.
struct NodeTable {
    private var nodes: [SimulatedNode] = []
    private var byURL: [String: Int] = [:]
    /// The number of nodes.
    private(set) var count = 0

    mutating func append(_ node: SimulatedNode) {
        add(node)
        count = nodes.count
    }

    /// Adds a process that uses the id of a node, with another agent.
    mutating func addRival(_ node: SimulatedNode) -> Int {
        add(node)
        return nodes.count - 1
    }

    private mutating func add(_ node: SimulatedNode) {
        byURL[node.description.agentURL] = nodes.count
        nodes.append(node)
    }

    /// The nodes.
    var indices: Range<Int> { 0..<count }

    /// The processes that use another's id.
    var rivals: Range<Int> { count..<nodes.count }

    /// All processes.
    var processes: Range<Int> { nodes.indices }

    /// Accesses nodes in place: a copy would copy all its peers.
    subscript(index: Int) -> SimulatedNode {
        _read { yield nodes[index] }
        _modify { yield &nodes[index] }
    }

    subscript(id: NodeID) -> SimulatedNode? { index(of: id).map { nodes[$0] } }

    func index(of id: NodeID) -> Int? {
        guard let number = Int(exactly: id.low), indices.contains(number - 1) else { return nil }
        return number - 1
    }

    /// The process whose agent listens there.
    func index(at agentURL: String) -> Int? { byURL[agentURL] }

    /// The living process of this run of a node.
    func index(of id: NodeID, nonce: UInt64?) -> Int? {
        let isIt = { (index: Int) in nodes[index].id == id && nodes[index].nonce == nonce && nodes[index].isAlive }
        if let index = index(of: id), isIt(index) { return index }
        return rivals.first(where: isIt)
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
        capabilities.labels.append("berth-numa-0-cpus=\(capabilities.isolatedCPUs)")
        // Some providers share a name.
        let providers = number % 3 == 0 ? [ResourceProvider(id: "provider-\(number / 6)", classType: "file-log")] : []
        return NodeDescription(
            agentURL: "http://10.0.0.\(number):7005", invocationURL: "http://10.0.0.\(number):7006",
            providers: providers, capabilities: capabilities)
    }
}

extension NodeCapabilities {
    /// The CPUs that a simulated node sets aside for functions.
    var isolatedCPUs: Int { Int(cpus) / 2 }
}
