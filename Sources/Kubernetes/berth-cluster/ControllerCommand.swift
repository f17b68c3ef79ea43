import ArgumentParser

struct ControllerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "controller",
        abstract: "Decides about PodCPUBindings, and keeps a NodeCPUTopology for each node.")

    func run() async throws {
        throw CleanExit.message("the controller is not built yet")
    }
}
