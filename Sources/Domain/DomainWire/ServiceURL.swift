import Glibc

/// The URL of a service: `scheme://host:port`, with an optional `/` at the end.
///
/// EDGELESS searches the text for this form (domain specification, section 1.3, rule 8). Here the whole text must have
/// it, so that the checked URL is the one that is called.
package struct ServiceURL: Hashable, Sendable, CustomStringConvertible {
    /// The schemes, in lower case.
    package enum Scheme: String, CaseIterable, Hashable, Sendable {
        case http, https, coap
    }

    /// A host as it is written in a URL.
    package enum Host: Hashable, Sendable {
        /// An IPv4 address.
        case ipv4(String)
        /// An IPv6 address without brackets.
        case ipv6(String)
        /// A host name.
        case name(String)
    }

    /// The scheme.
    package let scheme: Scheme
    /// The host.
    package let host: Host
    /// The port; for a listener, 0 means any free port.
    package let port: UInt16

    /// Creates a URL from valid parts.
    package init(scheme: Scheme, host: Host, port: UInt16) {
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// Parses a text.
    ///
    /// - Throws: ``WireError`` that names the invalid part.
    package init(_ text: String) throws(WireError) {
        func refuse(_ what: String) -> WireError {
            WireError("\(text.quoted): \(what); expected a URL such as http://10.0.0.7:7005")
        }
        // By bytes, because each refresh of a node contains two URLs.
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), text.utf8[colon...].starts(with: "://".utf8)
        else { throw refuse("no scheme") }
        guard let scheme = Scheme(rawValue: String(text[..<colon])) else {
            throw refuse("the scheme is not one of \(Scheme.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        var rest = text.utf8[colon...].dropFirst(3)
        if rest.last == UInt8(ascii: "/") { rest.removeLast() }

        let portText: Substring.UTF8View
        if rest.first == UInt8(ascii: "[") {
            guard let bracket = rest.firstIndex(of: UInt8(ascii: "]")) else {
                throw refuse("no ] after the IPv6 address")
            }
            let address = String(Substring(rest[..<bracket].dropFirst()))
            guard Self.isAddress(address, AF_INET6) else { throw refuse("not an IPv6 address between [ and ]") }
            host = .ipv6(address)
            rest = rest[bracket...].dropFirst()
            guard rest.first == UInt8(ascii: ":") else { throw refuse("no port") }
            portText = rest.dropFirst()
        } else {
            guard let colon = rest.firstIndex(of: UInt8(ascii: ":")) else { throw refuse("no port") }
            let name = String(Substring(rest[..<colon]))
            guard !name.isEmpty else { throw refuse("no host") }
            if Self.isAddress(name, AF_INET) {
                host = .ipv4(name)
            } else {
                guard Self.isName(name) else { throw refuse("the host is neither an address nor a name") }
                host = .name(name)
            }
            portText = rest[colon...].dropFirst()
        }
        // UInt16 alone would accept a sign.
        guard !portText.isEmpty, portText.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw refuse(portText.isEmpty ? "no port" : "the port is not a number, or something follows it")
        }
        guard let port = UInt16(Substring(portText)) else { throw refuse("the port is not within 0 to 65535") }
        self.scheme = scheme
        self.port = port
    }

    /// The URL, without a trailing slash.
    package var description: String { "\(scheme.rawValue)://\(hostText):\(port)" }

    /// The host as resolvers expect it.
    package var bareHost: String {
        switch host {
        case .ipv4(let text), .ipv6(let text), .name(let text): text
        }
    }

    /// The host as it is written in a URL.
    package var hostText: String {
        switch host {
        case .ipv4(let text), .name(let text): text
        case .ipv6(let text): "[\(text)]"
        }
    }

    private static func isAddress(_ text: String, _ family: Int32) -> Bool {
        var address = in6_addr()
        return !text.utf8.contains(0) && inet_pton(family, text, &address) == 1
    }

    /// A host name: letters, digits, `-`, `_` and `.`, up to the maximum length. Digits and dots alone could only be a
    /// malformed address, which resolvers may accept as a short form.
    private static func isName(_ text: String) -> Bool {
        func isDigitOrDot(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || byte == UInt8(ascii: ".") }
        return text.utf8.count <= 253 && !text.utf8.allSatisfy(isDigitOrDot)
            && text.utf8.allSatisfy { byte in
                isDigitOrDot(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                    || (0x61...0x7A).contains(byte | 0x20)
            }
    }
}
