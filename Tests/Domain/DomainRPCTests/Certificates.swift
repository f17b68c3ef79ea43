import Domain
import DomainRPC
import Glibc
import TestSupport

/// Certificates of an authority, a server, nodes and a foreign authority, created once with `openssl`.
struct Certificates: Sendable {
    struct Failure: Error {}

    let folder: TemporaryDirectory

    static let made = Result { try Certificates() }

    init() throws {
        folder = try TemporaryDirectory()
        try authority("ca")
        try authority("other-ca")
        try leaf("server", from: "ca", names: "IP:127.0.0.1,DNS:localhost")
        try leaf("elsewhere", from: "ca", names: "DNS:elsewhere.example")
        try leaf("address", from: "ca", names: "DNS:elsewhere.example,IP:127.0.0.1")
        try leaf("wildcard", from: "ca", names: "DNS:*.elsewhere.example,IP:127.0.0.1")
        try leaf("node", from: "ca", names: "URI:urn:uuid:\(Sample.node),IP:127.0.0.1")
        try leaf("node-dns", from: "ca", names: "DNS:\(Sample.node)")
        try leaf("controller", from: "ca", names: "DNS:controller")
        try leaf("stranger", from: "other-ca", names: "URI:urn:uuid:\(Sample.node)")
    }

    func path(_ file: String) -> String { "\(folder.path)/\(file)" }

    func identity(_ name: String) -> TLSSettings.Identity {
        TLSSettings.Identity(certificate: path("\(name).pem"), key: path("\(name).key"))
    }

    private func authority(_ name: String) throws {
        try run(
            """
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=\(name) \
            -keyout \(path(name)).key -out \(path(name)).pem
            """)
    }

    private func leaf(_ name: String, from authority: String, names: String) throws {
        try TemporaryDirectory.write(Array("subjectAltName=\(names)\n".utf8), to: path("\(name).ext"))
        try run(
            """
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=\(name) \
            -keyout \(path(name)).key -out \(path(name)).csr && \
            openssl x509 -req -in \(path(name)).csr -CA \(path(authority)).pem -CAkey \(path(authority)).key \
            -CAcreateserial -days 2 -extfile \(path(name)).ext -out \(path(name)).pem
            """)
    }

    private func run(_ command: String) throws {
        guard system("( \(command) ) >/dev/null 2>&1") == 0 else { throw Failure() }
    }
}
