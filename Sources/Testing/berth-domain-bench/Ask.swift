import ArgumentParser
import Domain
import DomainWire

/// Waits until a domain answers its controller.
struct Ask: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Waits for berth-domain's first answer, and prints the monotonic clock's time then.")

    @Option(help: "The port of berth-domain for its controller.") var orchestrator: Int
    @Option(help: "How long to wait, in seconds.") var limit = 60.0

    func run() async throws {
        try await Port.wait(for: orchestrator, limit: limit)
        let client = try BareClient(port: orchestrator)
        _ = try await client.functions.stop(EdgelessApi_InstanceIdVariant(LogicalID(high: 1, low: 1)))
        report("answered", ["at": seconds()])
    }
}
