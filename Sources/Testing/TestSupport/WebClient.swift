import Glibc

/// A client for tests that asks an HTTP server on the loopback, one connection for each request.
package struct WebClient: Sendable {
    private let port: UInt16

    /// An answer.
    package struct Answer: Sendable {
        /// The status; 0 where the server closed the connection without an answer.
        package let status: Int
        /// The fields by their names in lower case.
        package let fields: [String: String]
        /// The body.
        package let body: [UInt8]
        /// The body as text.
        package var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// A client of the server at this port.
    package init(port: UInt16) { self.port = port }

    /// A connection, or nil where nobody listens; to be closed by the caller.
    package func connect() -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result == 0 { return descriptor }
        close(descriptor)
        return nil
    }

    /// Asks, and reads the answer to its end; nil where nobody listens.
    package func ask(_ path: String, _ method: String = "GET") async -> Answer? {
        guard let descriptor = connect() else { return nil }
        defer { close(descriptor) }
        Self.send("\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", descriptor)
        return Self.parse(await Self.receive(descriptor))
    }

    /// Sends a text; what the other end does not take is lost.
    package static func send(_ text: String, _ descriptor: Int32) {
        let bytes = Array(text.utf8)
        _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// All that comes until the other end closes, or for 20 seconds. Blocks no thread: a server within the test's own process
    /// may need it.
    package static func receive(_ descriptor: Int32) async -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        for _ in 0..<10_000 {
            let count = recv(descriptor, &piece, piece.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                bytes += piece.prefix(count)
            } else if count < 0, errno == EAGAIN {
                guard (try? await Task.sleep(for: .milliseconds(2))) != nil else { return bytes }
            } else {
                return bytes
            }
        }
        return bytes
    }

    private static func parse(_ bytes: [UInt8]) -> Answer {
        guard let end = bytes.indices.dropLast(3).first(where: { bytes[$0..<$0 + 4].elementsEqual([13, 10, 13, 10]) })
        else {
            return Answer(status: 0, fields: [:], body: [])
        }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            fields[line[..<colon].lowercased()] = String(value)
        }
        let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return Answer(status: status, fields: fields, body: Array(bytes[(end + 4)...]))
    }
}
