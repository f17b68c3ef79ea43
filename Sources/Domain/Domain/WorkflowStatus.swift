/// A controller's description of a workflow: `WorkflowInstanceStatus` on the wire (domain specification, section 1.2).
package struct WorkflowStatus: Hashable, Sendable {
    /// A function or resource of the workflow.
    package struct Component: Hashable, Sendable {
        /// Its name within the workflow.
        package var name: String
        /// Its logical id; nil if the controller gives no UUID.
        package var id: LogicalID?
        /// The domain that runs it.
        package var domain: String

        /// A component.
        package init(name: String, id: LogicalID?, domain: String) {
            self.name = name
            self.id = id
            self.domain = domain
        }
    }

    /// Which workflow.
    package var id: String
    /// Its components, in the controller's order.
    package var components: [Component]

    /// A workflow's status.
    package init(id: String, components: [Component]) {
        self.id = id
        self.components = components
    }
}
