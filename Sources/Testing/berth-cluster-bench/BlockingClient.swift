import Glibc

/// A client that sends a question and waits for its answer, on one connection.
final class BlockingClient {
    /// The server does not answer as it should.
    struct Failure: Error {}

    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 1 << 20)

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure() }
    }

    deinit { close(descriptor) }

    /// Sends a body and returns that of the answer.
    func post(_ path: String, _ body: [UInt8]) throws -> [UInt8] {
        let head =
            "POST \(path) HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: \(body.count)\r\n\r\n"
        let bytes = Array(head.utf8) + body
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent, 0)
            }
            guard count > 0 else { throw Failure() }
            sent += count
        }
        var answer: [UInt8] = []
        var whole: Int?
        while whole.map({ answer.count < $0 }) ?? true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { throw Failure() }
            answer += buffer[..<count]
            if whole == nil { whole = Self.length(answer) }
        }
        guard answer.starts(with: "HTTP/1.1 200".utf8), let end = Self.end(answer) else { throw Failure() }
        return Array(answer[end...])
    }

    /// Where the body begins.
    private static func end(_ answer: [UInt8]) -> Int? {
        answer.indices.prefix(4_096).dropLast(3).first { answer[$0..<$0 + 4].elementsEqual("\r\n\r\n".utf8) }.map {
            $0 + 4
        }
    }

    /// How long the whole answer is; nil while its head is not there.
    private static func length(_ answer: [UInt8]) -> Int? {
        guard let end = end(answer) else { return nil }
        let head = String(decoding: answer[..<end], as: UTF8.self).lowercased()
        guard let field = head.split(separator: "\r\n").first(where: { $0.hasPrefix("content-length:") }),
            let length = Int(field.dropFirst(15).filter { $0 != " " })
        else { return nil }
        return end + length
    }
}
