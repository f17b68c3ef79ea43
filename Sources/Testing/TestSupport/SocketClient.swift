import CTestSupport
import Glibc

/// A Unix socket client for tests: what it sends and when is the test's business.
package final class SocketClient {
    /// The connected socket.
    package let descriptor: Int32

    /// A failed system call of a test.
    package struct Failure: Error, CustomStringConvertible {
        /// What failed, and why.
        package let description: String
        /// The number of the error.
        package let errno: Int32

        init(_ action: String) {
            errno = Glibc.errno
            description = "\(action): \(String(cString: strerror(errno)))"
        }
    }

    /// Connects to the socket at `path`, as another user where a uid is given (root only).
    package init(_ path: String, uid: UInt32? = nil, gid: UInt32 = 65_534, groups: [UInt32] = []) throws {
        if let uid {
            descriptor = ctest_connect_as(path, uid, gid, groups, Int32(groups.count))
        } else {
            descriptor = ctest_connect_as(path, geteuid(), getegid(), [], 0)
        }
        guard descriptor >= 0 else { throw Failure("connect to \(path)") }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Sends all of `bytes`.
    package func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent >= 0 else { throw Failure("send") }
            rest = rest.dropFirst(sent)
        }
    }

    /// Sends the UTF-8 of `text`.
    package func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// Says that nothing more will be sent.
    package func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Reads at most `limit` bytes until the other end closes; a reset connection counts as closed.
    package func receive(limit: Int = .max) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < limit {
            let count = recv(descriptor, &piece, min(piece.count, limit - bytes.count), 0)
            if count < 0 && errno == ECONNRESET { break }
            guard count >= 0 else { throw Failure("receive") }
            if count == 0 { break }
            bytes += piece.prefix(count)
        }
        return bytes
    }

    /// Sends `text` and reads the reply to the end.
    package func ask(_ text: String) throws -> String {
        try send(text)
        return String(decoding: try receive(), as: UTF8.self)
    }
}
