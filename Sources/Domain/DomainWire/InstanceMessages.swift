import Domain

extension LogicalID {
    /// Parses the id in a controller's Stop (domain specification, section 1.3, rule 3).
    package init(wire: EdgelessApi_InstanceIdVariant) throws(WireError) {
        switch wire.instanceIDType {
        case .domainManagedInstanceID(let id):
            try self.init(wire: id.instanceID, "domain_managed_instance_id.instance_id")
        case .instanceID:
            throw WireError("instance_id is for nodes: expected a domain_managed_instance_id")
        case nil:
            throw WireError("the instance id is missing: expected a domain_managed_instance_id")
        }
    }
}

extension PhysicalID {
    /// Parses both parts, which must be UUIDs.
    package init(wire: EdgelessApi_InstanceId) throws(WireError) {
        self.init(
            node: try NodeID(wire: wire.nodeID, "node_id"),
            component: try ComponentID(wire: wire.functionID, "function_id"))
    }

    /// Parses the id in an orchestrator's Stop.
    package init(wire: EdgelessApi_InstanceIdVariant) throws(WireError) {
        switch wire.instanceIDType {
        case .instanceID(let id):
            try self.init(wire: id)
        case .domainManagedInstanceID:
            throw WireError("domain_managed_instance_id is for orchestrators: expected an instance_id")
        case nil:
            throw WireError("the instance id is missing: expected an instance_id")
        }
    }
}

extension EdgelessApi_InstanceId {
    /// Creates the message of an id.
    package init(_ id: PhysicalID) {
        self.init()
        nodeID = id.node.description
        functionID = id.component.description
    }
}

extension EdgelessApi_InstanceIdVariant {
    /// Creates the id of a component at its node.
    package init(_ id: PhysicalID) {
        self.init()
        instanceID = EdgelessApi_InstanceId(id)
    }

    /// Creates the id of an instance at the controller.
    package init(_ id: LogicalID) {
        self.init()
        domainManagedInstanceID.instanceID = id.description
    }
}

extension DomainRefusal {
    /// Creates a refusal from its message.
    package init(wire: EdgelessApi_ResponseError) {
        self.init(wire.summary, detail: wire.hasDetail ? wire.detail : nil)
    }
}

extension EdgelessApi_ResponseError {
    /// Creates the message of a refusal.
    package init(_ refusal: DomainRefusal) {
        self.init()
        summary = refusal.summary
        if let detail = refusal.detail { self.detail = detail }
    }
}

extension EdgelessApi_StartComponentResponse {
    /// Creates an orchestrator's answer.
    package init(_ answer: Result<LogicalID, DomainRefusal>) {
        self.init()
        switch answer {
        case .success(let id): instanceID = EdgelessApi_InstanceIdVariant(id)
        case .failure(let refusal): responseError = EdgelessApi_ResponseError(refusal)
        }
    }

    /// Creates a node's answer.
    package init(_ answer: Result<PhysicalID, DomainRefusal>) {
        self.init()
        switch answer {
        case .success(let id): instanceID = EdgelessApi_InstanceIdVariant(id)
        case .failure(let refusal): responseError = EdgelessApi_ResponseError(refusal)
        }
    }

    /// Parses a node's answer (domain specification, section 1.3, rule 5).
    ///
    /// - Throws: ``WireError`` if it contains neither an id nor a refusal.
    package func nodeAnswer() throws(WireError) -> Result<PhysicalID, DomainRefusal> {
        if hasInstanceID { return .success(try PhysicalID(wire: instanceID)) }
        return .failure(try refusal())
    }

    /// Parses an orchestrator's answer in the same way.
    package func domainAnswer() throws(WireError) -> Result<LogicalID, DomainRefusal> {
        if hasInstanceID { return .success(try LogicalID(wire: instanceID)) }
        return .failure(try refusal())
    }

    private func refusal() throws(WireError) -> DomainRefusal {
        guard hasResponseError else { throw WireError("the answer has neither an instance_id nor a response_error") }
        return DomainRefusal(wire: responseError)
    }
}
