import ArgumentParser
import Service

/// What Berth runs once for a cluster.
@main
struct BerthCluster: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-cluster",
        abstract: "Runs the controller of a cluster's CPU bindings, or the scheduler's extender.",
        version: Version.number,
        subcommands: [ControllerCommand.self, ExtenderCommand.self, CertificatesCommand.self])
}
