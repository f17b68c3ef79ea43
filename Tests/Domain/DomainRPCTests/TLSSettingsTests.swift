import DomainRPC
import Glibc
import Service
import TestSupport
import Testing

/// Domain specification, section 2.2: `tls_config.toml`.
@Suite struct TLSSettingsTests {
    @Test("the EDGELESS keys are read")
    func keys() throws {
        let settings = try TLSSettings(
            toml: """
                # protected
                [server]
                server_cert_path = "/s.pem"
                server_key_path = '/s.key' # secret
                server_ca_path = "/ca.pem"

                [client]
                client_ca_path = "/ca.pem"
                client_cert_path = "/c.pem"
                client_key_path = "/c.key"
                domain_name = "n.example"
                """, file: "t")
        #expect(
            settings.server
                == .init(identity: .init(certificate: "/s.pem", key: "/s.key"), clientAuthority: "/ca.pem"))
        #expect(
            settings.client
                == .init(
                    authority: "/ca.pem", identity: .init(certificate: "/c.pem", key: "/c.key"),
                    serverName: "n.example"))
        #expect(try TLSSettings(toml: "\n[server]\n", file: "t") == TLSSettings())
    }

    @Test(
        "malformed or incomplete settings are errors that name what is missing",
        arguments: [
            ("[server]\nserver_cert_path = \"/s\"", "server_key_path"),
            ("[server]\nserver_key_path = \"/s\"", "server_cert_path"),
            ("[server]\nserver_ca_path = \"/s\"", "server_ca_path needs"),
            ("[client]\nclient_cert_path = \"/s\"\nclient_ca_path = \"/s\"", "client_key_path"),
            ("[client]\nclient_cert_path = \"/s\"\nclient_key_path = \"/s\"", "client_ca_path is missing"),
            ("[client]\ndomain_name = \"n\"", "client_ca_path is missing"),
            ("[client]\nclient_ca_path = \"c\"\ndomain_name = \"10.0.0.7\"", "is an address"),
            ("[client]\nclient_ca_path = \"c\"\ndomain_name = \"::1\"", "is an address"),
            ("[client]\ntpm_handle = \"0x81\"\nclient_ca_path = \"/s\"", "TPM"),
            ("[server]\nserver_crt_path = \"/s\"", "unknown key \"server_crt_path\" in server"),
            ("[servers]\n", "\"servers\" is not one of"), ("server = \"x\"", "\"server\" is not one of"),
            ("[server]\nserver_cert_path = 5", "server.server_cert_path takes a non-empty string"),
            ("[server]\nserver_cert_path = \"\"", "non-empty"),
            ("[server", "line 1"), ("[[server]]", "\"server\" is not one of"), ("server = {", "line 1"), ("\0", "NUL"),
            ("[server]\n[server]\nserver_ca_path = \"\\q\"", "t: "), ("[server]\nserver_ca_path = \"/s\n\"", "line 2"),
        ])
    func errors(toml: String, part: String) {
        let error = #expect(throws: ConfigurationError.self) { try TLSSettings(toml: toml, file: "t") }
        let message = error?.message ?? ""
        #expect(message.hasPrefix("t: ") && message.contains(part), "\(message)")
    }

    @Test("a missing file means plaintext; a file with unusable certificates is an error")
    func files() throws {
        let certificates = try Certificates.made.get()
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/tls_config.toml"
        #expect(try TLSSettings(file: path) == TLSSettings())

        func write(_ certificate: String, _ key: String, _ authority: String) throws {
            let text = """
                [server]
                server_cert_path = "\(certificates.path(certificate))"
                server_key_path = "\(certificates.path(key))"
                [client]
                client_ca_path = "\(certificates.path(authority))"
                """
            try TemporaryDirectory.write(Array(text.utf8), to: path)
        }
        try write("server.pem", "server.key", "ca.pem")
        #expect(try TLSSettings(file: path).server != nil)
        for (certificate, key, authority) in [
            ("none.pem", "server.key", "ca.pem"), ("server.pem", "none.key", "ca.pem"),
            ("server.key", "server.key", "ca.pem"), ("server.pem", "node.key", "ca.pem"),
            ("server.pem", "server.key", "server.key"), ("server.pem", "server.key", "none.pem"),
        ] {
            try write(certificate, key, authority)
            let error = #expect(throws: ConfigurationError.self, "\(certificate) \(key) \(authority)") {
                try TLSSettings(file: path)
            }
            #expect(error?.message.hasPrefix(path) == true)
        }
        #expect(throws: ConfigurationError.self) { try TLSSettings(file: directory.path) }
        try TemporaryDirectory.write([0xFF, 0xFE], to: path)
        #expect(throws: ConfigurationError.self) { try TLSSettings(file: path) }
    }

    @Test("a pipe in the place of the file, or of a certificate, is an error, and is not waited for")
    func pipe() throws {
        let directory = try TemporaryDirectory()
        let (pipe, file) = ("\(directory.path)/pipe", "\(directory.path)/tls_config.toml")
        #expect(mkfifo(pipe, 0o600) == 0)
        try TemporaryDirectory.write(
            Array("[server]\nserver_cert_path = \"\(pipe)\"\nserver_key_path = \"\(pipe)\"\n".utf8), to: file)
        for path in [pipe, file] {
            #expect {
                try TLSSettings(file: path)
            } throws: {
                "\($0)".contains("not a regular file")
            }
        }
    }

    @Test("expired certificates, and those not valid yet, are reported")
    func outdated() throws {
        let certificates = try Certificates.made.get()
        let settings = TLSSettings(
            server: .init(
                identity: .init(certificate: certificates.path("server.pem"), key: certificates.path("server.key"))),
            client: .init(authority: certificates.path("ca.pem")))
        #expect(try settings.warnings(at: time(nil)).isEmpty)
        let later = try settings.warnings(at: time(nil) + 200 * 365 * 86_400)
        #expect(
            later == [
                "server_cert_path: \(certificates.path("server.pem")) has expired",
                "client_ca_path: \(certificates.path("ca.pem")) has expired",
            ])
        #expect(try settings.warnings(at: 0).allSatisfy { $0.hasSuffix("is not valid yet") })
    }

    @Test("random TOML-like files are parsed or refused without a trap", arguments: 0..<20 as Range<UInt64>)
    func random(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let signs = [
            "[", "]", "server", "client", "=", "\"", "'", "\n", " ", ".", "\\", "#", "{", "}", "server_ca_path", "\0",
        ]
        for _ in 0..<200 {
            let text = (0..<Int.random(in: 0...14, using: &random)).map { _ in
                signs[Int.random(in: 0..<signs.count, using: &random)]
            }.joined()
            _ = try? TLSSettings(toml: text, file: "seed \(seed)")
        }
    }
}
