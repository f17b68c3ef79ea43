import ArgumentParser
import DomainView

/// `proxy show`.
struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the domain and where its instances run; all lists are sorted by id.",
        discussion: "On a terminal, the class of each function and resource follows its id.",
        subcommands: [
            Functions.self, Resources.self, LogicalToPhysical.self, LogicalToWorkflow.self, Dependencies.self,
            Node.self,
        ])

    struct Functions: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the nodes of each function.",
            discussion: """
                Each line is `ID -> NODE[,…]`; `-` for a function that waits for a node. JSON: {"functions": [{"id", \
                "class", "nodes": [UUID]}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws { try ProxyOutput.write(options.read([.instances]).functions, json: output.json) }
    }

    struct Resources: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the node of each resource.",
            discussion:
                "Each line is `ID -> NODE`. JSON: {\"resources\": [{\"id\", \"class\", \"node\": UUID or null}]}.")
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            try ProxyOutput.write(options.read([.instances, .nodes]).resources(options.naming), json: output.json)
        }
    }

    struct LogicalToPhysical: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the physical ids of each function and resource.",
            discussion: """
                Each line is `ID -> PHYSICAL[,…]`. JSON: {"instances": [{"id", "class", "kind": "function" or "resource", "physical": \
                [UUID]}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws { try ProxyOutput.write(options.read([.instances]).logicalToPhysical, json: output.json) }
    }

    struct LogicalToWorkflow: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the workflow of each function and resource.",
            discussion:
                "Each line is `ID -> WORKFLOW`. JSON: {\"instances\": [{\"id\", \"class\", \"kind\", \"workflow\"}]}.")
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws { try ProxyOutput.write(options.read([.instances]).logicalToWorkflow, json: output.json) }
    }

    struct Dependencies: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the wiring of each function and resource.",
            discussion: """
                Not in proxy_cli. Each line is `ID -> OUTPUT: ID[, …]`. JSON: {"dependencies": [{"id", "outputs": {OUTPUT: \
                ID}}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            try ProxyOutput.write(options.read([.dependencies, .instances]).dependencies, json: output.json)
        }
    }
}
