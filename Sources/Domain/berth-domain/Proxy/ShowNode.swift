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
            abstract: "Show what each node can do.",
            discussion: """
                JSON: {"nodes": [{"id", "name", "capabilities"}]}, the last as it stands in Redis (num_cpus, \
                model_name_cpu and so on).
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            try ProxyOutput.write(options.read([.nodes]).nodeCapabilities(options.naming), json: output.json)
        }
    }

    struct ResourceProviders: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "resource-providers", abstract: "Show what each node offers.",
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
            abstract: "Show how each node was when it last told.",
            discussion: """
                JSON: {"nodes": [{"id", "name", "health"}]}, the last as it stands in Redis (mem_free, mem_used and so on).
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            try ProxyOutput.write(options.read([.nodes, .health]).nodeHealth(options.naming), json: output.json)
        }
    }

    struct Instances: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what runs on each node.",
            discussion: """
                A line with the node, then `[F] ID` for each function and `[R] ID` for each resource; what waits for a node \
                comes last, under `-`. JSON: {"nodes": [{"id", "name", "functions": [ID], "resources": [ID]}], "waiting": \
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
                Not in proxy_cli; only Berth's mirror tells. JSON: {"nodes": [{"id", "name", "ready", "cordoned", \
                "agent_url", "invocation_url"}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            try ProxyOutput.write(options.read([.nodes, .status]).nodeStatus(options.naming), json: output.json)
        }
    }
}
