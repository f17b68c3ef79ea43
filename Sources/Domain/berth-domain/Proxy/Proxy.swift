import ArgumentParser
import Service

/// `berth-domain proxy`, in place of the reference's `proxy_cli` (domain specification, section 5.8).
struct Proxy: AsyncParsableCommand {
    /// Whether the program was called by the reference's name.
    static let isOwnProgram = CommandLine.arguments.first?.split(separator: "/").last == "proxy_cli"

    static let configuration =
        isOwnProgram
        ? CommandConfiguration(
            commandName: "proxy_cli", abstract: abstract, discussion: discussion, version: Version.number,
            subcommands: subcommands)
        : CommandConfiguration(
            commandName: "proxy", _superCommandName: "berth-domain", abstract: abstract, discussion: discussion,
            version: Version.number, subcommands: subcommands)

    private static let abstract = "Shows what the mirror in Redis holds, and asks for migrations and cordons."
    private static let discussion = """
        The options stand before or after the subcommand. Nothing in Redis is changed but by `intent`. What is no entry \
        of a mirror is told on standard error and left out.
        """
    private static let subcommands: [any ParsableCommand.Type] = [Show.self, Top.self, Intent.self, Dump.self]

    @OptionGroup var options: ProxyOptions
}

/// What all of its commands know.
struct ProxyOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The kind of the mirror; only Redis is known (Valkey counts as one).")
    var proxyType = "Redis"
    @Option(name: .shortAndLong, help: ArgumentHelp("Where Redis is: redis://… or unix://….", valueName: "url"))
    var redisURL = "redis://localhost:6379"
    @Option(name: .shortAndLong, help: ArgumentHelp("Where the controller is, for `top workflow`.", valueName: "url"))
    var controllerURL = "http://127.0.0.1:7001"
    @Option(
        help: "How nodes are called: uuid, labels, hostname (the value of the first label hostname=…, else the UUID).")
    var nodePrintFormat = NodePrintFormat.hostname

    func validate() throws {
        guard proxyType.lowercased() == "redis" else {
            throw ValidationError("--proxy-type: only Redis is known, not \(proxyType)")
        }
    }
}

/// Whether a command prints JSON.
struct JSONOption: ParsableArguments {
    @Flag(help: "Print one JSON document.")
    var json = false
}
