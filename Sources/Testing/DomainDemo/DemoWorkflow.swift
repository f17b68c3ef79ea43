import Domain

/// A workflow to try a domain with: functions and resources by name, and where their outputs lead.
package struct DemoWorkflow: Sendable {
    /// A function or resource of a workflow.
    package struct Component: Sendable {
        /// Its name within the workflow.
        package var name: String
        /// What it is. A function's state and the workflow's id are set when it is deployed.
        package var specification: Specification
        /// The name of the component that each output leads to.
        package var outputs: [String: String]

        /// A component.
        package init(_ name: String, _ specification: Specification, outputs: [String: String] = [:]) {
            self.name = name
            self.specification = specification
            self.outputs = outputs
        }
    }

    /// Its name.
    package var name: String
    /// Its parts, each name once.
    package var components: [Component]

    /// A workflow.
    package init(_ name: String, _ components: [Component]) {
        self.name = name
        self.components = components
    }

    /// Whether a domain has the run-times and the classes of resources that it needs: all that a controller looks at.
    package func fits(_ capabilities: DomainCapabilities) -> Bool {
        components.allSatisfy { component in
            switch component.specification {
            case .function(let function): capabilities.runtimes.contains(function.functionClass.runtime)
            case .resource(let resource): capabilities.providerClasses.contains(resource.classType)
            }
        }
    }
}

/// A workflow that cannot be deployed: which part, and why.
package struct DemoError: Error, Sendable, CustomStringConvertible {
    /// One sentence.
    package let description: String

    init(_ description: String) { self.description = description }
}
