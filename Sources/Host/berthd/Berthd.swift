import ArgumentParser
import Service

/// The program: serves unless told otherwise.
@main
struct Berthd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berthd",
        abstract: "Gives workloads their own CPUs and huge pages, over the EPA Orchestrator's socket.",
        discussion: """
            Exit status: 0 after an orderly stop; 64 wrong options, or a restore that would replace a sound state; 65 the \
            stored state cannot be trusted; 66 there is no such state folder or file; 73 the socket cannot be made; 74 \
            the state cannot be read or written; 75 another instance runs; 78 wrong configuration.
            """,
        version: "berthd \(Version.number)",
        subcommands: [Serve.self, Check.self, Restore.self, ExportState.self],
        defaultSubcommand: Serve.self)
}

/// The exit statuses (sysexits(3)) that a script can tell apart.
enum Status {
    static let usage = ExitCode(64)
    static let untrusted = ExitCode(65)
    static let noInput = ExitCode(66)
    static let noSocket = ExitCode(73)
    static let inputOutput = ExitCode(74)
    static let running = ExitCode(75)
    static let configuration = ExitCode(78)
}
