import CLinux
import Glibc
import Synchronization

/// Something that listens on a Unix socket and answers as a test says, well or badly.
package final class FakeDaemon: Sendable {
    /// What it does with a request.
    package enum Answer: Sendable {
        /// Sends these bytes and closes.
        case bytes([UInt8])
        /// Sends the bytes one after the other, each in a write of its own, and closes.
        case dripping([UInt8])
        /// Sends these bytes, then nothing, and leaves the connection open.
        case stalling([UInt8])

        /// Sends a text and closes.
        package static func text(_ text: String) -> Answer { .bytes(Array(text.utf8)) }
    }

    /// The path of its socket.
    package var path: String { "\(directory.path)/epa.sock" }
    /// The requests so far.
    package var requests: [String] { worker.requests.withLock { $0 } }

    private let directory: TemporaryDirectory
    private let worker: Worker

    /// Listens, and answers each request with what `answer` says.
    package init(_ answer: @escaping @Sendable (String) -> Answer) throws {
        directory = try TemporaryDirectory()
        let path = "\(directory.path)/epa.sock"
        let listener = clinux_bind(path)
        guard listener >= 0, chmod(path, 0o666) == 0, listen(listener, 16) == 0 else {
            throw SocketClient.Failure("listen at \(path)")
        }
        worker = Worker(listener, answer)
        var thread = pthread_t()
        let context = Unmanaged.passRetained(worker)
        let result = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Worker>.fromOpaque(context).takeRetainedValue().serve() }
                return nil
            }, context.toOpaque())
        guard result == 0 else { throw SocketClient.Failure("start a thread") }
        pthread_detach(thread)
    }

    deinit { worker.stops.store(true, ordering: .releasing) }

    /// What the thread owns.
    private final class Worker: Sendable {
        let listener: Int32
        let answer: @Sendable (String) -> Answer
        let requests = Mutex<[String]>([])
        let stops = Atomic(false)

        init(_ listener: Int32, _ answer: @escaping @Sendable (String) -> Answer) {
            self.listener = listener
            self.answer = answer
        }

        func serve() {
            var stalled: [Int32] = []
            while !stops.load(ordering: .acquiring) {
                var ready = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
                guard poll(&ready, 1, 20) > 0 else { continue }
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { continue }
                if serve(connection) { stalled.append(connection) } else { close(connection) }
            }
            for connection in stalled + [listener] { close(connection) }
        }

        /// Whether the connection stays open.
        private func serve(_ connection: Int32) -> Bool {
            var request = [UInt8](repeating: 0, count: 1 << 17)
            let count = recv(connection, &request, request.count, 0)
            let text = String(decoding: request.prefix(max(count, 0)), as: UTF8.self)
            requests.withLock { $0.append(text) }
            switch answer(text) {
            case .bytes(let bytes): send(bytes, to: connection)
            case .dripping(let bytes): for byte in bytes { send([byte], to: connection) }
            case .stalling(let bytes):
                send(bytes, to: connection)
                return true
            }
            return false
        }

        private func send(_ bytes: [UInt8], to connection: Int32) {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes {
                    Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }
}
