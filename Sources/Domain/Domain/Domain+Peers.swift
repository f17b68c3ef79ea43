/// The peers that a node is still to be told of, in order, and the node whose arrival or departure requires each.
///
/// A join of many nodes requires a peer update for each pair of them. Until its turn comes, an update is only an entry here.
struct PeerBacklog: Sendable {
    private var order: ArraySlice<NodeID> = []
    /// The cause of each update that waits.
    private(set) var causes: [NodeID: NodeID] = [:]

    /// Adds a peer, which keeps its place if it waits already.
    ///
    /// - Returns: the former cause of an update that waits already.
    mutating func append(_ peer: NodeID, cause: NodeID) -> NodeID? {
        let former = causes.updateValue(cause, forKey: peer)
        if former == nil { order.append(peer) }
        return former
    }

    mutating func popFirst() -> (peer: NodeID, cause: NodeID)? {
        guard let peer = order.popFirst(), let cause = causes.removeValue(forKey: peer) else { return nil }
        return (peer, cause)
    }
}

/// What nodes know of each other.
extension Domain {
    /// How many updates of one node may be outstanding at a time, besides those that it has answered with an error: more
    /// than are made at a time, so that the next ones are ready.
    private static let openUpdates = 16

    /// Announces a node to all nodes, itself included, and all nodes to it (domain specification, section 1.5).
    mutating func mesh(_ id: NodeID) {
        let others = readyNodes
        for node in others { tell(node, of: id, cause: id) }
        for peer in others where peer != id { tell(id, of: peer, cause: id) }
    }

    /// Tells all nodes to forget a node that left.
    mutating func announceDeparture(_ id: NodeID) {
        for node in readyNodes { tell(node, of: id, cause: id) }
        if openPeerCalls[id] == nil, records.departed.contains(id) { change(.departed(id, false)) }
    }

    private var readyNodes: [NodeID] { records.nodes.values.lazy.filter(\.isReset).map(\.id).sorted() }

    /// Tells a node what has become of a peer, at once or after what it is being told.
    ///
    /// - Parameter cause: the node whose arrival or departure requires it.
    mutating func tell(_ node: NodeID, of peer: NodeID, cause: NodeID) {
        let update = PendingCall.peer(node, of: peer)
        guard pendingCalls[update] == nil, pendingCalls.openUpdates(of: node) >= Self.openUpdates else {
            return enqueue(update, cause: cause)
        }
        openPeerCalls[cause, default: 0] += 1
        if let former = peerBacklogs[node, default: PeerBacklog()].append(peer, cause: cause) { finishPeerCall(former) }
    }

    /// Sends a node its next updates.
    mutating func tellMore(_ node: NodeID) {
        while pendingCalls.openUpdates(of: node) < Self.openUpdates {
            guard let (peer, cause) = peerBacklogs[node]?.popFirst() else { return peerBacklogs[node] = nil }
            enqueue(.peer(node, of: peer), cause: cause)
            // It was counted while it waited.
            finishPeerCall(cause)
        }
    }

    /// Forgets what a node that leaves was still to be told.
    mutating func dropBacklog(of node: NodeID) {
        guard let backlog = peerBacklogs.removeValue(forKey: node) else { return }
        for cause in backlog.causes.values.sorted() { finishPeerCall(cause) }
    }

    /// Counts down the peer updates that a node's arrival or departure requires.
    mutating func finishPeerCall(_ cause: NodeID) {
        guard let open = openPeerCalls[cause] else { return }
        openPeerCalls[cause] = open > 1 ? open - 1 : nil
        guard open == 1 else { return }
        if var node = records.nodes[cause] {
            guard node.isReset, !node.isMeshed else { return }
            node.isMeshed = true
            change(.node(node))
        } else if records.departed.contains(cause) {
            change(.departed(cause, false))
        }
    }
}
