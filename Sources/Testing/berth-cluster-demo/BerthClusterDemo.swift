import ArgumentParser
import SystemPackage

/// The parts of a cluster that Berth works beside, small enough for a demonstration: a kubelet and a scheduler.
@main
struct BerthClusterDemo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-cluster-demo",
        abstract: "Plays a kubelet or a kube-scheduler for demonstrations and tests of whole clusters.",
        subcommands: [KubeletCommand.self, SchedulerCommand.self])
}

/// Prints a line at once: `print` keeps it where the output goes to a file.
func say(_ line: String) { _ = try? FileDescriptor.standardOutput.writeAll("\(line)\n".utf8) }
