import DomainWire
import Glibc
internal import NIOSSL
import Service
internal import TOMLKit

/// The TLS settings: `tls_config.toml` (domain specification, section 2.2).
///
/// EDGELESS falls back to plaintext if the file cannot be used. Here only a missing file means plaintext; every other
/// problem is an error.
package struct TLSSettings: Hashable, Sendable {
    /// A certificate and its key, both PEM files.
    package struct Identity: Hashable, Sendable {
        /// The file with the certificate and its intermediates.
        package var certificate: String
        /// The file of the private key.
        package var key: String

        /// Creates an identity from two files.
        package init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// The settings of the servers; if present, all of them use TLS.
    package struct Server: Hashable, Sendable {
        /// The certificate of the servers.
        package var identity: Identity
        /// The CA file that clients' certificates are checked against; nil if clients need no certificate.
        package var clientAuthority: String?

        /// Creates server settings.
        package init(identity: Identity, clientAuthority: String? = nil) {
            self.identity = identity
            self.clientAuthority = clientAuthority
        }
    }

    /// The settings of calls to nodes and the controller; if present, all of them use TLS.
    package struct Client: Hashable, Sendable {
        /// The CA file that servers' certificates are checked against.
        package var authority: String
        /// The orchestrator's own certificate, for servers that require one.
        package var identity: Identity?
        /// The name that servers' certificates must contain; nil for the host of the URL.
        package var serverName: String?

        /// Creates client settings.
        package init(authority: String, identity: Identity? = nil, serverName: String? = nil) {
            self.authority = authority
            self.identity = identity
            self.serverName = serverName
        }
    }

    /// The server settings; nil for plaintext.
    package var server: Server?
    /// The client settings; nil for plaintext.
    package var client: Client?

    /// Creates settings; plaintext by default.
    package init(server: Server? = nil, client: Client? = nil) {
        self.server = server
        self.client = client
    }

    /// Reads the file at `path`, and the certificates and keys that it names. A missing file means plaintext.
    ///
    /// - Throws: `ConfigurationError` that names the file and, if applicable, the key.
    package init(file path: String) throws(ConfigurationError) {
        let text: String
        do throws(SystemError) {
            text = try readText(path, mustBeRegular: true)
        } catch {
            guard error.errno == ENOENT else { throw ConfigurationError("\(error)") }
            self.init()
            return
        }
        try self.init(toml: text, file: path)
        try check(path)
    }

    /// Parses a text without reading the files that it names.
    ///
    /// - Throws: `ConfigurationError` that names `file` and, if applicable, the key.
    package init(toml: String, file: String) throws(ConfigurationError) {
        try TOMLForm.tables.check(toml, file: file)
        let root: TOMLTable
        do { root = try TOMLTable(string: toml) } catch { throw ConfigurationError("\(file): not TOML: \(error)") }
        var values: [String: String] = [:]
        for (section, table) in root.sorted(by: { $0.0 < $1.0 }) {
            guard let keys = Self.keys[section], let table = table.table else {
                throw ConfigurationError(
                    "\(file): \(section.quoted) is not one of the tables server and client")
            }
            for (key, value) in table.sorted(by: { $0.0 < $1.0 }) {
                guard keys.contains(key) else {
                    throw ConfigurationError(
                        "\(file): unknown key \(key.quoted) in \(section); the keys are \(keys.joined(separator: ", "))"
                    )
                }
                guard let text = value.string, !text.isEmpty, !text.utf8.contains(0) else {
                    throw ConfigurationError("\(file): \(section).\(key) takes a non-empty string")
                }
                values[key] = text
            }
        }
        if values["tpm_handle"] != nil {
            throw ConfigurationError(
                "\(file): client.tpm_handle: keys in a TPM are not supported; set client_key_path to a key file")
        }
        let identities = (
            try Self.identity(values, "server_cert_path", "server_key_path", file),
            try Self.identity(values, "client_cert_path", "client_key_path", file)
        )
        if let identity = identities.0 {
            server = Server(identity: identity, clientAuthority: values["server_ca_path"])
        } else if values["server_ca_path"] != nil {
            throw ConfigurationError("\(file): server_ca_path needs server_cert_path and server_key_path")
        }
        if let name = values["domain_name"],
            name.contains(":") || name.utf8.allSatisfy({ $0 == 46 || (48...57).contains($0) })
        {
            throw ConfigurationError(
                "\(file): client.domain_name: \(name.quoted) is an address. Use a DNS name, or omit domain_name: then "
                    + "certificates must contain the host of the URL")
        }
        if let authority = values["client_ca_path"] {
            client = Client(authority: authority, identity: identities.1, serverName: values["domain_name"])
        } else if identities.1 != nil || values["domain_name"] != nil {
            throw ConfigurationError(
                "\(file): client_ca_path is missing: the authority that signs the servers' certificates")
        }
    }

    private static let keys = [
        "server": ["server_cert_path", "server_key_path", "server_ca_path"],
        "client": ["client_ca_path", "client_cert_path", "client_key_path", "tpm_handle", "domain_name"],
    ]

    private static func identity(
        _ values: [String: String], _ certificate: String, _ key: String, _ file: String
    ) throws(ConfigurationError) -> Identity? {
        switch (values[certificate], values[key]) {
        case (let certificate?, let key?): return Identity(certificate: certificate, key: key)
        case (nil, nil): return nil
        case (nil, _): throw ConfigurationError("\(file): \(key) requires \(certificate)")
        case (_, nil): throw ConfigurationError("\(file): \(certificate) requires \(key)")
        }
    }

    /// Loads the named files in the same way as connections do.
    ///
    /// - Throws: `ConfigurationError` if a file cannot be read or has the wrong content.
    func check(_ file: String) throws(ConfigurationError) {
        if let server {
            try Self.check(server.identity, file)
            if let authority = server.clientAuthority { try Self.check(authority: authority, file) }
        }
        if let client {
            try Self.check(authority: client.authority, file)
            if let identity = client.identity { try Self.check(identity, file) }
        }
    }

    /// Problems with the validity of certificates at `time`, in seconds since 1970. These are not errors, because the
    /// clock may be wrong.
    ///
    /// - Throws: `ConfigurationError` if a file can no longer be read.
    package func warnings(at time: Int) throws(ConfigurationError) -> [String] {
        let files = [
            ("server_cert_path", server?.identity.certificate), ("server_ca_path", server?.clientAuthority),
            ("client_cert_path", client?.identity?.certificate), ("client_ca_path", client?.authority),
        ]
        var warnings: [String] = []
        for case (let key, let path?) in files {
            let certificates: [NIOSSLCertificate]
            do { certificates = try NIOSSLCertificate.fromPEMFile(path) } catch {
                throw ConfigurationError("\(path): \(error)")
            }
            // An authority's file may contain expired certificates along with the current one.
            let isAuthority = key.hasSuffix("_ca_path")
            let expired = certificates.count { $0.notValidAfter < time }
            let early = certificates.count { $0.notValidBefore > time }
            func isBad(_ count: Int) -> Bool { isAuthority ? count == certificates.count : count > 0 }
            if isBad(expired) { warnings.append("\(key): \(path) has expired") }
            if isBad(early) { warnings.append("\(key): \(path) is not valid yet") }
        }
        return warnings
    }

    /// The bytes of all named files, to notice that one of them was renewed.
    ///
    /// - Throws: `ConfigurationError` if a file can no longer be read.
    package func contents() throws(ConfigurationError) -> [[UInt8]] {
        let files = [
            server?.identity.certificate, server?.identity.key, server?.clientAuthority, client?.authority,
            client?.identity?.certificate, client?.identity?.key,
        ]
        var contents: [[UInt8]] = []
        for case let path? in files {
            do throws(SystemError) { contents.append(try readBytes(path, mustBeRegular: true)) } catch {
                throw ConfigurationError("\(error)")
            }
        }
        return contents
    }

    private static func checkReadable(_ path: String, _ file: String) throws(ConfigurationError) {
        guard access(path, R_OK) == 0 else {
            throw ConfigurationError("\(file): cannot read \(path): \(String(cString: strerror(errno)))")
        }
        // A pipe would stop the program.
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw ConfigurationError("\(file): \(path) is not a regular file")
        }
    }

    private static func check(_ identity: Identity, _ file: String) throws(ConfigurationError) {
        for path in [identity.certificate, identity.key] { try checkReadable(path, file) }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(identity.certificate)
            let key = try NIOSSLPrivateKey(file: identity.key, format: .pem)
            // The context rejects a key that does not match the certificate.
            _ = try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)))
        } catch {
            throw ConfigurationError(
                "\(file): \(identity.certificate) and \(identity.key) are not a PEM certificate and its key (\(error))"
            )
        }
    }

    private static func check(authority: String, _ file: String) throws(ConfigurationError) {
        try checkReadable(authority, file)
        do {
            guard try !NIOSSLCertificate.fromPEMFile(authority).isEmpty else {
                throw ConfigurationError("\(file): \(authority) contains no certificate")
            }
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw ConfigurationError("\(file): \(authority) is not a PEM certificate: \(error)")
        }
    }
}
