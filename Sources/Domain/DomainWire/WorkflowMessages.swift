import Domain

extension WorkflowStatus {
    /// Parses a controller's answer to Inspect. Ids that are not UUIDs become nil.
    package init(wire message: EdgelessApi_WorkflowInstanceInfo) {
        self.init(
            id: message.status.workflowID.workflowID,
            components: message.status.domainMapping.map {
                Component(name: $0.name, id: LogicalID($0.functionID), domain: $0.domainID)
            })
    }
}
