import ArgumentParser
import Machine
import Rendering
import Terminal
import WireJSON

/// `berth topology`.
struct Topology: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the machine: packages, NUMA nodes, caches, cores.",
        subcommands: [Show.self, Capture.self, Labels.self], defaultSubcommand: Show.self)

    /// Without a subcommand.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the machine as a tree, or as a JSON document (the default).")
        @OptionGroup var machine: MachineOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            let (name, files) = try machine.files()
            let found = try MachineReader(files: files).read()
            if output.json {
                return try Output.write(json: JSONValue(TopologyReport(found, name: name).json()).compact)
            }
            let style = output.style
            let tree = TopologyTree(title: name ?? "This machine", machine: found, style: style)
            try Output.write(tree.lines.rendered(style))
        }
    }

    /// `berth topology labels`.
    struct Labels: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the labels of an edge node: isolated CPUs and free huge pages of each NUMA node.",
            discussion:
                "Put the labels into user_node_capabilities.labels in the node.toml of an EDGELESS node. The strategy LoadAware "
                + "of berth-domain then starts functions that ask for isolated_cpus, hugepages_2M or hugepages_1G only "
                + "on a node with a NUMA node that has them. Each CPU counts once, even if NUMA nodes overlap; huge pages "
                + "that are reserved by the kernel do not count.")
        @OptionGroup var machine: MachineOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            let labels = try MachineReader(files: try machine.files().files).read().edgeNodeLabels
            if output.json {
                try Output.write(json: JSONWriter.object { $0.member("labels", labels) })
            } else {
                for label in labels { try Output.write(label + "\n") }
            }
        }
    }

    /// `berth topology capture`.
    struct Capture: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the files that describe the machine to one file, to replay it elsewhere.",
            discussion:
                "Give the file to --machine of berth and berthd. It contains what /sys says about CPUs and NUMA nodes, "
                + "and the name.")
        @Argument(help: "The file to write, - for standard output.") var file: String
        @Option(help: "What to call the machine.") var name: String?
        @OptionGroup var machine: MachineOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            let (known, files) = try machine.files()
            let capture = MachineCapture.capture(files, name: name ?? known ?? "captured")
            if file == "-" { return try Output.write(capture.json()) }
            do { try capture.write(to: file) } catch { throw Failure("\(error)", status: Failure.output) }
            if output.json {
                try Output.write(
                    json: JSONWriter.object { writer in
                        writer.member("file", file)
                        writer.member("name", capture.name)
                        writer.member("files", capture.files.count)
                    })
            } else {
                try Output.write(
                    "\(Printable.text(file)): \(capture.files.count) files of \(Printable.name(capture.name))\n")
            }
        }
    }
}
