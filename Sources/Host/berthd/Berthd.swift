import ArgumentParser
import Glibc
import Service

/// The program: serves unless a subcommand is given.
@main
struct Berthd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berthd",
        abstract: "Gives workloads their own CPUs and huge pages, over the EPA Orchestrator's socket.",
        discussion: """
            Exit status: 0 after an orderly stop; 64 wrong options, or a restore that would overwrite a valid or newer \
            state; 65 the stored state is corrupt, or of a newer version; 66 there is no such state directory or file; 73 the socket cannot be made; 74 the \
            state cannot be read or written; 75 another instance runs; 78 wrong configuration, or a state that was made \
            for another machine.
            """,
        version: "berthd \(Version.number)",
        subcommands: [Serve.self, Check.self, Undo.self, Restore.self, ExportState.self, Events.self],
        defaultSubcommand: Serve.self)

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            leave(after: error)
        }
    }

    /// Exits with the status of an error. What the parser says of wrong options has the prefix of all errors; help and
    /// version go to standard output.
    private static func leave(after error: any Error) -> Never {
        let code = exitCode(for: error)
        let text = fullMessage(for: error)
        guard code != .success, !text.isEmpty else { exit(withError: error) }
        let prefix = "Error: "
        printError(text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
        Glibc.exit(code.rawValue)
    }
}

/// The exit statuses (sysexits(3)) that a script can tell apart.
enum Status {
    static let usage = ExitCode(64)
    static let corrupt = ExitCode(65)
    static let noInput = ExitCode(66)
    static let noSocket = ExitCode(73)
    static let inputOutput = ExitCode(74)
    static let running = ExitCode(75)
    static let configuration = ExitCode(78)
}
