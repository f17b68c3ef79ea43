import Domain
import DomainRPC
import Glibc
import TestSupport

/// Certificates of an authority, a server, nodes and a foreign authority, created once with `openssl`.
struct Certificates: Sendable {
    private let maker: CertificateMaker

    static let made = Result { try Certificates() }

    init() throws {
        let maker = try CertificateMaker()
        self.maker = maker
        try maker.authority("ca")
        try maker.authority("other-ca")
        try maker.leaf("server", from: "ca", names: "IP:127.0.0.1,DNS:localhost")
        try maker.leaf("elsewhere", from: "ca", names: "DNS:elsewhere.example")
        try maker.leaf("address", from: "ca", names: "DNS:elsewhere.example,IP:127.0.0.1")
        try maker.leaf("wildcard", from: "ca", names: "DNS:*.elsewhere.example,IP:127.0.0.1")
        try maker.leaf("node", from: "ca", names: "URI:urn:uuid:\(Sample.node),IP:127.0.0.1")
        try maker.leaf("node-dns", from: "ca", names: "DNS:\(Sample.node)")
        try maker.leaf("controller", from: "ca", names: "DNS:controller")
        try maker.leaf("stranger", from: "other-ca", names: "URI:urn:uuid:\(Sample.node)")
    }

    func path(_ file: String) -> String { maker.path(file) }

    func identity(_ name: String) -> TLSSettings.Identity {
        TLSSettings.Identity(certificate: path("\(name).pem"), key: path("\(name).key"))
    }
}
