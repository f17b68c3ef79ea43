import ArgumentParser
import Service

/// The orchestrator of an edge domain; also under the reference's name, `edgeless_orc_d`.
@main
struct BerthDomain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-domain",
        abstract: "Orchestrates the nodes of an EDGELESS domain, in place of edgeless_orc_d.",
        discussion: """
            Exit status: 0 after an orderly stop; 64 wrong options; 65 the stored state cannot be trusted; 69 an address \
            cannot be listened on; 73 the template's file exists; 74 the state cannot be read or written; 75 another \
            instance runs; 78 wrong configuration.
            """,
        version: Version.number)

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
}

/// The exit statuses (sysexits(3)) that a script can tell apart.
enum Status {
    static let untrusted = ExitCode(65)
    static let noAddress = ExitCode(69)
    static let exists = ExitCode(73)
    static let inputOutput = ExitCode(74)
    static let running = ExitCode(75)
    static let configuration = ExitCode(78)
}
