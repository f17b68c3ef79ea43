import ArgumentParser
import Cluster
import Glibc
import Service
import SystemPackage

struct CertificatesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certificates",
        abstract: "Makes the certificates by which a scheduler and its extender in one pod know each other.",
        discussion: """
            Writes ca.pem, server.pem, server.key, client.pem and client.key. Nothing else is ever signed by this authority: \
            its key is not kept. A new pod gets new ones.
            """)

    @Option(help: "The directory that the files are written to. It is created if its parent exists.")
    var directory: String

    @Option(help: "An IP address or a DNS name that the server is called by; may be repeated.")
    var address: [String] = ["127.0.0.1"]

    @Option(help: "For how many days they are valid: 1 to 36500.")
    var days = 3_650

    func validate() throws {
        guard (1...36_500).contains(days) else { throw ValidationError("--days must be 1 to 36500") }
    }

    func run() throws {
        let made = try LocalCertificates(addresses: address, now: Double(time(nil)), days: days)
        guard mkdir(directory, 0o755) == 0 || errno == EEXIST else {
            throw WriteFailure(description: "cannot make \(directory): \(Errno(rawValue: errno))")
        }
        let readable = FilePermissions(rawValue: 0o644)
        let secret = FilePermissions(rawValue: 0o640)
        try write(made.authority, "ca.pem", readable)
        try write(made.server.certificate, "server.pem", readable)
        try write(made.server.key, "server.key", secret)
        try write(made.client.certificate, "client.pem", readable)
        try write(made.client.key, "client.key", secret)
    }

    /// Writes a file whole, or not at all.
    private func write(_ text: String, _ name: String, _ permissions: FilePermissions) throws {
        let path = FilePath(directory).appending(name)
        let temporary = FilePath(directory).appending(".\(name).new")
        do {
            let file = try FileDescriptor.open(
                temporary, .writeOnly, options: [.create, .truncate], permissions: permissions)
            try file.closeAfter { _ = try file.writeAll(text.utf8) }
            guard rename(temporary.string, path.string) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            throw WriteFailure(description: "cannot write \(path): \(error)")
        }
    }
}

private struct WriteFailure: Error, CustomStringConvertible {
    let description: String
}
