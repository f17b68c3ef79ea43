import CLinux
import Glibc
import Host
import Service
import Synchronization
import WireJSON

/// One thread that serves connections of a Unix socket through epoll: accepts, reads, has answered, writes, closes.
///
/// Several reactors share a listening socket; the kernel wakes one of them for each connection. Nothing here waits for a
/// client or for the disk: the reply to a change comes through ``post(_:to:)`` from the writer's thread once it is durable.
final class Reactor: Sendable {
    private struct Mailbox {
        var replies: [(connection: UInt64, bytes: [UInt8])] = []
        var isStopping = false
    }

    private let server: EPAServer
    private let listener: Int32
    private let epoll: Int32
    private let wakeUp: Int32
    private let mailbox = Mutex(Mailbox())

    private static let listenerToken: UInt64 = 0
    private static let wakeUpToken: UInt64 = 1
    /// How often deadlines are looked at, in milliseconds.
    private static let sweepInterval = 250
    /// How long input is thrown away after an early error reply, in milliseconds.
    private static let lingerTime = 1_000
    /// For how many connections of a reactor at a time.
    private static let lingerCount = 64

    /// Starts a thread that serves connections of `listener`, which stays the caller's.
    ///
    /// - Throws: `SystemError` where the thread or its descriptors cannot be made.
    init(server: EPAServer, listener: Int32, onEnd: @escaping @Sendable () -> Void) throws(SystemError) {
        self.server = server
        self.listener = listener
        epoll = clinux_epoll_create()
        wakeUp = clinux_event_create()
        guard epoll >= 0, wakeUp >= 0, clinux_epoll_add(epoll, wakeUp, Self.wakeUpToken, 0, 0) == 0,
            clinux_epoll_add(epoll, listener, Self.listenerToken, 0, 1) == 0
        else { throw SystemError("watch the socket", errno: errno) }
        try startThread(named: "socket") { [self] in
            var loop = Loop(reactor: self)
            loop.run()
            onEnd()
        }
    }

    deinit {
        close(epoll)
        close(wakeUp)
    }

    /// Takes no more connections; the thread ends once those that are open have been answered or their time is over.
    func stop() {
        mailbox.withLock { $0.isStopping = true }
        wake()
    }

    /// Hands the reply of a connection in, from any thread.
    fileprivate func post(_ bytes: [UInt8], to connection: UInt64) {
        let isFirst = mailbox.withLock { mailbox in
            mailbox.replies.append((connection, bytes))
            return mailbox.replies.count == 1
        }
        if isFirst { wake() }
    }

    private func wake() {
        var one: UInt64 = 1
        _ = write(wakeUp, &one, 8)
    }

    // MARK: - The thread

    /// What belongs to one connection.
    private struct Connection {
        let descriptor: Int32
        let peer: PeerCredentials
        let settings: EPASettings
        var role = AccessPolicy.Role.user
        var state = ConnectionState()
        var deadline: Int
        /// Whether its reply is written and only its input is thrown away.
        var isLingering = false
        /// Whether epoll watches it, and for what.
        var watch = Watch.none

        enum Watch { case none, input, output }
    }

    /// What only the thread touches.
    private struct Loop {
        let reactor: Reactor
        var connections: [UInt64: Connection] = [:]
        var nextToken: UInt64 = 2
        var isStopping = false
        var nextSweep = 0
        var lingering = 0
        var buffer = [UInt8](repeating: 0, count: 16_384)

        mutating func run() {
            var ready = [clinux_ready](repeating: clinux_ready(), count: 64)
            while !(isStopping && connections.isEmpty) {
                let count = Int(clinux_epoll_wait(reactor.epoll, &ready, 64, Int32(timeUntilSweep())))
                for event in ready.prefix(max(count, 0)) {
                    switch event.token {
                    case Reactor.listenerToken: accept()
                    case Reactor.wakeUpToken:
                        var counter: UInt64 = 0
                        _ = read(reactor.wakeUp, &counter, 8)
                    default: continueConnection(event)
                    }
                }
                takeMail()
                sweep()
            }
        }

        // MARK: Connections

        /// Takes the connections that wait, up to a number that leaves the others their turn.
        ///
        /// - Returns: whether there may be more.
        @discardableResult
        private mutating func accept() -> Bool {
            for _ in 0..<16 {
                guard !isStopping else { return false }
                let descriptor = clinux_accept(reactor.listener)
                guard descriptor >= 0 else {
                    // Out of descriptors or memory: those that wait stay in the queue until somebody leaves.
                    if errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS { usleep(1_000) }
                    return false
                }
                begin(descriptor)
            }
            return true
        }

        private mutating func begin(_ descriptor: Int32) {
            let peer: PeerCredentials
            do { peer = try PeerCredentials(descriptor: descriptor) } catch {
                close(descriptor)
                return
            }
            let settings = reactor.server.settings
            let token = nextToken
            nextToken += 1
            connections[token] = Connection(
                descriptor: descriptor, peer: peer, settings: settings,
                deadline: monotonicMilliseconds() + settings.readTimeout * 1000)
            guard reactor.server.counts.enter(peer.uid, limit: settings.connectionsPerUID) else {
                deny(token, "Too many connections of uid \(peer.uid): the limit is \(settings.connectionsPerUID)")
                return
            }
            guard let role = settings.access.role(of: peer) else {
                deny(
                    token,
                    "uid \(peer.uid) may not use this socket: it is in neither the access nor the admin group")
                return
            }
            connections[token]?.role = role
            // Most clients have sent their request by now.
            receive(token)
        }

