import Glibc

/// The hosts whose agents a domain may call, so that a registration cannot direct its calls elsewhere (domain
/// specification, section 8, W21).
package struct AgentHosts: Sendable {
    private struct Network: Sendable {
        let address: UInt32
        let mask: UInt32
    }

    private var names: Set<String> = []
    private var networks: [Network] = []

    /// Parses the configured list: host names, addresses, or IPv4 networks such as `10.1.0.0/16`. An empty list allows
    /// all.
    package init(_ texts: [String]) {
        for text in texts {
            let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, let address = Self.address(String(parts[0])), let bits = Int(parts[1]),
                (0...32).contains(bits)
            {
                networks.append(Network(address: address, mask: bits == 0 ? 0 : ~0 << UInt32(32 - bits)))
            } else {
                names.insert(text.lowercased())
            }
        }
    }

    /// Whether ``init(_:)`` accepts a text.
    static func isHost(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 2 { return address(String(parts[0])) != nil && Int(parts[1]).map((0...32).contains) == true }
        guard parts.count == 1, !text.isEmpty else { return false }
        if text.contains(":") {
            var address = in6_addr()
            return !text.utf8.contains(0) && inet_pton(AF_INET6, text, &address) == 1
        }
        if text.utf8.allSatisfy({ $0 == UInt8(ascii: ".") || (48...57).contains($0) }) { return address(text) != nil }
        return text.unicodeScalars.allSatisfy {
            $0.isASCII && ($0.properties.isAlphabetic || "0123456789-._".unicodeScalars.contains($0))
        }
    }

    /// Whether all hosts are allowed.
    package var isOpen: Bool { names.isEmpty && networks.isEmpty }

    /// Whether the agent on this host may be called.
    package func admits(_ host: String) -> Bool {
        if isOpen { return true }
        if names.contains(host.lowercased()) { return true }
        guard let address = Self.address(host) else { return false }
        return networks.contains { $0.address & $0.mask == address & $0.mask }
    }

    private static func address(_ text: String) -> UInt32? {
        var address = in_addr()
        guard !text.utf8.contains(0), inet_pton(AF_INET, text, &address) == 1 else { return nil }
        return UInt32(bigEndian: address.s_addr)
    }
}
