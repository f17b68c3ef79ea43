import CLinux
import Glibc
import WireJSON

/// One request and its reply on a connection of its own (EPA specification, section 1): connect, one write, read until
/// the JSON value has ended.
struct Exchange: ~Copyable {
    /// The longest reply that is read, in bytes.
    static let replyLimit = 256 << 20

    private let socket: String
    private let seconds: Double
    private let deadline: Deadline
    private let descriptor: Int32

    /// Connects.
    init(socket: String, seconds: Double) throws(ClientError) {
        self.socket = socket
        self.seconds = seconds
        deadline = Deadline(seconds: seconds)
        descriptor = clinux_connect_within(socket, max(deadline.milliseconds, 1))
        guard descriptor < 0 else { return }
        switch errno {
        case ENOENT, ENOTDIR: throw .unreachable(socket: socket, .noSocket)
        case ECONNREFUSED, ENOTSOCK: throw .unreachable(socket: socket, .nobodyListens)
        case EACCES, EPERM: throw .notPermitted(socket: socket)
        case ENAMETOOLONG: throw .unreachable(socket: socket, .pathTooLong)
        case EAGAIN, ETIMEDOUT: throw .timeout(socket: socket, seconds: seconds)
        default: throw .unreachable(socket: socket, .failed(String(cString: strerror(errno))))
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Sends the request. A daemon that has closed the connection may have sent a reply before: that is not an error.
    func send(_ request: [UInt8]) throws(ClientError) {
        var rest = request[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count >= 0 {
                rest = rest.dropFirst(count)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: try wait(for: POLLOUT)
            case EPIPE, ECONNRESET: return
            default: throw .unreachable(socket: socket, .failed(String(cString: strerror(errno))))
            }
        }
    }

    /// The reply: the bytes of one JSON value.
    func receive() throws(ClientError) -> [UInt8] {
        var reply: [UInt8] = []
        var scanner = JSONScanner()
        while true {
            let piece = try read()
            guard !piece.isEmpty else { throw malformed(cutOff: reply.count) }
            let progress: JSONScanner.Progress
            do { progress = try scanner.scan(piece[...]) } catch { throw malformed("\(error)") }
            reply += piece
            guard reply.count <= Self.replyLimit else {
                throw malformed("longer than \(Self.replyLimit >> 20) MiB")
            }
            if case .complete(let end) = progress {
                do { try JSONValue.checkRest(of: reply[end...]) } catch { throw malformed("\(error)") }
                return Array(reply[..<end])
            }
        }
    }

    /// The bytes that can be read; empty at the end of the connection.
    private func read() throws(ClientError) -> [UInt8] {
        while true {
            try wait(for: POLLIN)
            var count = 0
            let piece = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, filled in
                count = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
                filled = max(count, 0)
            }
            if count >= 0 { return piece }
            switch errno {
            case EINTR, EAGAIN: continue
            case ECONNRESET: return []
            default: throw .unreachable(socket: socket, .failed(String(cString: strerror(errno))))
            }
        }
    }

    private func wait(for events: Int32) throws(ClientError) {
        while true {
            let left = deadline.milliseconds
            guard left > 0 else { throw .timeout(socket: socket, seconds: seconds) }
            var ready = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            if poll(&ready, 1, left) > 0 { return }
        }
    }

    private func malformed(_ reason: String) -> ClientError { .malformedReply(socket: socket, reason: reason) }

    private func malformed(cutOff count: Int) -> ClientError {
        malformed(
            count == 0
                ? "the connection was closed without a reply" : "the connection was closed after \(count) bytes of it")
    }
}
