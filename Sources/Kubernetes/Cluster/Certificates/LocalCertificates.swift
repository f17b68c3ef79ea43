internal import Crypto
internal import FoundationEssentials
internal import SwiftASN1
internal import X509

/// Certificates by which two programs of one pod know each other: of a server and of a client, both issued by an authority
/// that signs nothing else. The authority's key is not kept.
package struct LocalCertificates: Sendable {
    /// The authority's certificate, as PEM.
    package let authority: String
    /// The server's certificate and key, as PEM.
    package let server: Pair
    /// The client's certificate and key, as PEM.
    package let client: Pair

    /// A certificate and its key, as PEM.
    package struct Pair: Sendable {
        /// The certificate.
        package let certificate: String
        /// The private key.
        package let key: String
    }

    /// Makes new ones.
    ///
    /// - Parameters:
    ///   - addresses: the IP addresses and DNS names that the server is called by.
    ///   - now: the time, in seconds since 1970 UTC. The certificates are valid from an hour before it, since clocks differ.
    ///   - days: for how long, at least 1.
    /// - Throws: what the signing reports.
    package init(addresses: [String], now: Double, days: Int) throws {
        let begin = Date(timeIntervalSince1970: now - 3_600)
        let validity = (begin, Date(timeIntervalSince1970: now + Double(days) * 86_400))
        let issuer = try Issuer(validity: validity)
        authority = try issuer.certificate.serializeAsPEM().pemString
        server = try issuer.issue(
            "berth server", .serverAuth, addresses.map { Self.name($0) }, validity: validity)
        client = try issuer.issue("berth client", .clientAuth, [], validity: validity)
    }

    private static func name(_ address: String) -> GeneralName {
        let parts = address.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        if parts.count == 4, !parts.contains(nil) {
            return .ipAddress(ASN1OctetString(contentBytes: parts.compactMap { $0 }[...]))
        }
        if address == "::1" {
            return .ipAddress(ASN1OctetString(contentBytes: ([UInt8](repeating: 0, count: 15) + [1])[...]))
        }
        return .dnsName(address)
    }

    private struct Issuer {
        let key: Certificate.PrivateKey
        let name: DistinguishedName
        let certificate: Certificate

        init(validity: (Date, Date)) throws {
            key = Certificate.PrivateKey(P256.Signing.PrivateKey())
            name = try DistinguishedName { CommonName("berth authority") }
            certificate = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
                notValidBefore: validity.0, notValidAfter: validity.1, issuer: name, subject: name,
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                    Critical(KeyUsage(keyCertSign: true))
                }, issuerPrivateKey: key)
        }

        func issue(
            _ subject: String, _ usage: ExtendedKeyUsage.Usage, _ names: [GeneralName], validity: (Date, Date)
        ) throws -> Pair {
            let own = Certificate.PrivateKey(P256.Signing.PrivateKey())
            let issued = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: own.publicKey,
                notValidBefore: validity.0, notValidAfter: validity.1, issuer: name,
                subject: try DistinguishedName { CommonName(subject) }, signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage([usage])
                    if !names.isEmpty { SubjectAlternativeNames(names) }
                }, issuerPrivateKey: key)
            return Pair(
                certificate: try issued.serializeAsPEM().pemString, key: try own.serializeAsPEM().pemString)
        }
    }
}
