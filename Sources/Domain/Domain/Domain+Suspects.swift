/// Nodes that refresh although their agent answers no call.
extension Domain {
    /// Takes note of whether a node answers. After one unanswered call it is suspect, until it answers again.
    ///
    /// - Parameter isRetried: whether the call is repeated until the node answers.
    mutating func note(_ outcome: CallOutcome, of node: NodeID, isRetried: Bool) {
        guard records.nodes[node] != nil else { return }
        switch outcome {
        case .done, .started, .refused, .failed:
            guard suspects.remove(node) != nil else { return }
            log(.notice, "a node answers again", logFields(of: node))
        case .dropped: return
        case .unreachable, .unknown, .overdue:
            guard suspects.insert(node).inserted else { return }
            log(
                .warning, "a node does not answer; it is the last choice for Starts until it does",
                logFields(of: node).merging(["reason": outcome.problem ?? ""]) { $1 })
            // A node knows itself as a peer, so this call changes nothing. It is retried until the node answers.
            if !isRetried, records.nodes[node]?.isReset == true, pendingCalls[.peer(node, of: node)] == nil {
                enqueue(.peer(node, of: node))
            }
        }
    }

    /// Chooses with `choose` among the nodes that are not suspect and, if there is none, among all.
    ///
    /// - Parameter tried: nodes to skip in any case.
    mutating func choosing<Choice>(
        excluding tried: Set<NodeID>, _ choose: (inout Domain, Set<NodeID>) -> Choice?
    ) -> Choice? {
        guard !suspects.isEmpty else { return choose(&self, tried) }
        return choose(&self, tried.union(suspects)) ?? choose(&self, tried)
    }
}
