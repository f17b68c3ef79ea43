import DomainWire
import Glibc
internal import NIOSSL
import Service
internal import TOMLKit

/// How connections are protected: `tls_config.toml` (domain specification, section 2.2).
///
/// The reference falls back to plaintext where the file cannot be used; here only a missing file means plaintext, and anything
/// that is wrong with one is an error.
package struct TLSSettings: Hashable, Sendable {
    /// A certificate and its key, both files in PEM.
    package struct Identity: Hashable, Sendable {
        /// The file of the certificate and those between it and the authority.
        package var certificate: String
        /// The file of the private key.
        package var key: String

        /// An identity of these two files.
        package init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// What the servers do: with it, all of them speak TLS.
    package struct Server: Hashable, Sendable {
        /// Who they are.
        package var identity: Identity
        /// The file of the authority that clients' certificates must be from; nil where clients need none.
        package var clientAuthority: String?

        /// A server's part.
        package init(identity: Identity, clientAuthority: String? = nil) {
            self.identity = identity
            self.clientAuthority = clientAuthority
        }
    }

    /// What calls to nodes and the controller do: with it, all of them speak TLS.
    package struct Client: Hashable, Sendable {
        /// The file of the authority that servers' certificates must be from.
        package var authority: String
        /// Who the orchestrator is to the servers that ask.
        package var identity: Identity?
        /// The name that servers' certificates must have; nil for the host of the URL that is called.
        package var serverName: String?

        /// A client's part.
        package init(authority: String, identity: Identity? = nil, serverName: String? = nil) {
            self.authority = authority
            self.identity = identity
            self.serverName = serverName
        }
    }

    /// The servers' part; nil for plaintext.
    package var server: Server?
    /// The callers' part; nil for plaintext.
    package var client: Client?

    /// Plaintext unless told.
    package init(server: Server? = nil, client: Client? = nil) {
        self.server = server
        self.client = client
    }

    /// Reads the file at `path`, and the certificates and keys that it names; plaintext where there is no such file.
    ///
    /// - Throws: `ConfigurationError` that names the file, and the key where one is to blame.
    package init(file path: String) throws(ConfigurationError) {
        let text: String
        do throws(SystemError) {
            text = try readText(path)
        } catch {
            guard error.errno == ENOENT else { throw ConfigurationError("\(error)") }
            self.init()
            return
        }
        try self.init(toml: text, file: path)
        try check(path)
    }

    /// Reads a text; does not look at the files that it names.
    ///
    /// - Throws: `ConfigurationError` that names `file`, and the key where one is to blame.
    package init(toml: String, file: String) throws(ConfigurationError) {
        try TOMLForm.tables.check(toml, file: file)
        let root: TOMLTable
        do { root = try TOMLTable(string: toml) } catch { throw ConfigurationError("\(file): not TOML: \(error)") }
        var values: [String: String] = [:]
        for (section, table) in root.sorted(by: { $0.0 < $1.0 }) {
            guard let keys = Self.keys[section], let table = table.table else {
                throw ConfigurationError(
                    "\(file): \(section.quoted) is neither of the tables server and client")
            }
            for (key, value) in table.sorted(by: { $0.0 < $1.0 }) {
                guard keys.contains(key) else {
                    throw ConfigurationError(
                        "\(file): unknown key \(key.quoted) in \(section); there are \(keys.joined(separator: ", "))"
                    )
                }
                guard let text = value.string, !text.isEmpty, !text.utf8.contains(0) else {
                    throw ConfigurationError("\(file): \(section).\(key) takes text in quotes, not empty")
                }
                values[key] = text
            }
        }
        if values["tpm_handle"] != nil {
            throw ConfigurationError(
                "\(file): client.tpm_handle: keys in a TPM are not supported; give the key's file as client_key_path")
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
                "\(file): client.domain_name: \(name.quoted) is an address; a DNS name is needed, or no domain_name: then "
                    + "certificates must have the host of the URL that is called")
        }
        if let authority = values["client_ca_path"] {
            client = Client(authority: authority, identity: identities.1, serverName: values["domain_name"])
        } else if identities.1 != nil || values["domain_name"] != nil {
            throw ConfigurationError("\(file): client_ca_path is missing: whose certificates the servers must have")
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
        case (nil, _): throw ConfigurationError("\(file): \(key) needs \(certificate) beside it")
        case (_, nil): throw ConfigurationError("\(file): \(certificate) needs \(key) beside it")
        }
    }

    /// Loads what the settings name, as connections will.
    ///
    /// - Throws: `ConfigurationError` where a file cannot be read or is not what it should be.
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

    /// What is wrong at `time`, in seconds since 1970, with certificates that can be read: those that use them will be refused.
    /// No error, as the clock may be to blame.
    ///
    /// - Throws: `ConfigurationError` where a file cannot be read any more.
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
            // An authority's file may have former ones beside the present.
            let isAuthority = key.hasSuffix("_ca_path")
            let expired = certificates.count { $0.notValidAfter < time }
            let early = certificates.count { $0.notValidBefore > time }
            func isBad(_ count: Int) -> Bool { isAuthority ? count == certificates.count : count > 0 }
            if isBad(expired) { warnings.append("\(key): \(path) has expired") }
            if isBad(early) { warnings.append("\(key): \(path) is not valid yet") }
        }
        return warnings
    }

    private static func checkReadable(_ path: String, _ file: String) throws(ConfigurationError) {
        guard access(path, R_OK) == 0 else {
            throw ConfigurationError("\(file): cannot read \(path): \(String(cString: strerror(errno)))")
        }
    }

    private static func check(_ identity: Identity, _ file: String) throws(ConfigurationError) {
        for path in [identity.certificate, identity.key] { try checkReadable(path, file) }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(identity.certificate)
            let key = try NIOSSLPrivateKey(file: identity.key, format: .pem)
            // The context refuses a key that is not the certificate's.
            _ = try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)))
        } catch {
            throw ConfigurationError(
                "\(file): \(identity.certificate) and \(identity.key) are no certificate in PEM and the key that belongs to it (\(error))"
            )
        }
    }

    private static func check(authority: String, _ file: String) throws(ConfigurationError) {
        try checkReadable(authority, file)
        do {
            guard try !NIOSSLCertificate.fromPEMFile(authority).isEmpty else {
                throw ConfigurationError("\(file): \(authority) has no certificate")
            }
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw ConfigurationError("\(file): \(authority) is no certificate in PEM: \(error)")
        }
    }
}
