import ArgumentParser
import Service

/// The orchestrator of an edge domain; also under the reference's names, `edgeless_orc_d` and `proxy_cli`.
@main
struct BerthDomain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-domain",
        abstract: "Orchestrates the nodes of an EDGELESS domain, in place of edgeless_orc_d.",
        discussion: """
            Without a subcommand it serves. Under the name `edgeless_orc_d` it is the same; under the name `proxy_cli` it is \
            `berth-domain proxy`.

            Exit status: 0 done, or an orderly stop; 1 refused, unknown or declined; 64 wrong options; 65 the stored state \
            cannot be trusted; 69 an address cannot be listened on, or Redis or the controller cannot be reached; 73 the \
            template's file exists; 74 the state, the output or a file cannot be read or written; 75 another instance runs, \
            or no outcome in time; 78 wrong configuration.
            """,
        version: Version.number,
        subcommands: [Proxy.self])

    @Option(name: [.short, .customLong("config-file")], help: "The configuration file.")
    var configFile = "orchestrator.toml"
    @Option(
        name: .shortAndLong, help: "Write a template of the configuration to this file, which must not exist, and end.")
    var template: String?
    @Option(help: "The folder of the state; /var/lib/berth/domain/<domain_id> unless given.")
    var stateDir: String?

    func run() async throws {
        if let template { return try writeTemplate(template) }
        try await DomainProcess(configFile: configFile, stateDirectory: stateDir).run()
    }

    static func main() async {
        let words = Array(CommandLine.arguments.dropFirst())
        // Here and not below: `-c` is another option there.
        if Proxy.isOwnProgram { return await Proxy.main(words) }
        if words.first == "proxy" { return await Proxy.main(Array(words.dropFirst())) }
        await main(words)
    }
}

/// The exit statuses (sysexits(3)) that a script can tell apart.
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
