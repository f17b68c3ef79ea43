import Domain

extension LogicalID {
    /// Reads what the controller wants stopped (domain specification, section 1.3, rule 3).
    package init(wire: EdgelessApi_InstanceIdVariant) throws(WireError) {
        switch wire.instanceIDType {
        case .domainManagedInstanceID(let id):
            try self.init(wire: id.instanceID, "domain_managed_instance_id.instance_id")
        case .instanceID:
            throw WireError("instance_id is what nodes are asked with: a domain_managed_instance_id is needed")
        case nil:
            throw WireError("the instance id is missing: a domain_managed_instance_id is needed")
        }
    }
}

extension PhysicalID {
    /// Reads both parts; each must be a UUID.
    package init(wire: EdgelessApi_InstanceId) throws(WireError) {
        self.init(
            node: try NodeID(wire: wire.nodeID, "node_id"),
            component: try ComponentID(wire: wire.functionID, "function_id"))
    }

    /// Reads what a node is asked to stop.
    package init(wire: EdgelessApi_InstanceIdVariant) throws(WireError) {
        switch wire.instanceIDType {
        case .instanceID(let id):
            try self.init(wire: id)
        case .domainManagedInstanceID:
            throw WireError("domain_managed_instance_id is what orchestrators are asked with: an instance_id is needed")
        case nil:
            throw WireError("the instance id is missing: an instance_id is needed")
        }
    }
}

extension EdgelessApi_InstanceId {
    /// The message of this id.
    package init(_ id: PhysicalID) {
        self.init()
        nodeID = id.node.description
        functionID = id.component.description
    }
}

extension EdgelessApi_InstanceIdVariant {
    /// What a node knows a component by.
    package init(_ id: PhysicalID) {
        self.init()
        instanceID = EdgelessApi_InstanceId(id)
    }

    /// What the controller knows it by.
    package init(_ id: LogicalID) {
        self.init()
        domainManagedInstanceID.instanceID = id.description
    }
}

extension DomainRefusal {
    /// The refusal of this message.
    package init(wire: EdgelessApi_ResponseError) {
        self.init(wire.summary, detail: wire.hasDetail ? wire.detail : nil)
    }
}

extension EdgelessApi_ResponseError {
    /// The message of this refusal.
    package init(_ refusal: DomainRefusal) {
        self.init()
        summary = refusal.summary
        if let detail = refusal.detail { self.detail = detail }
    }
}

extension EdgelessApi_StartComponentResponse {
    /// An orchestrator's answer.
    package init(_ answer: Result<LogicalID, DomainRefusal>) {
        self.init()
        switch answer {
        case .success(let id): instanceID = EdgelessApi_InstanceIdVariant(id)
        case .failure(let refusal): responseError = EdgelessApi_ResponseError(refusal)
        }
    }

    /// A node's answer.
    package init(_ answer: Result<PhysicalID, DomainRefusal>) {
        self.init()
        switch answer {
        case .success(let id): instanceID = EdgelessApi_InstanceIdVariant(id)
        case .failure(let refusal): responseError = EdgelessApi_ResponseError(refusal)
        }
    }

    /// Reads a node's answer (domain specification, section 1.3, rule 5).
    ///
    /// - Throws: ``WireError`` where it neither names a component of a node nor refuses.
    package func nodeAnswer() throws(WireError) -> Result<PhysicalID, DomainRefusal> {
        if hasInstanceID { return .success(try PhysicalID(wire: instanceID)) }
        return .failure(try refusal())
    }

    /// Reads an orchestrator's answer, likewise.
    package func domainAnswer() throws(WireError) -> Result<LogicalID, DomainRefusal> {
        if hasInstanceID { return .success(try LogicalID(wire: instanceID)) }
        return .failure(try refusal())
    }

    private func refusal() throws(WireError) -> DomainRefusal {
        guard hasResponseError else { throw WireError("the answer has neither an instance_id nor a response_error") }
        return DomainRefusal(wire: responseError)
    }
}
