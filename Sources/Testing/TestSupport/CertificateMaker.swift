import Glibc

/// Makes certificates with `openssl`, in a directory that is removed with it.
package final class CertificateMaker: Sendable {
    /// The command did not succeed.
    package struct Failure: Error {}

    private let directory: TemporaryDirectory

    package init() throws { directory = try TemporaryDirectory() }

    /// The path of a file: `NAME.pem` is a certificate, `NAME.key` its key.
    package func path(_ file: String) -> String { "\(directory.path)/\(file)" }

    /// Makes an authority.
    package func authority(_ name: String) throws {
        try run(
            """
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=\(name) \
            -keyout \(path(name)).key -out \(path(name)).pem
            """)
    }

    /// Makes a certificate.
    ///
    /// - Parameters:
    ///   - names: its subject alternative names as openssl takes them: `IP:127.0.0.1,DNS:localhost`.
    ///   - subject: its subject as openssl takes it: `/O=group/CN=user`; the name alone where there is none.
    package func leaf(_ name: String, from authority: String, names: String, subject: String? = nil) throws {
        try TemporaryDirectory.write(Array("subjectAltName=\(names)\n".utf8), to: path("\(name).ext"))
        try run(
            """
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
            -subj \(subject ?? "/CN=\(name)") -keyout \(path(name)).key -out \(path(name)).csr && \
            openssl x509 -req -in \(path(name)).csr -CA \(path(authority)).pem -CAkey \(path(authority)).key \
            -CAcreateserial -days 2 -extfile \(path(name)).ext -out \(path(name)).pem
            """)
    }

    private func run(_ command: String) throws {
        guard system("( \(command) ) >/dev/null 2>&1") == 0 else { throw Failure() }
    }
}
