import ClusterStandIn
import Glibc
import KubernetesClient
import Logging
import TestSupport
import Testing
import WireJSON

@testable import Cluster

/// The extender as a scheduler reaches it.
@Suite struct ExtenderServerTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func serving(
        tls: ServerTLS? = nil, limits: HTTPListener.Limits = ExtenderPaths.limits, ready: Bool = true,
        _ body: (HTTPListener, ExtenderSite) async throws -> Void
    ) async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = Extender(try site.client())
            let running = Task { if ready { await extender.run() } }
            if ready { #expect(try await eventually { extender.isReady }) }
            let paths = ExtenderPaths(extender, prefix: "")
            let address = try #require(ListenAddress("127.0.0.1:0"))
            let listener = HTTPListener(address, tls: tls, limits: limits, logger: Self.quiet) {
                await paths.respond(to: $0)
            }
            try await listener.start()
            try await body(listener, site)
            await listener.stop(within: .milliseconds(200))
            running.cancel()
            await running.value
        }
    }

    private func exchange(_ listener: HTTPListener, _ text: String) async throws -> String {
        let web = WebClient(port: UInt16(listener.port))
        let descriptor = try #require(web.connect())
        defer { close(descriptor) }
        WebClient.send(text, descriptor)
        return String(decoding: await WebClient.receive(descriptor), as: UTF8.self)
    }

    private func post(_ path: String, _ body: String, _ fields: String = "") -> String {
        "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\(fields)"
            + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
    }

    @Test("a scheduler's questions are answered over HTTP")
    func questions() async throws {
        try await serving { listener, site async throws -> Void in
            let pod = site.makePod("p")
            let question: JSONValue = ["Pod": pod, "Nodes": .null, "NodeNames": ["n", "gone"]]
            let answer = try await exchange(
                listener, post("/filter", String(decoding: question.bytes, as: UTF8.self)))
            #expect(
                answer.hasPrefix("HTTP/1.1 200 OK\r\n")
                    && answer.contains("Content-Type: application/json\r\n"))
            #expect(answer.contains(#""NodeNames":["n"],"FailedNodes":{}"#))
            #expect(
                try await exchange(listener, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    .hasSuffix("\r\n\r\nok\n"))
        }
    }

    @Test("what is no question is refused with a text, and the next one is answered")
    func garbage() async throws {
        var limits = ExtenderPaths.limits
        limits.body = 1_000
        try await serving(limits: limits, ready: false) { listener, _ async throws -> Void in
            for (text, wanted) in [
                (post("/filter", "{"), "400 Bad Request"), (post("/bind", "[]"), "400 Bad Request"),
                (post("/preempt", "{}"), "404 Not Found"),
                ("GET /filter HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405"),
                (post("/filter", String(repeating: " ", count: 1_001)), "413"),
                (post("/filter", "", "Transfer-Encoding: x\r\n"), "400"),
                ("\u{16}\u{3}\u{1} nonsense\r\n\r\n", "400 Bad Request"),
                (post("/filter", "{}", "Content-Encoding: gzip\r\n"), "415"),
                ("GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "503"),
                ("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200"),
            ] {
                let answer = try await exchange(listener, text)
                #expect(answer.hasPrefix("HTTP/1.1 \(wanted)"), "\(text.prefix(60)) -> \(answer)")
                #expect(answer.split(separator: "\r\n\r\n").last?.isEmpty == false)
            }
        }
    }

    @Test("a request that does not come to its end costs its connection only")
    func slow() async throws {
        var limits = ExtenderPaths.limits
        limits.readTime = .milliseconds(200)
        try await serving(limits: limits) { listener, _ async throws -> Void in
            #expect(
                try await exchange(
                    listener, "POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{") == "")
            #expect(try await exchange(listener, "") == "")
        }
    }

    @Test(
        "with an authority for clients nobody else is answered, and certificates may change while it runs"
    )
    func mutualTLS() async throws {
        let certificates = try CertificateMaker()
        try certificates.authority("ca")
        try certificates.authority("other")
        try certificates.leaf("server", from: "ca", names: "IP:127.0.0.1")
        try certificates.leaf("scheduler", from: "ca", names: "DNS:scheduler")
        try certificates.leaf("stranger", from: "other", names: "DNS:stranger")
        let files = ServerTLS.Files(
            certificate: certificates.path("server.pem"), key: certificates.path("server.key"),
            clientAuthority: certificates.path("ca.pem"))
        let tls = try ServerTLS(files)
        try await serving(tls: tls) { listener, _ async throws -> Void in
            /// The answer to a client, which asks for what is not there; nil where it gets none.
            func status(as client: String?, trusting authority: String) async throws -> Int? {
                let credentials = client.map {
                    StandInKubeconfig.Credentials.certificate(
                        certificates.path("\($0).pem"), key: certificates.path("\($0).key"))
                }
                let text = StandInKubeconfig(
                    server: "https://127.0.0.1:\(listener.port)", authority: certificates.path(authority),
                    credentials: credentials ?? .token("x")
                ).text
                let client = ClusterClient(
                    try Kubeconfig(Array(text.utf8), file: "/kubeconfig").configuration())
                do { _ = try await client.serverVersion() } catch { return error.status?.code }
                return 200
            }
            #expect(try await status(as: "scheduler", trusting: "ca.pem") == 404)
            #expect(try await status(as: nil, trusting: "ca.pem") == nil)
            #expect(try await status(as: "stranger", trusting: "ca.pem") == nil)
            try certificates.leaf("server", from: "other", names: "IP:127.0.0.1")
            #expect(try await status(as: "scheduler", trusting: "ca.pem") == nil)
            #expect(try await status(as: "scheduler", trusting: "other.pem") == 404)
            // Files that do not fit leave what was there.
            try TemporaryDirectory.write(Array("no key\n".utf8), to: files.key)
            #expect(try await status(as: "scheduler", trusting: "other.pem") == 404)
        }
    }

    @Test("files that cannot be used are named", arguments: ["missing", "garbage", "mismatch"])
    func tlsFiles(kind: String) throws {
        let certificates = try CertificateMaker()
        try certificates.authority("ca")
        try certificates.leaf("a", from: "ca", names: "DNS:a")
        try certificates.leaf("b", from: "ca", names: "DNS:b")
        try TemporaryDirectory.write(Array("x\n".utf8), to: certificates.path("garbage"))
        let key = kind == "mismatch" ? certificates.path("b.key") : certificates.path(kind)
        let error = #expect(throws: ServerTLS.FileError.self) {
            try ServerTLS(.init(certificate: certificates.path("a.pem"), key: key))
        }
        #expect(error?.description.contains(key) == true)
    }

    @Test("addresses are numeric, and the loopback is known")
    func addresses() {
        #expect(
            ListenAddress("127.0.0.1:8888")?.isLoopback == true
                && ListenAddress("[::1]:1")?.isLoopback == true)
        #expect(
            ListenAddress(":8081")?.isLoopback == false && ListenAddress("0.0.0.0:1")?.isLoopback == false
        )
        for text in [
            "", "1", "localhost:1", "::1:1", "127.0.0.1", "127.0.0.1:70000", "127.0.0.1:x", "[::1:1",
        ] {
            #expect(ListenAddress(text) == nil, "\(text)")
        }
    }
}

