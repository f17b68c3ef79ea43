import Dispatch
import GRPCNIOTransportHTTP2Posix
import Glibc
import NIOCertificateReloading
import NIOCore
import NIOSSL
import Service
import SwiftASN1
import Synchronization
import X509

/// The files of mutual TLS. Each connection gets what the files say when it is made, so that a renewed certificate needs
/// neither a restart nor a signal.
package final class ServerCertificates: CertificateReloader, Sendable {
    /// The paths of PEM files.
    package struct Files: Equatable, Sendable {
        package var certificate: String
        package var key: String
        /// The authorities that clients' certificates are checked against.
        package var clientAuthority: String

        package init(certificate: String, key: String, clientAuthority: String) {
            self.certificate = certificate
            self.key = key
            self.clientAuthority = clientAuthority
        }
    }

    /// A file cannot be used.
    package struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }

    private struct Loaded {
        var bytes: [[UInt8]]
        var chain: [NIOSSLCertificate]
        var key: NIOSSLPrivateKey
        var authorities: [Certificate]
    }

    private let files: Files
    private let loaded: Mutex<Loaded>
    /// The bytes of files that could not be used, so that this is found once.
    private let unusable = Mutex<[[UInt8]]?>(nil)
    private let onFailure: @Sendable (Failure) -> Void

    /// Reads the files.
    ///
    /// - Parameter onFailure: is told why renewed files cannot be used; the former ones then stay in use.
    /// - Throws: ``Failure`` that names the file.
    package init(_ files: Files, onFailure: @escaping @Sendable (Failure) -> Void = { _ in }) throws(Failure) {
        self.files = files
        self.onFailure = onFailure
        loaded = Mutex(try Self.load(files, try Self.read(files)))
    }

    private static func read(_ files: Files) throws(Failure) -> [[UInt8]] {
        var bytes: [[UInt8]] = []
        for path in [files.certificate, files.key, files.clientAuthority] {
            do throws(SystemError) { bytes.append(try readBytes(path)) } catch {
                throw Failure(description: "\(error)")
            }
        }
        return bytes
    }

    private static func load(_ files: Files, _ bytes: [[UInt8]]) throws(Failure) -> Loaded {
        let chain: [NIOSSLCertificate]
        let key: NIOSSLPrivateKey
        do {
            chain = try NIOSSLCertificate.fromPEMBytes(bytes[0])
            key = try NIOSSLPrivateKey(bytes: bytes[1], format: .pem)
            // The context rejects a key that does not match the certificate.
            _ = try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)))
        } catch {
            throw Failure(
                description: "\(files.certificate) and \(files.key) are not a PEM certificate and its key: \(error)")
        }
        do {
            let authorities = try NIOSSLCertificate.fromPEMBytes(bytes[2]).map {
                try Certificate(derEncoded: $0.toDERBytes())
            }
            guard !authorities.isEmpty else {
                throw Failure(description: "\(files.clientAuthority) contains no certificate")
            }
            return Loaded(bytes: bytes, chain: chain, key: key, authorities: authorities)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(description: "\(files.clientAuthority) is not a PEM certificate: \(error)")
        }
    }

    /// What the files say now, or said when they could be used last.
    private func current() -> (chain: [NIOSSLCertificate], key: NIOSSLPrivateKey, authorities: [Certificate]) {
        do throws(Failure) {
            let bytes = try Self.read(files)
            if loaded.withLock({ $0.bytes != bytes }), unusable.withLock({ $0 != bytes }) { try renew(bytes) }
        } catch { onFailure(error) }
        return loaded.withLock { ($0.chain, $0.key, $0.authorities) }
    }

    /// Takes other files, unless they cannot be used.
    ///
    /// On a thread of its own: what the TLS library has against a file would else be taken for a failure of the handshake that
    /// waits for this.
    private func renew(_ bytes: [[UInt8]]) throws(Failure) {
        let finished = DispatchSemaphore(value: 0)
        let outcome = Outcome()
        do throws(SystemError) {
            try startThread(named: "certificates") { [files] in
                let result = Result { () throws(Failure) in try Self.load(files, bytes) }
                outcome.result.withLock { $0 = result }
                finished.signal()
            }
        } catch { throw Failure(description: "\(error)") }
        finished.wait()
        switch outcome.result.withLock({ $0 }) {
        case .success(let fresh): loaded.withLock { $0 = fresh }
        case .failure(let failure):
            unusable.withLock { $0 = bytes }
            throw failure
        case nil: break
        }
    }

    private final class Outcome: Sendable {
        let result = Mutex<Result<Loaded, Failure>?>(nil)
    }

    package var sslContextConfigurationOverride: NIOSSLContextConfigurationOverride {
        let current = current()
        var override = NIOSSLContextConfigurationOverride()
        override.certificateChain = current.chain.map { .certificate($0) }
        override.privateKey = .privateKey(current.key)
        return override
    }

    /// The settings in the form of the transport.
    func security() throws -> HTTP2ServerTransport.Posix.TransportSecurity {
        try .mTLS(certificateReloader: self) { tls in
            tls.requireALPN = true
            // Clients are not called by name, so there is no host name to verify.
            tls.clientCertificateVerification = .noHostnameVerification
            tls.trustRoots = .certificates([.file(path: self.files.clientAuthority, format: .pem)])
            tls.customVerificationCallback = { [self] certificates, promise in
                promise.completeWithTask { await self.verify(certificates) }
            }
        }
    }

    /// Whether a client's certificates lead to one of the authorities, at this time and for this purpose.
    private func verify(_ chain: [NIOSSLCertificate]) async -> NIOSSLVerificationResultWithMetadata {
        do {
            let certificates = try chain.map { try Certificate(derEncoded: $0.toDERBytes()) }
            guard let leaf = certificates.first, try Self.isForClients(leaf) else { return .failed }
            var verifier = Verifier(rootCertificates: CertificateStore(current().authorities)) {
                RFC5280Policy()
            }
            let result = await verifier.validate(
                leaf: leaf, intermediates: CertificateStore(certificates.dropFirst()))
            guard case .validCertificate = result else { return .failed }
            return .certificateVerified(VerificationMetadata(ValidatedCertificateChain(chain)))
        } catch {
            return .failed
        }
    }

    private static func isForClients(_ certificate: Certificate) throws -> Bool {
        guard let usage = try certificate.extensions.extendedKeyUsage else { return true }
        return usage.contains(.clientAuth) || usage.contains(.any)
    }
}
