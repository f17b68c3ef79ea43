import Glibc
import Host
import HostAPI
import Ledger
import Logging
import Service
import TestSupport
import Testing
import WireJSON

/// The API over TLS: who has a certificate of the authority is an administrator, nobody else is anybody.
@Suite struct TLSTests {
    private static let certificates = Result {
        let maker = try CertificateMaker()
        try maker.authority("ca")
        try maker.authority("other")
        try maker.leaf("server", from: "ca", names: "IP:127.0.0.1")
        try maker.leaf("admin", from: "ca", names: "DNS:admin.example")
        try maker.leaf("stranger", from: "other", names: "DNS:admin.example")
        return maker
    }

    private static func tls(_ maker: CertificateMaker, at address: String = "127.0.0.1:0") throws -> APITLS {
        try APITLS(
            listeningAt: address, certificate: maker.path("server.pem"), key: maker.path("server.key"),
            clientAuthority: maker.path("ca.pem"))
    }

    /// What curl prints, and its exit status.
    private static func curl(_ arguments: [String]) async throws -> (status: Int32?, text: String) {
        try await Program.run(["curl", "-sS", "--max-time", "20"] + arguments)
    }

    @Test(
        "a client with a certificate of the authority makes and lists claims, one with another or with none does nothing"
    )
    func clients() async throws {
        let maker = try Self.certificates.get()
        try await TestAPI.serving { api in
            let tls = try Self.tls(maker)
            defer { close(tls.descriptor) }
            let server = api.server(tls)
            server.start()
            let url = "https://127.0.0.1:\(try port(of: tls.descriptor))/v1"
            let admin = [
                "--cacert", maker.path("ca.pem"), "--cert", maker.path("admin.pem"), "--key", maker.path("admin.key"),
            ]
            let put = try await Self.curl(
                admin + [
                    "-X", "PUT", "-H", "Content-Type: application/json", "-d", #"{"cpus":{"count":1}}"#,
                    "\(url)/claims/run/a",
                ])
            #expect(put.status == 0 && put.text.contains(#""label":"tls:admin.example""#))
            let root = try await Self.curl(admin + [url])
            #expect(root.text.contains(#""administrator":true"#))
            // Nobody's own process is at the other end.
            let own = try await Self.curl(
                admin + [
                    "-X", "PUT", "-H", "Content-Type: application/json",
                    "-d", #"{"cpus":{"count":1},"lease":{"process":"self"}}"#, "\(url)/claims/run/b",
                ])
            #expect(own.text.contains("invalid_member") || own.text.contains("no_process"), "\(own.text)")
            for strange in [
                [], ["--cert", maker.path("stranger.pem"), "--key", maker.path("stranger.key")],
            ] {
                let refused = try await Self.curl(["--cacert", maker.path("ca.pem")] + strange + ["\(url)/claims"])
                #expect(refused.status != 0 && !refused.text.contains("run:a"), "\(refused.text)")
            }
            #expect(api.host.ledger.count == 1)
            await server.stop(within: .seconds(5))
        }
    }

    @Test("a setting that is wrong is named")
    func wrong() throws {
        let maker = try Self.certificates.get()
        func message(_ change: (inout [String]) -> Void) -> String {
            var files = [maker.path("server.pem"), maker.path("server.key"), maker.path("ca.pem"), "127.0.0.1:0"]
            change(&files)
            do throws(ConfigurationError) {
                let tls = try APITLS(
                    listeningAt: files[3], certificate: files[0], key: files[1], clientAuthority: files[2])
                close(tls.descriptor)
                return ""
            } catch { return error.message }
        }
        #expect(message { _ in } == "")
        #expect(message { $0[0] = "/none.pem" }.hasPrefix("http-tls-certificate: /none.pem: No such file"))
        #expect(message { $0[0] = $0[1] }.hasPrefix("http-tls-certificate: "))
        #expect(message { $0[1] = $0[0] }.hasPrefix("http-tls-key: "))
        #expect(message { $0[1] = maker.path("admin.key") }.hasPrefix("http-tls-certificate: it does not fit"))
        #expect(message { $0[2] = $0[1] }.hasPrefix("http-tls-client-ca: "))
        for address in ["8443", "localhost:1", "127.0.0.1:70000", ":1"] {
            #expect(message { $0[3] = address }.hasPrefix("http-tls-listen"))
        }
        #expect(message { $0[3] = "192.0.2.1:1" }.hasPrefix("http-tls-listen: cannot listen at 192.0.2.1:1: "))
    }

    private func port(of descriptor: Int32) throws -> Int {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard result == 0 else { throw SystemError("ask for the port", errno: errno) }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
