/// What a controller says of a workflow: `WorkflowInstanceStatus` on the wire (domain specification, section 1.2).
public struct WorkflowStatus: Hashable, Sendable {
    /// A function or resource of the workflow.
    public struct Component: Hashable, Sendable {
        /// Its name within the workflow.
        public var name: String
        /// What its domain knows it by; nil where the controller gives no UUID.
        public var id: LogicalID?
        /// The domain that runs it.
        public var domain: String

        /// A component.
        public init(name: String, id: LogicalID?, domain: String) {
            self.name = name
            self.id = id
            self.domain = domain
        }
    }

    /// Which workflow.
    public var id: String
    /// Its components, in the controller's order.
    public var components: [Component]

    /// A workflow's status.
    public init(id: String, components: [Component]) {
        self.id = id
        self.components = components
    }
}
