import Domain

extension EdgelessApi_PatchRequest {
    /// What a node is told: where the outputs of one of its components lead.
    package init(_ origin: ComponentID, mapping: [String: PhysicalID]) {
        self.init()
        functionID = origin.description
        outputMapping = mapping.mapValues { EdgelessApi_InstanceId($0) }
    }

    /// What an orchestrator is told. The node ids are nil, as the reference's controller has them.
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

    /// Reads what the controller says (domain specification, section 1.3, rule 4): an entry of which either id is malformed is
    /// dropped; the node ids mean nothing.
    ///
    /// - Throws: ``WireError`` where the origin is no UUID, or where there is too much text.
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

    /// Reads what an orchestrator says to a node, likewise.
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

/// What a node is told of its peers.
package enum PeerUpdate: Hashable, Sendable {
    /// There is one more, whose functions are invoked at this URL.
    case add(NodeID, invocationURL: String)
    /// One is gone.
    case remove(NodeID)
    /// All are gone. Berth never says it: the reference's nodes crash.
    case clear
}

extension PeerUpdate {
    /// Reads an update.
    ///
    /// - Throws: ``WireError`` where a part that its kind needs is missing or malformed.
    package init(wire: EdgelessApi_UpdatePeersRequest) throws(WireError) {
        switch wire.requestType {
        case .add:
            let node = try NodeID(wire: wire.nodeID, "node_id")
            guard wire.hasInvocationURL else { throw WireError("invocation_url is missing") }
            self = .add(node, invocationURL: wire.invocationURL)
        case .del: self = .remove(try NodeID(wire: wire.nodeID, "node_id"))
        case .clear: self = .clear
        case .UNRECOGNIZED(let number): throw WireError("request_type: \(number) is none of 0, 1, 2")
        }
    }
}

extension EdgelessApi_UpdatePeersRequest {
    /// The message of an update; it has the fields that its kind needs, and no other (section 1.5).
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
