import ArgumentParser
import Cluster
import Service
import SystemPackage

/// What Berth runs once for a cluster.
@main
struct BerthCluster: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-cluster",
        abstract: "Runs the controller of a cluster's CPU bindings, or the scheduler's extender.",
        discussion: """
            Exit status: 0 an orderly stop; 64 invalid options; 69 an address is not available; 78 the cluster's \
            configuration is invalid or missing.
            """,
        version: Version.number,
        subcommands: [ControllerCommand.self, ExtenderCommand.self, CertificatesCommand.self])
}

extension BerthCluster {
    static func main() async {
        var words = Array(CommandLine.arguments.dropFirst())
        if words.first == ControllerCommand.configuration.commandName {
            words = GoFlags.normalized(words, options: ControllerCommand.options, flags: ControllerCommand.flags)
        }
        await main(words)
    }
}

/// Prints one line for people to standard error.
func printError(_ text: String) {
    _ = try? FileDescriptor.standardError.writeAll("\(text)\n".utf8)
}
