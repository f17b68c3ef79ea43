import ArgumentParser
import DomainView

extension Show {
    /// `proxy show node`.
    struct Node: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the nodes.",
            subcommands: [
                Capabilities.self, ResourceProviders.self, Health.self, Instances.self, Status.self,
            ])
    }
}

extension Show.Node {
    struct Capabilities: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the capabilities of each node.",
            discussion: """
                JSON: {"nodes": [{"id", "name", "capabilities"}]}; capabilities as in Redis (num_cpus, model_name_cpu, …).
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            try ProxyOutput.write(options.read([.nodes]).nodeCapabilities(options.naming), json: output.json)
        }
    }

    struct ResourceProviders: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "resource-providers", abstract: "Show the resource providers of each node.",
            discussion: "JSON: {\"providers\": [{\"id\", \"class_type\", \"node\": UUID, \"outputs\"}]}.")
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            let view = try options.read([.nodes, .providers])
            try ProxyOutput.write(view.resourceProviders(options.naming), json: output.json)
        }
    }

    struct Health: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the last reported health of each node.",
            discussion: """
                JSON: {"nodes": [{"id", "name", "health"}]}; health as in Redis (mem_free, mem_used, …).
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            try ProxyOutput.write(options.read([.nodes, .health]).nodeHealth(options.naming), json: output.json)
        }
    }

    struct Instances: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the instances on each node.",
            discussion: """
                A line with the node, then `[F] ID` for each function and `[R] ID` for each resource. Instances without a \
                node come last, under `-`. JSON: {"nodes": [{"id", "name", "functions": [ID], "resources": [ID]}], "waiting": \
                {"functions", "resources"}}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            let view = try options.read([.instances, .nodes, .status])
            try ProxyOutput.write(view.nodeInstances(options.naming), json: output.json)
        }
    }

    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show whether each node has joined, whether it is cordoned, and its URLs.",
            discussion: """
                Not in proxy_cli; only in Berth's mirror. JSON: {"nodes": [{"id", "name", "ready", "cordoned", \
                "agent_url", "invocation_url"}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            try ProxyOutput.write(options.read([.nodes, .status]).nodeStatus(options.naming), json: output.json)
        }
    }
}