/// What the command line may say of callers.
@Suite struct ExtenderAccessTests {
    private func access(
        _ listen: String, _ certificate: String? = "c", key: String? = "k", authority: String? = nil,
        insecure: Bool = false
    ) throws(ExtenderAccessError) -> ExtenderAccess {
        try ExtenderAccess(
            listen: listen, certificate: certificate, key: key, clientAuthority: authority, isInsecure: insecure)
    }

    @Test("callers that are not known are served on the loopback only")
    func loopback() throws {
        #expect(try access("127.0.0.1:1").tls?.clientAuthority == nil)
        #expect(try access("[::1]:1", nil, key: nil, insecure: true).tls == nil)
        #expect(try access(":1", authority: "a").tls?.clientAuthority == "a")
        #expect(throws: ExtenderAccessError.self) { try access(":1") }
        #expect(throws: ExtenderAccessError.self) { try access(":1", nil, key: nil, insecure: true) }
        #expect(throws: ExtenderAccessError.noCertificate) { try access("127.0.0.1:1", nil) }
        #expect(throws: ExtenderAccessError.noCertificate) { try access("127.0.0.1:1", key: nil) }
        #expect(throws: ExtenderAccessError.insecureWithTLS) { try access("127.0.0.1:1", insecure: true) }
        #expect(throws: ExtenderAccessError.noAddress("x")) { try access("x") }
    }
}
