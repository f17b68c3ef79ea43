import ArgumentParser
import ClusterStandIn
import Glibc
import TestSupport
import UnixSignals

/// Serves a stand-in for a Kubernetes cluster on the loopback until it is told to end, and writes a kubeconfig.
@main
struct BerthClusterStandIn: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-cluster-standin",
        abstract: "A Kubernetes API server without a cluster, for tests and demonstrations.",
        discussion: """
            Objects are stored, validated, patched, watched and collected as a real API server does it; nothing runs pods. \
            The file named with --kubeconfig is ready for kubectl. Below /standin an administrator sets faults and restarts \
            the server. SIGTERM and SIGINT end it.
            """)

    @Option(help: "The file that the kubeconfig of an administrator is written to.")
    var kubeconfig: String

    @Option(help: "The numeric address to listen at.")
    var address = "127.0.0.1"

    @Option(help: "The port to listen at; 0 for any.")
    var port = 0

    @Option(help: "What uids and generated names come from.")
    var seed: UInt64 = 1

    @Option(help: "How many changes of each kind are remembered for watches.")
    var history = 100_000

    @Option(help: "A further user as TOKEN=NAME or TOKEN=NAME:GROUP,GROUP; may be repeated.")
    var user: [String] = []

    @Flag(help: "Serve HTTP without TLS.")
    var plain = false

    @Flag(help: "Serve the definitions of NodeCPUTopology and PodCPUBinding from the beginning.")
    var definitions = false

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        var settings = StandInSettings()
        settings.host = address
        settings.port = port
        for text in user {
            let sides = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard sides.count == 2 else { throw ValidationError("--user takes TOKEN=NAME or TOKEN=NAME:GROUP,GROUP") }
            // Names of service accounts have colons of their own; the groups stand behind the last one.
            let name = sides[1]
            guard !name.hasPrefix("system:"), let colon = name.lastIndex(of: ":") else {
                settings.tokens[sides[0]] = StandInUser(name)
                continue
            }
            settings.tokens[sides[0]] = StandInUser(
                String(name[..<colon]), groups: name[name.index(after: colon)...].split(separator: ",").map(String.init)
            )
        }
        let certificates = try CertificateMaker()
        var credentials = StandInKubeconfig.Credentials.token("admin")
        if !plain {
            try certificates.authority("standin-ca")
            try certificates.leaf("server", from: "standin-ca", names: "IP:\(address),DNS:localhost")
            try certificates.leaf(
                "admin", from: "standin-ca", names: "DNS:admin", subject: "/O=system:masters/CN=kubernetes-admin")
            settings.tls = .init(
                certificate: certificates.path("server.pem"), key: certificates.path("server.key"),
                clientAuthority: certificates.path("standin-ca.pem"))
            credentials = .certificate(certificates.path("admin.pem"), key: certificates.path("admin.key"))
        }
        var clusterSettings = StandInCluster.Settings()
        clusterSettings.historyLimit = history
        let server = try StandInServer(
            cluster: StandInCluster(settings: clusterSettings, seed: seed, now: StandInTime.now()), settings: settings)
        if definitions { for definition in BerthDefinitions.all { server.apply(definition: definition) } }
        try await server.start()
        let file = StandInKubeconfig(
            server: server.url, authority: plain ? nil : certificates.path("standin-ca.pem"), credentials: credentials)
        try TemporaryDirectory.write(Array(file.text.utf8), to: kubeconfig)
        say("\(server.url) is served; KUBECONFIG=\(kubeconfig)")
        for await _ in await UnixSignalsSequence(trapping: [.sigterm, .sigint]) { break }
        await server.stop()
        withExtendedLifetime(certificates) {}
    }

    private func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = write(STDOUT_FILENO, bytes, bytes.count)
    }
}
