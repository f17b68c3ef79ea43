import ArgumentParser
import DomainView

/// `proxy show`.
struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what the domain has and where it runs; all lists are sorted by id.",
        subcommands: [
            Functions.self, Resources.self, LogicalToPhysical.self, LogicalToWorkflow.self, Dependencies.self,
            Node.self,
        ])

    struct Functions: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the nodes that each function runs on.",
            discussion: """
                A line is `ID -> NODE[,…]`, with `-` in place of a node for a function that waits for one. JSON: \
                {"functions": [{"id", "nodes": [UUID]}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws { try ProxyOutput.write(options.read([.instances]).functions, json: output.json) }
    }

    struct Resources: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the node that each resource is on.",
            discussion: "A line is `ID -> NODE`. JSON: {\"resources\": [{\"id\", \"node\": UUID or null}]}.")
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            try ProxyOutput.write(options.read([.instances, .nodes]).resources(options.naming), json: output.json)
        }
    }

    struct LogicalToPhysical: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what the nodes know each function and resource by.",
            discussion: """
                A line is `ID -> PHYSICAL[,…]`. JSON: {"instances": [{"id", "kind": "function" or "resource", "physical": \
                [UUID]}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws { try ProxyOutput.write(options.read([.instances]).logicalToPhysical, json: output.json) }
    }

    struct LogicalToWorkflow: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the workflow that each function and resource is part of.",
            discussion: "A line is `ID -> WORKFLOW`. JSON: {\"instances\": [{\"id\", \"kind\", \"workflow\"}]}.")
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws { try ProxyOutput.write(options.read([.instances]).logicalToWorkflow, json: output.json) }
    }

    struct Dependencies: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show where the outputs of each function and resource lead.",
            discussion: """
                Not in proxy_cli. A line is `ID -> OUTPUT: ID[, …]`. JSON: {"dependencies": [{"id", "outputs": {OUTPUT: \
                ID}}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws { try ProxyOutput.write(options.read([.dependencies]).dependencies, json: output.json) }
    }
}
