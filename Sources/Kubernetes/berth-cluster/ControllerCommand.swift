import ArgumentParser
import Cluster
import Glibc
import KubernetesClient
import Logging
import Service
import UnixSignals

struct ControllerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "controller",
        abstract: "Decides about PodCPUBindings, and keeps a NodeCPUTopology for each node.",
        discussion: """
            Several may run with --leader-elect: one leads, and the others are ready to. The flags are those of \
            actimanager's manager, also with one dash and as --flag=true. SIGTERM and SIGINT end it.
            """)

    @Option(help: "The address of /metrics; 0 for none.")
    var metricsBindAddress = ":8080"

    @Option(help: "The address of /healthz and /readyz; 0 for none.")
    var healthProbeBindAddress = ":8081"

    @Flag(help: "Work only while holding the lease 8652a9f3.cslab.ece.ntua.gr.")
    var leaderElect = false

    @Option(help: "The namespace of the lease; that of the pod or of the kubeconfig by default.")
    var leaderElectionNamespace: String?

    @Option(help: "The kubeconfig; what kubectl would use, or the pod's service account, where there is none.")
    var kubeconfig: String?

    @Option(help: "What is logged: error, info, debug, or a number above 0 for more than info.")
    var zapLogLevel = "info"

    // Taken, so that actimanager's manifests work; there is one form of log lines.
    @Flag(help: .hidden) var zapDevel = false
    @Option(help: .hidden) var zapEncoder: String?
    @Option(help: .hidden) var zapStacktraceLevel: String?
    @Option(help: .hidden) var zapTimeEncoding: String?

    /// The names of options and flags, for Go's ways to write them.
    static let options: Set = [
        "metrics-bind-address", "health-probe-bind-address", "leader-election-namespace", "kubeconfig",
        "zap-log-level", "zap-encoder", "zap-stacktrace-level", "zap-time-encoding",
    ]
    static let flags: Set = ["leader-elect", "zap-devel"]

    func run() async throws {
        let handler = LineLogHandler.standardError(level: try logLevel())
        let log = Logger(label: "berth-cluster") { _ in handler }
        let addresses = try [
            ("--metrics-bind-address", metricsBindAddress), ("--health-probe-bind-address", healthProbeBindAddress),
        ]
        .filter { $0.1 != "0" }
        .map { flag, text in
            guard let address = ListenAddress(text) else {
                throw ValidationError("\(flag) takes an address and a port, such as :8080, or 0, not \(text)")
            }
            return address
        }
        let connection = try BerthCluster.connection(kubeconfig)
        var settings = ClusterController.Settings()
        if leaderElect { settings.election = try election(connection) }
        let controller = ClusterController(ClusterClient(connection), settings, log: log)
        signal(SIGPIPE, SIG_IGN)
        let signals = await UnixSignalsSequence(trapping: [.sigterm, .sigint])
        var listeners: [HTTPListener] = []
        for (index, address) in addresses.enumerated() where !addresses[..<index].contains(address) {
            listeners.append(HTTPListener(address, logger: log) { ControllerPaths.respond(to: $0, controller) })
        }
        try await BerthCluster.start(listeners)
        let running = Task { await controller.run() }
        log.notice(
            "the controller runs",
            metadata: ["server": "\(connection.server)", "election": "\(leaderElect ? "on" : "off")"])
        for await _ in signals { break }
        running.cancel()
        await running.value
        for listener in listeners { await listener.stop() }
        log.notice("stopped")
    }

    private func logLevel() throws -> Logger.Level {
        switch zapLogLevel {
        case "error", "panic": return .error
        case "info", "0": return .notice
        case "debug": return .debug
        default:
            guard let number = Int(zapLogLevel), number > 0 else {
                throw ValidationError("--zap-log-level takes error, info, debug or a number, not \(zapLogLevel)")
            }
            return number > 1 ? .trace : .debug
        }
    }

    /// Who this is in the election: another one for each process.
    private func election(_ connection: ClientConfiguration) throws -> LeaderElection.Settings {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { throw ValidationError("the host has no name") }
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let number = UInt64.random(in: .min ... .max)
        let namespace = leaderElectionNamespace ?? connection.namespace
        return .init(
            lease: .init(namespace: namespace, name: ClusterController.lease),
            identity: "\(host)_\(String(number, radix: 16))")
    }
}
