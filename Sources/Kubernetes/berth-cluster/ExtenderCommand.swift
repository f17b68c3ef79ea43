import ArgumentParser

struct ExtenderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extender",
        abstract: "Chooses nodes and CPUs for the pods of a kube-scheduler.")

    func run() async throws {
        throw CleanExit.message("the extender is not built yet")
    }
}
