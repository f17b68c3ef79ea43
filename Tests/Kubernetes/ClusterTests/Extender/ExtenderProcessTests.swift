import ClusterStandIn
import Glibc
import KubernetesClient
import TestSupport
import Testing

@testable import Cluster

/// The program as a scheduler's pod runs it.
@Suite struct ExtenderProcessTests {
    /// Starts what follows without capabilities, as the manifests do.
    private var withoutCapabilities: [String] {
        geteuid() == 0 ? ["/usr/bin/setpriv", "--inh-caps=-all", "--bounding-set=-all"] : []
    }

    private func free() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        #expect(result == 0)
        return UInt16(bigEndian: address.sin_port)
    }

    @Test("certificates are written to a directory that the program makes, whose parent must be there")
    func certificates() async throws {
        let directory = try TemporaryDirectory()
        let (good, bad) = ("\(directory.path)/tls", "\(directory.path)/missing/tls")
        func make(in path: String) async throws -> (Int32?, String) {
            let program = try Program(
                [Program.built("berth-cluster"), "certificates", "--directory", path],
                output: "\(directory.path)/output")
            return (try await program.end(), program.text)
        }
        #expect(try await make(in: good).0 == 0)
        #expect(try await make(in: good).0 == 0, "over those of before")
        #expect(TemporaryDirectory.read("\(good)/server.key")?.isEmpty == false)
        let (status, text) = try await make(in: bad)
        #expect(status == 1)
        #expect(text.contains("cannot make \(bad): No such file or directory"))
    }

    @Test(
        "the program reads the cluster, answers a scheduler, shows its metrics, and ends when it is told to, without capabilities"
    )
    func serves() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let directory = try TemporaryDirectory()
            try directory.write([
                "kubeconfig": StandInKubeconfig(server: site.server.url, credentials: .token("admin")).text,
                "config.yaml": "kind: WorkloadAwareArgs\nfeatures: [PhysicalCores]\n",
            ])
            let (port, metrics) = (try free(), try free())
            let program = try Program(
                withoutCapabilities + [
                    Program.built("berth-cluster"), "extender", "--kubeconfig",
                    "\(directory.path)/kubeconfig",
                    "--config", "\(directory.path)/config.yaml", "--insecure", "--listen",
                    "127.0.0.1:\(port)",
                    "--metrics-bind-address", "127.0.0.1:\(metrics)", "--health-probe-bind-address", "0",
                ], output: "\(directory.path)/output")
            let web = WebClient(port: metrics)
            #expect(try await eventually { await web.ask("/readyz")?.status == 200 }, "\(program.text)")
            let question: JSONValue = [
                "Pod": site.makePod("p", cpus: "5"), "Nodes": .null, "NodeNames": ["n"],
            ]
            let text = String(decoding: question.bytes, as: UTF8.self)
            let descriptor = try #require(WebClient(port: port).connect())
            WebClient.send(
                "POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: \(text.utf8.count)\r\nConnection: close\r\n\r\n\(text)",
                descriptor)
            let answer = String(decoding: await WebClient.receive(descriptor), as: UTF8.self)
            close(descriptor)
            #expect(answer.contains(#"{"n":"not enough cores, request: 5000m, available: 4000m"}"#))
            let shown = try PrometheusText(await web.ask("/metrics")?.text ?? "")
            #expect(shown["berth_extender_ready"] == 1 && shown["berth_extender_nodes"] == 1)
            #expect(shown[#"berth_extender_refusals_total{verb="filter"}"#] == 1)
            program.signal(SIGTERM)
            #expect(try await program.end() == 0, "\(program.text)")
        }
    }

    @Test(
        "what is wrong with the command line or a file is said, and nothing is served",
        arguments: [
            (["--listen", "0.0.0.0:1", "--insecure"], "--insecure serves the loopback only"),
            ([], "--tls-certificate and --tls-key are needed"),
            (["--insecure", "--config", "FILE"], #"policy: Invalid value: "x": invalid policy"#),
            (["--insecure", "--config", "/nowhere"], "/nowhere"),
            (["--tls-certificate", "FILE", "--tls-key", "FILE"], "is no PEM file of that kind"),
            (["--insecure", "--metrics-bind-address", "x"], "--metrics-bind-address takes an address"),
        ])
    func refuses(arguments: [String], message: String) async throws {
        let directory = try TemporaryDirectory()
        try directory.write(["file": "policy: x\n"])
        let arguments = arguments.map { $0 == "FILE" ? "\(directory.path)/file" : $0 }
        let (status, text) = try await Program.run(
            [try Program.built("berth-cluster"), "extender"] + arguments)
        #expect(status != 0 && status != nil && text.contains(message), "\(text)")
    }
}
