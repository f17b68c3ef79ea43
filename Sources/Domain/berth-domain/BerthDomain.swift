import ArgumentParser
import Service

/// The orchestrator of an edge domain; also installed under the EDGELESS names `edgeless_orc_d` and `proxy_cli`.
@main
struct BerthDomain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-domain",
        abstract: "Orchestrates the nodes of an EDGELESS domain, in place of edgeless_orc_d.",
        discussion: """
            Without a subcommand it serves the domain, also under the name `edgeless_orc_d`. Under the name `proxy_cli` it \
            is `berth-domain proxy`.

            Exit status: 0 success, or an orderly stop; 1 refused, unknown or declined; 64 invalid options; 65 the stored \
            state is corrupt; 69 an address is not available, or Redis or the controller cannot be reached; 73 the \
            template file exists; 74 the state, the output or a file cannot be read or written; 75 another instance is \
            running, or no outcome in time; 78 invalid configuration.
            """,
        version: Version.number,
        subcommands: [Proxy.self])

    @Option(name: [.short, .customLong("config-file")], help: "The configuration file.")
    var configFile = "orchestrator.toml"
    @Option(
        name: .shortAndLong, help: "Write a configuration template to this new file, and exit.")
    var template: String?
    @Option(help: "The state directory; /var/lib/berth/domain/<domain_id> by default.")
    var stateDir: String?

    func run() async throws {
        if let template { return try writeTemplate(template) }
        try await DomainProcess(configFile: configFile, stateDirectory: stateDir).run()
    }

    static func main() async {
        let words = Array(CommandLine.arguments.dropFirst())
        // Here rather than in the parser: `-c` has another meaning for these commands.
        if Proxy.isOwnProgram { return await Proxy.main(words) }
        if words.first == "proxy" { return await Proxy.runAsSubcommand(Array(words.dropFirst())) }
        await main(words)
    }
}

/// The exit statuses (sysexits(3)).
enum Status {
    static let refused = ExitCode(1)
    static let usage = ExitCode(64)
    static let untrusted = ExitCode(65)
    static let noAddress = ExitCode(69)
    static let exists = ExitCode(73)
    static let inputOutput = ExitCode(74)
    static let running = ExitCode(75)
    static let configuration = ExitCode(78)
}
