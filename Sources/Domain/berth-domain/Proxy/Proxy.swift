import ArgumentParser
import DomainView
import Glibc
import Service

/// `berth-domain proxy`, which replaces `proxy_cli` of EDGELESS (domain specification, section 5.8).
struct Proxy: AsyncParsableCommand {
    /// Whether the program was called as `proxy_cli`.
    static let isOwnProgram = CommandLine.arguments.first?.split(separator: "/").last == "proxy_cli"

    static let configuration =
        isOwnProgram
        ? CommandConfiguration(
            commandName: "proxy_cli", abstract: abstract, discussion: discussion, version: Version.number,
            subcommands: subcommands)
        : CommandConfiguration(
            commandName: "proxy", _superCommandName: "berth-domain", abstract: abstract, discussion: discussion,
            version: Version.number, subcommands: subcommands)

    private static let abstract = "Shows the mirror in Redis, and submits migrations and cordons."
    private static let discussion = """
        The options may precede or follow the subcommand. Only `intent` writes to Redis. Invalid entries are reported \
        on standard error and left out.
        """
    private static let subcommands: [any ParsableCommand.Type] = [Show.self, Top.self, IntentCommand.self, Dump.self]

    @OptionGroup var options: ProxyOptions

    /// Runs a command line that followed `berth-domain proxy`.
    static func runAsSubcommand(_ words: [String]) async {
        do {
            var command = try parseAsRoot(words)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            // The parser does not know that the command to ask for help begins with the program's name.
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            let text = fullMessage(for: error).replacing("See 'proxy", with: "See 'berth-domain proxy")
            _ = ProxyOutput.put(Array("\(text)\n".utf8), on: STDERR_FILENO)
            exit(withError: ExitCode.validationFailure)
        }
    }
}

/// The options of all commands.
struct ProxyOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The kind of mirror; only Redis (or Valkey) is supported.")
    var proxyType = "Redis"
    @Option(name: .shortAndLong, help: ArgumentHelp("The address of Redis: redis://… or unix://….", valueName: "url"))
    var redisURL = "redis://localhost:6379"
    @Option(
        name: .shortAndLong, help: ArgumentHelp("The address of the controller, for `top workflow`.", valueName: "url"))
    var controllerURL = "http://127.0.0.1:7001"
    @Option(
        help: "How to print nodes: uuid, labels, or hostname (the first label hostname=…, otherwise the UUID).")
    var nodePrintFormat = NodeNaming.hostname

    func validate() throws {
        guard proxyType.lowercased() == "redis" else {
            throw ValidationError("--proxy-type: only Redis is supported, not \(proxyType)")
        }
    }
}

/// The option for JSON output.
struct JSONOption: ParsableArguments {
    @Flag(help: "Print one JSON document.")
    var json = false
}
