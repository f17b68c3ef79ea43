import ArgumentParser
import Glibc
import HostClient
import KubernetesClient
import Logging
import NodeAgent
import Service
import UnixSignals

/// The agent of a node; takes the flags of actimanager's daemon.
@main
struct BerthNode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-node",
        abstract: "Carries out on a Kubernetes node what PodCPUBindings say, in place of actimanager's daemon.",
        discussion: """
            It follows the bindings and pods of its node, asks berthd to confine their containers, publishes the node's \
            CPUs, and serves the gRPC services CPUPinning, Topology and grpc.health.v1.Health. Options may be written with \
            one dash or two.

            Exit status: 0 an orderly stop; 1 a value of actimanager's flags cannot be used; 64 invalid options; 69 an \
            address is not available; 78 the cluster's configuration or a certificate cannot be used.
            """,
        version: Version.number)

    @Option(
        help: "The node's name in Kubernetes; NODE_NAME of the environment by default.")
    var nodeName: String?
    @Option(help: "The socket of berthd.")
    var berthd = BerthClient.defaultSocket
    @Option(
        help: """
            Where the gRPC services are served: an IP address and a port, or a port for all addresses; :8089 by default. \
            Without certificates only the health is served, on 127.0.0.1:8089 by default.
            """)
    var listen: String?
    @Option(
        name: [.customLong("tls-cert"), .customLong("tls-certificate")],
        help: "The certificate of the gRPC services, a PEM file.")
    var tlsCert: String?
    @Option(help: "Its key, a PEM file.")
    var tlsKey: String?
    @Option(
        help: "The authorities that clients' certificates are checked against, a PEM file.")
    var tlsClientCA: String?
    @Flag(
        help: "Serve the gRPC services without TLS, to everybody who reaches the port.")
    var insecureGRPC = false
    @Option(
        help: "Where grpc.health.v1.Health alone is served without TLS, for the kubelet's probes.")
    var healthListen: String?

    @Option(
        help: "containerd, docker or kind. Not needed: berthd finds the containers of any runtime.")
    var containerRuntime: String?
    @Option(help: "Not needed: berthd finds the cgroups.")
    var cgroupsPath: String?
    @Option(help: "systemd or cgroupfs. Not needed: berthd finds the cgroups.")
    var cgroupsDriver: String?
    @Option(help: "Not needed: changes are followed.")
    var reconcilePeriod: String?
    @Option(help: "How much is logged, from 0, warnings, to 5, everything.")
    var verbosity = 3

    func run() async throws { try await NodeProcess(self).run() }

    static func main() async {
        // Go's flags, which actimanager's manifests have, begin with one dash or two.
        await main(
            CommandLine.arguments.dropFirst().map { word in
                let name = word.dropFirst()
                return word.first == "-" && name.count > 1 && name.first?.isLetter == true ? "-\(word)" : word
            })
    }

}

/// The exit statuses (sysexits(3), and 1 as the reference has it).
enum Status {
    static let refused = ExitCode(1)
    static let usage = ExitCode(64)
    static let noAddress = ExitCode(69)
    static let configuration = ExitCode(78)
}
