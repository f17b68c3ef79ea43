import Glibc

/// Where a service listens: `scheme://host:port`, with nothing after it but perhaps one `/`.
///
/// The reference looks for this form anywhere in the text (domain specification, section 1.3, rule 8); here the whole text
/// must have it, so that what was checked is what is called.
package struct ServiceURL: Hashable, Sendable, CustomStringConvertible {
    /// The schemes that there are, in lower case.
    package enum Scheme: String, CaseIterable, Hashable, Sendable {
        case http, https, coap
    }

    /// A host as it is written in a URL.
    package enum Host: Hashable, Sendable {
        /// Four decimal numbers.
        case ipv4(String)
        /// Without its brackets.
        case ipv6(String)
        /// A name, to be resolved.
        case name(String)
    }

    /// How to talk.
    package let scheme: Scheme
    /// Whom to talk to.
    package let host: Host
    /// 0 to 65535; where one listens, 0 means any port that is free.
    package let port: UInt16

    /// The URL of these parts, which must be as a reading gives them.
    package init(scheme: Scheme, host: Host, port: UInt16) {
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// Reads a text.
    ///
    /// - Throws: ``WireError`` that says which part is wrong.
    package init(_ text: String) throws(WireError) {
        func refuse(_ what: String) -> WireError {
            WireError("\(text.quoted): \(what); a URL such as http://10.0.0.7:7005 is needed")
        }
        // By bytes, as each refresh of a node brings two of them.
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), text.utf8[colon...].starts(with: "://".utf8)
        else { throw refuse("no scheme") }
        guard let scheme = Scheme(rawValue: String(text[..<colon])) else {
            throw refuse("the scheme is none of \(Scheme.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        var rest = text.utf8[colon...].dropFirst(3)
        if rest.last == UInt8(ascii: "/") { rest.removeLast() }

        let portText: Substring.UTF8View
        if rest.first == UInt8(ascii: "[") {
            guard let bracket = rest.firstIndex(of: UInt8(ascii: "]")) else {
                throw refuse("no ] after the IPv6 address")
            }
            let address = String(Substring(rest[..<bracket].dropFirst()))
            guard Self.isAddress(address, AF_INET6) else { throw refuse("no IPv6 address between [ and ]") }
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
        // UInt16 alone would take a sign.
        guard !portText.isEmpty, portText.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw refuse(portText.isEmpty ? "no port" : "the port is no number, or something follows it")
        }
        guard let port = UInt16(Substring(portText)) else { throw refuse("the port is not within 0 to 65535") }
        self.scheme = scheme
        self.port = port
    }

    /// The URL, without a slash at its end.
    package var description: String { "\(scheme.rawValue)://\(hostText):\(port)" }

    /// The host as resolvers take it.
    package var bareHost: String {
        switch host {
        case .ipv4(let text), .ipv6(let text), .name(let text): text
        }
    }

    /// The host as a URL writes it.
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

    /// Letters, digits, `-`, `_` and `.`, as host names have them, no longer than one may be; not only digits and dots, which
    /// could only be an address gone wrong (and which resolvers take for a short form of one).
    private static func isName(_ text: String) -> Bool {
        func isDigitOrDot(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || byte == UInt8(ascii: ".") }
        return text.utf8.count <= 253 && !text.utf8.allSatisfy(isDigitOrDot)
            && text.utf8.allSatisfy { byte in
                isDigitOrDot(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                    || (0x61...0x7A).contains(byte | 0x20)
            }
    }
}