        private mutating func deny(_ token: UInt64, _ reason: String) {
            guard let connection = connections[token] else { return }
            reactor.server.decisionLog.denied(connection.peer, reason: reason)
            perform(connections[token]?.state.refuse(reason), token)
        }

        private mutating func continueConnection(_ event: clinux_ready) {
            switch connections[event.token]?.watch {
            case .output: send(event.token)
            case .input: receive(event.token)
            case Connection.Watch.none?, nil: break
            }
        }

        private mutating func receive(_ token: UInt64) {
            guard let connection = connections[token] else { return }
            let count = recv(connection.descriptor, &buffer, buffer.count, 0)
            if count > 0 {
                perform(connections[token]?.state.receive(buffer[..<count]), token)
            } else if count == 0 {
                perform(connections[token]?.state.endInput(), token)
            } else if errno == EAGAIN || errno == EINTR {
                watch(token, .input)
            } else {
                perform(connections[token]?.state.breakOff(), token)
            }
        }

        private mutating func send(_ token: UInt64) {
            guard let connection = connections[token] else { return }
            let rest = connection.state.output[connection.state.written...]
            let count = rest.withUnsafeBytes {
                Glibc.send(connection.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                perform(connections[token]?.state.wrote(count), token)
            } else if errno == EAGAIN || errno == EINTR {
                watch(token, .output)
            } else {
                // The client is gone (EPIPE, ECONNRESET): nobody is left to tell.
                perform(connections[token]?.state.breakOff(), token)
            }
        }

        private mutating func perform(_ step: ConnectionState.Step?, _ token: UInt64) {
            switch step {
            case .read: watch(token, .input)
            case .answer(let value): answer(value, token)
            case .write:
                if connections[token]?.state.written == 0 { limit(token, after: nil) }
                send(token)
            case .finishWriting:
                // Who is refused in great numbers must not hold descriptors that others need.
                guard lingering < Reactor.lingerCount else { return end(token) }
                lingering += 1
                connections[token]?.isLingering = true
                if let connection = connections[token] { shutdown(connection.descriptor, Int32(SHUT_WR)) }
                limit(token, after: Reactor.lingerTime)
                watch(token, .input)
            case .wait: watch(token, .none)
            case .close: end(token)
            case nil: break
            }
        }

        private mutating func answer(_ value: JSONValue, _ token: UInt64) {
            guard let connection = connections[token] else { return }
            let reply = reactor.server.frontend.answer(
                value, from: connection.peer, isAdministrator: connection.role == .administrator,
                settings: connection.settings
            ) { [reactor] bytes in reactor.post(bytes, to: token) }
            if let reply { return perform(connections[token]?.state.reply(reply), token) }
            limit(token, after: connection.settings.commitTimeout * 1000)
            watch(token, .none)
        }

        private mutating func end(_ token: UInt64) {
            guard let connection = connections.removeValue(forKey: token) else { return }
            if connection.isLingering { lingering -= 1 }
            close(connection.descriptor)
            reactor.server.counts.leave(connection.peer.uid)
        }

        /// Sets the time for the step that begins: the given one, or the one for reading a reply.
        private mutating func limit(_ token: UInt64, after milliseconds: Int?) {
            guard let seconds = connections[token]?.settings.writeTimeout else { return }
            connections[token]?.deadline = monotonicMilliseconds() + (milliseconds ?? seconds * 1000)
        }

        private mutating func watch(_ token: UInt64, _ wanted: Connection.Watch) {
            guard let connection = connections[token], connection.watch != wanted else { return }
            let result =
                switch (connection.watch, wanted) {
                case (_, .none): clinux_epoll_remove(reactor.epoll, connection.descriptor)
                case (.none, _):
                    clinux_epoll_add(reactor.epoll, connection.descriptor, token, wanted == .output ? 1 : 0, 0)
                default: clinux_epoll_change(reactor.epoll, connection.descriptor, token, wanted == .output ? 1 : 0)
                }
            if result == 0 { connections[token]?.watch = wanted } else { end(token) }
        }

        // MARK: Replies and time

        private mutating func takeMail() {
            if deliver(), !isStopping { beginStop() }
        }

        /// Sends the replies that have come.
        ///
        /// - Returns: whether the reactor is to stop.
        @discardableResult
        private mutating func deliver() -> Bool {
            let (replies, stops) = reactor.mailbox.withLock { mailbox in
                let taken = mailbox.replies
                mailbox.replies = []
                return (taken, mailbox.isStopping)
            }
            for (token, bytes) in replies { perform(connections[token]?.state.reply(bytes), token) }
            return stops
        }

        /// Takes those that have connected already, then no more, and gives those that have not begun to ask a moment.
        private mutating func beginStop() {
            while accept() {}
            isStopping = true
            _ = clinux_epoll_remove(reactor.epoll, reactor.listener)
            let deadline = monotonicMilliseconds() + Reactor.lingerTime
            for (token, connection) in connections where connection.state.isSilent {
                connections[token]?.deadline = min(connection.deadline, deadline)
            }
            deliver()
        }

        private func timeUntilSweep() -> Int {
            connections.isEmpty ? -1 : max(0, min(nextSweep - monotonicMilliseconds(), Reactor.sweepInterval))
        }

        /// Ends what has run out of time.
        private mutating func sweep() {
            guard !connections.isEmpty else { return }
            let now = monotonicMilliseconds()
            guard now >= nextSweep else { return }
            nextSweep = now + Reactor.sweepInterval
            for (token, connection) in connections where connection.deadline <= now {
                perform(
                    connections[token]?.state.expire(
                        readTimeout: connection.settings.readTimeout, commitTimeout: connection.settings.commitTimeout),
                    token)
            }
        }
    }
}

/// A clock that nobody sets, in milliseconds.
private func monotonicMilliseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
