import Domain

/// A workflow for the demo controller: functions and resources by name, and their wiring.
package struct DemoWorkflow: Sendable {
    /// A function or resource of a workflow.
    package struct Component: Sendable {
        /// Its name within the workflow.
        package var name: String
        /// What it is. The state of a function and the workflow's id are set at deployment.
        package var specification: Specification
        /// The target component of each output.
        package var outputs: [String: String]

        /// Creates a component.
        package init(_ name: String, _ specification: Specification, outputs: [String: String] = [:]) {
            self.name = name
            self.specification = specification
            self.outputs = outputs
        }
    }

    /// Its name.
    package var name: String
    /// Its components; names are unique.
    package var components: [Component]

    /// Creates a workflow.
    package init(_ name: String, _ components: [Component]) {
        self.name = name
        self.components = components
    }

    /// Whether a domain has the required run-times and resource classes, which is all that a controller checks.
    package func fits(_ capabilities: DomainCapabilities) -> Bool {
        components.allSatisfy { component in
            switch component.specification {
            case .function(let function): capabilities.runtimes.contains(function.functionClass.runtime)
            case .resource(let resource): capabilities.providerClasses.contains(resource.classType)
            }
        }
    }
}

/// A workflow that cannot be deployed.
package struct DemoError: Error, Sendable, CustomStringConvertible {
    /// The error as a sentence.
    package let description: String

    init(_ description: String) { self.description = description }
}
