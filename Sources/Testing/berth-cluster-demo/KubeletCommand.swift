import ArgumentParser
import KubernetesClient

struct KubeletCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kubelet",
        abstract: "Registers a node, and runs the containers of its pods as processes in control groups of their own.",
        discussion: """
            The control groups are those that a kubelet with the systemd driver and containerd make. A container runs the \
            command of its spec, or sleeps; one that ends is started again under a new id.
            """)

    @Option(help: "The name of the node.")
    var node: String

    @Option(help: "The node's address.")
    var address = "127.0.0.1"

    @Option(help: "Where the control groups are mounted.")
    var cgroups = "/sys/fs/cgroup"

    @Option(help: "How many CPUs the node has.")
    var cpus = 8

    func run() async throws {
        let client = ClusterClient(try .standard())
        let kubelet = DemoKubelet(client, node: node, cgroups: CgroupTree(root: cgroups))
        try await kubelet.register(address: address, cpus: cpus)
        await kubelet.run()
    }
}
