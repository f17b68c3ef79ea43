import Domain

extension EdgelessApi_PatchRequest {
    /// Creates a Patch for a node.
    package init(_ origin: ComponentID, mapping: [String: PhysicalID]) {
        self.init()
        functionID = origin.description
        outputMapping = mapping.mapValues { EdgelessApi_InstanceId($0) }
    }

    /// Creates a Patch for an orchestrator. The node ids are nil UUIDs, as in the EDGELESS controller.
    package init(_ origin: LogicalID, mapping: [String: LogicalID]) {
        self.init()
        functionID = origin.description
        outputMapping = mapping.mapValues { target in
            var id = EdgelessApi_InstanceId()
            id.nodeID = NodeID(high: 0, low: 0).description
            id.functionID = target.description
            return id
        }
    }

    /// Parses a controller's Patch (domain specification, section 1.3, rule 4): entries with a malformed id are
    /// dropped; node ids are ignored.
    ///
    /// - Throws: ``WireError`` if the origin is not a UUID, or there is too much text.
    package func domainPatch() throws(WireError) -> (origin: LogicalID, mapping: [String: LogicalID]) {
        let origin = try LogicalID(wire: functionID, "function_id")
        try TextLimit.check("output_mapping", Array(outputMapping.keys))
        return (
            origin,
            outputMapping.compactMapValues { target in
                NodeID(target.nodeID) == nil ? nil : LogicalID(target.functionID)
            }
        )
    }

    /// Parses an orchestrator's Patch in the same way.
    package func nodePatch() throws(WireError) -> (origin: ComponentID, mapping: [String: PhysicalID]) {
        let origin = try ComponentID(wire: functionID, "function_id")
        return (
            origin,
            outputMapping.compactMapValues { target in
                guard let node = NodeID(target.nodeID), let component = ComponentID(target.functionID) else {
                    return nil
                }
                return PhysicalID(node: node, component: component)
            }
        )
    }
}

/// A change of a node's peers.
package enum PeerUpdate: Hashable, Sendable {
    /// Add a peer, whose functions are invoked at this URL.
    case add(NodeID, invocationURL: String)
    /// Remove a peer.
    case remove(NodeID)
    /// Remove all peers. Berth never sends it, because it crashes EDGELESS nodes.
    case clear
}

extension PeerUpdate {
    /// Parses an update.
    ///
    /// - Throws: ``WireError`` if a required part is missing or malformed.
    package init(wire: EdgelessApi_UpdatePeersRequest) throws(WireError) {
        switch wire.requestType {
        case .add:
            let node = try NodeID(wire: wire.nodeID, "node_id")
            guard wire.hasInvocationURL else { throw WireError("invocation_url is missing") }
            self = .add(node, invocationURL: wire.invocationURL)
        case .del: self = .remove(try NodeID(wire: wire.nodeID, "node_id"))
        case .clear: self = .clear
        case .UNRECOGNIZED(let number): throw WireError("request_type: \(number) is not one of 0, 1, 2")
        }
    }
}

extension EdgelessApi_UpdatePeersRequest {
    /// Creates the message of an update, with only the fields of its kind (section 1.5).
    package init(_ update: PeerUpdate) {
        self.init()
        switch update {
        case .add(let node, let url):
            requestType = .add
            nodeID = node.description
            invocationURL = url
        case .remove(let node):
            requestType = .del
            nodeID = node.description
        case .clear: requestType = .clear
        }
    }
}
