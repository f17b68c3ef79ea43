import Glibc
internal import NIOCore
internal import NIOSSL
import Service
import Synchronization

/// What protects the connections of a server: a certificate, its key, and the authority whose certificates clients must
/// have. Files that change are read again: connections from then on have the new ones.
package final class ServerTLS: Sendable {
    /// Where the PEM files are.
    package struct Files: Equatable, Sendable {
        /// The server's certificate, with its intermediates.
        package var certificate: String
        /// Its key.
        package var key: String
        /// The authority of the clients' certificates; nil where clients need none.
        package var clientAuthority: String?

        /// Files.
        package init(certificate: String, key: String, clientAuthority: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientAuthority = clientAuthority
        }

        fileprivate var all: [String] { [certificate, key] + (clientAuthority.map { [$0] } ?? []) }
    }

    /// Why files cannot be used.
    package struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
        /// Names the file and what is wrong.
        package let description: String
    }

    private struct Current {
        var context: NIOSSLContext
        var stamps: [FileStamp?]
        /// The stamps of files that could not be used, which is said once.
        var failed: [FileStamp?]?
    }

    private let files: Files
    private let current: Mutex<Current>
    private let onFailure: @Sendable (FileError) -> Void

    /// Reads the files.
    ///
    /// - Parameter onFailure: is told where changed files cannot be used; the old ones hold until they can.
    /// - Throws: ``FileError``.
    package init(_ files: Files, onFailure: @escaping @Sendable (FileError) -> Void = { _ in }) throws(FileError) {
        self.files = files
        self.onFailure = onFailure
        let stamps = files.all.map { FileStamp($0) }
        current = Mutex(Current(context: try Self.context(files), stamps: stamps))
    }

    /// Has a connection begin with the handshake.
    func protect(_ channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context()))
    }

    private func context() -> NIOSSLContext {
        let stamps = files.all.map { FileStamp($0) }
        let (context, failure) = current.withLock { current -> (NIOSSLContext, FileError?) in
            guard stamps != current.stamps else { return (current.context, nil) }
            do throws(FileError) {
                current = Current(context: try Self.context(files), stamps: stamps)
                return (current.context, nil)
            } catch {
                defer { current.failed = stamps }
                return (current.context, current.failed == stamps ? nil : error)
            }
        }
        if let failure { onFailure(failure) }
        return context
    }

    private static func context(_ files: Files) throws(FileError) -> NIOSSLContext {
        let chain = try read(files.certificate) { try NIOSSLCertificate.fromPEMFile($0) }
        let key = try read(files.key) { try NIOSSLPrivateKey(file: $0, format: .pem) }
        var settings = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        if let authority = files.clientAuthority {
            let roots = try read(authority) { path in
                let roots = try NIOSSLCertificate.fromPEMFile(path)
                guard !roots.isEmpty else { throw FileError(description: "") }
                return roots
            }
            settings = .makeServerConfigurationWithMTLS(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key),
                trustRoots: .certificates(roots))
        }
        settings.minimumTLSVersion = .tlsv12
        settings.applicationProtocols = ["http/1.1"]
        do { return try NIOSSLContext(configuration: settings) } catch {
            throw FileError(description: "\(files.certificate) does not fit \(files.key)")
        }
    }

    private static func read<Value>(_ path: String, _ body: (String) throws -> Value) throws(FileError) -> Value {
        guard access(path, R_OK) == 0 else {
            throw FileError(description: "\(path): \(String(cString: strerror(errno)))")
        }
        do { return try body(path) } catch { throw FileError(description: "\(path) is no PEM file of that kind") }
    }
}
