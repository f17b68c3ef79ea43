import ArgumentParser
import Cluster
import Glibc
import KubernetesClient
import Logging
import Service
import UnixSignals

struct ExtenderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extender",
        abstract: "Chooses nodes and CPUs for the pods of a kube-scheduler.",
        discussion: """
            Runs beside a kube-scheduler whose only profile is that of --scheduler-name and whose configuration names this \
            extender with filterVerb: filter, prioritizeVerb: prioritize, bindVerb: bind and nodeCacheCapable: true, and \
            without managedResources. Certificates that change are read again. SIGTERM and SIGINT end it.
            """)

    @Option(
        help: "The file with the WorkloadAwareArgs, or the scheduler's whole configuration; nothing for the defaults.")
    var config: String?

    @Option(help: "The scheduler whose pods get CPUs.")
    var schedulerName = "maestro"

    @Option(help: "The numeric address and port that the scheduler asks.")
    var listen = "127.0.0.1:8888"

    @Option(help: "What stands before /filter, /prioritize and /bind.")
    var urlPrefix = ""

    @Option(name: .customLong("tls-certificate"), help: "The PEM file of the server's certificate.")
    var certificate: String?

    @Option(name: .customLong("tls-key"), help: "The PEM file of its key.")
    var key: String?

    @Option(
        name: .customLong("tls-client-ca"),
        help: "The PEM file of the authority of the callers' certificates. Without it only the loopback is served.")
    var clientAuthority: String?

    @Flag(help: "Serve plain HTTP, on the loopback only.")
    var insecure = false

    @Option(help: "The address of /metrics; 0 for none.")
    var metricsBindAddress = ":8080"

    @Option(help: "The address of /healthz and /readyz; 0 for none.")
    var healthProbeBindAddress = ":8081"

    @Option(help: "The kubeconfig; what kubectl would use, or the pod's service account, where there is none.")
    var kubeconfig: String?

    @Option(help: "How many seconds a pod has to be bound before its binding is taken back.")
    var bindGrace = 60

    func run() async throws {
        let handler = LineLogHandler.standardError(level: .info)
        let log = Logger(label: "berth-cluster") { _ in handler }
        let access = try usage {
            try ExtenderAccess(
                listen: listen, certificate: certificate, key: key, clientAuthority: clientAuthority,
                isInsecure: insecure)
        }
        guard (30...3_600).contains(bindGrace) else { throw ValidationError("--bind-grace takes 30 to 3600 seconds") }
        let tls = try access.tls.map { files in
            try ServerTLS(files) { log.error("changed certificates cannot be used", metadata: ["reason": "\($0)"]) }
        }
        let monitoring = try [
            ("--metrics-bind-address", metricsBindAddress), ("--health-probe-bind-address", healthProbeBindAddress),
        ]
        .filter { $0.1 != "0" }
        .map { flag, text in
            guard let address = ListenAddress(text) else {
                throw ValidationError("\(flag) takes an address and a port, such as :8080, or 0, not \(text)")
            }
            return address
        }
        let extender = try makeExtender(log)
        signal(SIGPIPE, SIG_IGN)
        let signals = await UnixSignalsSequence(trapping: [.sigterm, .sigint])
        let paths = ExtenderPaths(extender, prefix: urlPrefix)
        let running = Task { await extender.run() }
        var listeners = [
            HTTPListener(access.address, tls: tls, limits: ExtenderPaths.limits, logger: log) {
                await paths.respond(to: $0)
            }
        ]
        for (index, address) in monitoring.enumerated() where !monitoring[..<index].contains(address) {
            listeners.append(HTTPListener(address, logger: log) { MonitoringPaths.respond(to: $0, extender) })
        }
        try await BerthCluster.start(listeners)
        log.notice(
            "the extender is served", metadata: ["address": "\(access.address)", "scheduler": "\(schedulerName)"])
        for await _ in signals { break }
        for listener in listeners { await listener.stop() }
        running.cancel()
        await running.value
    }

    /// What the flags say, as an error of usage where they make no sense.
    private func usage<Value>(_ body: () throws -> Value) throws -> Value {
        do { return try body() } catch { throw ValidationError("\(error)") }
    }

    private func makeExtender(_ log: Logger) throws -> Extender {
        var settings = Extender.Settings()
        settings.schedulerName = schedulerName
        settings.grace = .seconds(bindGrace)
        if let config {
            let bytes: [UInt8]
            do { bytes = try readBytes(config) } catch {
                printError("\(error)")
                throw ExitCode(78)
            }
            do { settings.args = try SchedulerConfiguration(yaml: bytes, schedulerName: schedulerName).args } catch {
                throw ValidationError("\(config): \(error)")
            }
        }
        let connection = try BerthCluster.connection(kubeconfig)
        // A bind has a few calls, and the scheduler does not wait for long.
        var limits = ClusterClient.Limits()
        limits.time = .seconds(5)
        return Extender(
            ClusterClient(connection), changing: ClusterClient(connection, limits: limits), settings,
            onFailure: { kind, error in
                log.warning("the cluster cannot be read", metadata: ["kind": "\(kind)", "reason": "\(error)"])
            }, onRecovery: { log.notice("the cluster can be read again", metadata: ["kind": "\($0)"]) })
    }
}
