import DomainWire
import TestSupport
import Testing

/// Domain specification, section 1.3, rule 8.
@Suite struct ServiceURLTests {
    @Test(
        "a URL has a scheme, a host, a port, and an optional slash",
        arguments: [
            ("http://127.0.0.1:7002", ServiceURL.Scheme.http, ServiceURL.Host.ipv4("127.0.0.1"), 7002),
            ("https://n1.edge:0/", .https, .name("n1.edge"), 0),
            ("coap://[fe80::1]:65535", .coap, .ipv6("fe80::1"), 65_535),
            ("http://my_node-7:00080", .http, .name("my_node-7"), 80),
        ] as [(String, ServiceURL.Scheme, ServiceURL.Host, UInt16)])
    func good(text: String, scheme: ServiceURL.Scheme, host: ServiceURL.Host, port: UInt16) throws {
        let url = try ServiceURL(text)
        #expect(url == ServiceURL(scheme: scheme, host: host, port: port))
        #expect(try ServiceURL(url.description) == url)
    }

    @Test(
        "other texts are refused, and the error names the invalid part",
        arguments: [
            ("", "no scheme"), ("127.0.0.1:80", "no scheme"),
            ("ftp://a:1", "the scheme is not one of http, https, coap"),
            ("HTTP://a:1", "the scheme is not one of"), (" http://a:1", "the scheme is not one of"),
            ("http://:7006", "no host"), ("http://a", "no port"), ("http://a:", "no port"), ("http://[::1]", "no port"),
            ("http://[::1:80", "no ]"), ("http://[1.2.3.4]:80", "not an IPv6 address"), ("http://::1:80", "no host"),
            ("http://a:65536", "the port is not within 0 to 65535"), ("http://a:+80", "the port is not a number"),
            ("http://a:99999999999999999999", "the port is not within"), ("http://a:80/x", "the port is not a number"),
            ("http://a:80//", "the port is not a number"),
            ("http://u@a:80", "the host is neither an address nor a name"),
            ("http://a b:80", "the host is neither"), ("http://a:80\n", "the port is not a number"),
            ("http://1.2.3:80", "the host is neither"), ("http://256.0.0.1:80", "the host is neither"),
            ("http://127.1\0:80", "the host is neither"), ("http://\u{1F9ED}:80", "the host is neither"),
        ])
    func bad(text: String, part: String) {
        let error = #expect(throws: WireError.self) { try ServiceURL(text) }
        #expect(error?.reason.contains(": " + part) == true, "\(error?.reason ?? "read")")
    }

    @Test("random URL-like texts are refused, or parsed and printed unchanged")
    func random() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let signs = ["http", "https", "://", ":", "/", "[", "]", "::", "1", "10.0.0.1", "a", ".", "-", "80", "@", "é"]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...7, using: &random)).map { _ in
                signs[Int.random(in: 0..<signs.count, using: &random)]
            }.joined()
            guard let url = try? ServiceURL(text) else { continue }
            #expect((try? ServiceURL(url.description)) == url, "seed \(seed): \(text)")
        }
    }
}
