import ArgumentParser
import KubernetesClient

struct SchedulerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scheduler",
        abstract: "Asks an extender for the nodes of a profile's pods, as kube-scheduler does.")

    @Option(help: "The name of the profile.")
    var schedulerName = "maestro"

    @Option(help: "The address of the extender, such as https://127.0.0.1:8888.")
    var extender: String

    @Option(help: "The directory with ca.pem, client.pem and client.key, as `berth-cluster certificates` writes them.")
    var certificates: String

    func run() async throws {
        let scheduler = DemoScheduler(
            ClusterClient(try .standard()), name: schedulerName,
            extender: try ExtenderClient(extender, certificates: certificates))
        await scheduler.run()
    }
}
