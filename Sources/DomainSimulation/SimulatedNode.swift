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
    var lane: ArraySlice<NodeCall> = []
    var isBusy = false
    /// The call that is on its way to it.
    var inFlight: NodeCall?

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
