import Glibc

/// The keyspace notifications of a Redis.
enum RedisEvents {
    /// Calls `tell` on a thread of its own with each key that is set from now on.
    static func follow(_ path: String, _ tell: @escaping @Sendable (String) -> Void) throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw Broken("\(path) is too long") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        let command = Array("CONFIG SET notify-keyspace-events E$\r\nSUBSCRIBE __keyevent@0__:set\r\n".utf8)
        guard result == 0, write(descriptor, command, command.count) == command.count else {
            throw Broken("\(path) cannot be followed: errno \(errno)")
        }
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Reader(descriptor: descriptor, tell: tell)).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Reader>.fromOpaque(argument).takeRetainedValue().read() }
                return nil
            }, argument)
        guard code == 0 else { throw Broken("no thread: errno \(code)") }
    }

    private final class Reader {
        let descriptor: Int32
        let tell: (String) -> Void

        init(descriptor: Int32, tell: @escaping (String) -> Void) {
            self.descriptor = descriptor
            self.tell = tell
        }

        /// Each event is an array whose last line is the key; all else is not asked for.
        func read() {
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            var line: [UInt8] = []
            while true {
                let count = Glibc.read(descriptor, &buffer, buffer.count)
                guard count > 0 else { return }
                for byte in buffer.prefix(count) {
                    if byte == UInt8(ascii: "\n") {
                        tell(String(decoding: line, as: UTF8.self))
                        line.removeAll(keepingCapacity: true)
                    } else if byte != UInt8(ascii: "\r") {
                        line.append(byte)
                    }
                }
            }
        }
    }
}
