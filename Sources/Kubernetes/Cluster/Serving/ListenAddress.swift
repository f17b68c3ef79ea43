internal import NIOCore

/// An address to listen at: `127.0.0.1:8888`, `[::1]:8888`, `:8081` for all addresses of the machine.
package struct ListenAddress: Equatable, Sendable, CustomStringConvertible {
    /// The numeric address.
    package let host: String
    /// The port; 0 for any.
    package let port: Int

    /// Reads an address; nil where it is none.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.isEmpty {
            host = "::"
        } else if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard (try? SocketAddress(ipAddress: String(host), port: 0)) != nil else { return nil }
        self.host = String(host)
        self.port = Int(port)
    }

    /// Whether only this machine, or this pod, can reach it.
    package var isLoopback: Bool { host == "::1" || host.hasPrefix("127.") }

    /// As it is written.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
