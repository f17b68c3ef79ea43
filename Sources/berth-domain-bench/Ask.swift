import ArgumentParser
import Domain
import DomainWire
import Glibc

/// Waits until a domain answers its controller.
struct Ask: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Waits for berth-domain's first answer, and prints the monotonic clock's time then.")

    @Option(help: "The port of berth-domain for its controller.") var orchestrator: Int
    @Option(help: "How long to wait, in seconds.") var limit = 60.0

    func run() async throws {
        // A bare connection first: the library's client waits longer and longer between its attempts.
        try await wait(for: "a listening port", limit: limit) { Self.connects(orchestrator) }
        let client = try BareClient(port: orchestrator)
        _ = try await client.functions.stop(EdgelessApi_InstanceIdVariant(LogicalID(high: 1, low: 1)))
        report("answered", ["at": seconds()])
    }

    private static func connects(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(clamping: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
