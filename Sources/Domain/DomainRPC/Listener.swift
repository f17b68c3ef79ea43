import DomainWire
import Glibc

/// An address that cannot be listened on.
package struct ListenError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The URL from the configuration.
    package let url: String
    /// The reason.
    package let reason: String

    /// The error as a sentence.
    package var description: String { "cannot listen on \(url): \(reason)" }
}

/// A listening socket that has not accepted a connection yet.
package struct Listener: ~Copyable {
    /// Its port; the actual one if 0 was requested.
    package let port: UInt16
    /// The URL with the actual port.
    package let url: String
    /// Negative after it was taken.
    private var descriptor: Int32

    /// Listens at a URL. Names are resolved, and the first available address is used, IPv4 before IPv6: EDGELESS nodes
    /// and controllers only use IPv4.
    package init(_ url: ServiceURL) throws(ListenError) {
        var reason = "the name has no address"
        for address in try Self.addresses(url) {
            switch Self.listen(address) {
            case .success(let (descriptor, port)):
                (self.descriptor, self.port) = (descriptor, port)
                self.url = ServiceURL(scheme: url.scheme, host: url.host, port: port).description
                return
            case .failure(let failure): reason = failure.reason
            }
        }
        throw ListenError(url: url.description, reason: reason)
    }

    fileprivate init(descriptor: Int32, port: UInt16, url: String) {
        (self.descriptor, self.port, self.url) = (descriptor, port, url)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Another descriptor of the same socket, which accepts the same connections.
    fileprivate func duplicate() -> Int32? {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        return copy >= 0 ? copy : nil
    }

    /// Transfers ownership of the socket.
    package consuming func take() -> Int32 {
        defer { descriptor = -1 }
        return descriptor
    }

    private struct Failure: Error { let reason: String }

    private static func listen(_ address: [UInt8]) -> Result<(Int32, UInt16), Failure> {
        func failure(_ action: String) -> Failure { Failure(reason: "\(action): \(String(cString: strerror(errno)))") }
        return address.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else {
                return .failure(Failure(reason: "no address"))
            }
            let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            let descriptor = socket(Int32(base.pointee.sa_family), type, 0)
            guard descriptor >= 0 else { return .failure(failure("socket")) }
            var one: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
            var bound = sockaddr_storage()
            var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
            guard Glibc.bind(descriptor, base, socklen_t(bytes.count)) == 0, Glibc.listen(descriptor, 1_024) == 0,
                withUnsafeMutableBytes(
                    of: &bound,
                    { buffer in
                        buffer.baseAddress.map {
                            getsockname(descriptor, $0.assumingMemoryBound(to: sockaddr.self), &size)
                        } ?? -1
                    }) == 0
            else {
                let failure = failure("bind")
                close(descriptor)
                return .failure(failure)
            }
            // The port has the same offset in both address families.
            let port = withUnsafeBytes(of: &bound) { $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self).bigEndian }
            return .success((descriptor, port))
        }
    }

    /// The addresses of a URL, in order of preference.
    private static func addresses(_ url: ServiceURL) throws(ListenError) -> [[UInt8]] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        let name: String
        switch url.host {
        case .ipv4(let text), .ipv6(let text):
            name = text
            hints.ai_flags |= AI_NUMERICHOST
        case .name(let text): name = text
        }
        var first: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name, String(url.port), &hints, &first)
        defer { if let first { freeaddrinfo(first) } }
        guard code == 0 else {
            throw ListenError(url: url.description, reason: String(cString: gai_strerror(code)))
        }
        var addresses: [(family: Int32, bytes: [UInt8])] = []
        var next = first
        while let entry = next?.pointee {
            if let address = entry.ai_addr {
                let bytes = UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen))
                addresses.append((entry.ai_family, Array(bytes)))
            }
            next = entry.ai_next
        }
        return addresses.filter { $0.family == AF_INET }.map(\.bytes)
            + addresses.filter { $0.family == AF_INET6 }.map(\.bytes)
    }
}

/// A listening socket that is kept, so that a server can be replaced by one with other settings at the same address.
final class ListeningSocket: Sendable {
    let port: UInt16
    private let url: String
    private let descriptor: Int32

    /// Shares the socket of a listener.
    init(of listener: borrowing Listener) throws(ListenError) {
        guard let copy = listener.duplicate() else {
            throw ListenError(url: listener.url, reason: String(cString: strerror(errno)))
        }
        (descriptor, port, url) = (copy, listener.port, listener.url)
    }

    deinit { close(descriptor) }

    /// Another listener at the same socket.
    func listener() throws(ListenError) -> Listener {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw ListenError(url: url, reason: String(cString: strerror(errno))) }
        return Listener(descriptor: copy, port: port, url: url)
    }
}
