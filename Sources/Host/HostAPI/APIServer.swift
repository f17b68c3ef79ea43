import Glibc
import Host
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Service
import Synchronization

/// Serves the HTTP API of a host on a Unix socket, or over TCP with TLS.
///
/// All its work is done on a thread of its own, so that neither its clients nor the program's other tasks hold each other
/// up. Changes go to ``Host``, questions are answered from the last durable ledger.
package final class APIServer: Sendable {
    private struct State {
        var listener: (any Channel)?
        var isStopping = false
        var serving: Task<Void, Never>?
    }

    private let state = Mutex(State())
    private let current: SettingsBox
    private let open = OpenConnections()
    private let events: EventStreams
    private let connections: APIConnections
    private let descriptor: Int32
    private let logger: Logger

    /// One thread for all servers of a process, for as long as it lives.
    private static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private static let executor = LoopExecutor(loops.next())
    /// The delay before connections are accepted again after a failure.
    private static let pause = Duration.milliseconds(500)

    /// A server of `host` on the listening socket `descriptor`, which stays the caller's.
    ///
    /// - Parameters:
    ///   - tls: what protects the connections of a TCP socket; nil for a Unix socket.
    ///   - decisionLog: logs whom it turned away.
    ///   - clock: the time in milliseconds since 1970 UTC.
    package init(
        host: Host, descriptor: Int32, tls: APITLS? = nil, providers: APIProviders, settings: APISettings,
        decisionLog: DecisionLog,
        logger: Logger, clock: @escaping @Sendable () -> Int = wallClock
    ) {
        let current = SettingsBox(settings)
        let read: @Sendable () -> APISettings = { current.settings }
        self.current = current
        self.descriptor = descriptor
        self.logger = logger
        events = EventStreams(host: host, settings: read)
        connections = APIConnections(
            responder: APIResponder(
                service: APIService(host, providers, clock: clock, settings: read), events: events, rate: RequestRate(),
                settings: read),
            counts: ConnectionCounts(), open: open, settings: read,
            denied: { decisionLog.denied($0, reason: $1) }, tls: tls)
    }

    /// The settings in force.
    package var settings: APISettings {
        get { current.settings }
        set { current.settings = newValue }
    }

    /// Accepts connections from now on, until ``stop(within:)``.
    package func start() {
        let serving = Task(executorPreference: Self.executor) { await self.serve() }
        state.withLock { $0.serving = serving }
    }

    /// Accepts connections. If that ends, because the process has run out of descriptors, it begins again.
    private func serve() async {
        while !state.withLock({ $0.isStopping }) {
            do { try await accept() } catch {
                logger.error("the HTTP API stopped accepting and begins again", metadata: ["reason": "\(error)"])
                try? await Task.sleep(for: Self.pause)
            }
        }
    }

    private func accept() async throws {
        let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard own >= 0 else { throw SystemError("copy the descriptor of the socket", errno: errno) }
        let (connections, logger) = (connections, logger)
        let listener = try await ServerBootstrap(group: Self.loops)
            .serverChannelOption(.backlog, value: 1_024)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 * 1_024, high: 256 * 1_024))
            .childChannelInitializer { channel in
                // Served from here on, not from a queue: a connection that is set up and dropped is a fatal error in NIO.
                connections.setup(channel: channel, logger: logger).map { connection in
                    _ = Task(executorPreference: Self.executor) {
                        await connections.handle(value: connection, logger: logger)
                    }
                }
            }
            .withBoundSocket(own).get()
        let isStopping = state.withLock { state in
            state.listener = listener
            return state.isStopping
        }
        if isStopping { listener.close(promise: nil) }
        try await listener.closeFuture.get()
        if !state.withLock({ $0.isStopping }) { throw ChannelError.eof }
    }

    /// Takes no more connections, ends the streams of events, and closes each connection once its request is answered, all
    /// after `grace`.
    package func stop(within grace: Duration) async {
        let (listener, serving) = state.withLock { state in
            state.isStopping = true
            return (state.listener, state.serving)
        }
        try? await listener?.close()
        events.stop()
        open.quiesce()
        let end = ContinuousClock.now + grace
        while open.count > 0, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(5)) }
        open.close()
        await serving?.value
    }
}

/// Runs tasks on the thread of an event loop.
private final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Settings that are read and replaced from any thread.
private final class SettingsBox: Sendable {
    private let value: Mutex<APISettings>

    init(_ settings: APISettings) { value = Mutex(settings) }

    var settings: APISettings {
        get { value.withLock { $0 } }
        set { value.withLock { $0 = newValue } }
    }
}

/// The connections that are open.
final class OpenConnections: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    var count: Int { channels.withLock { $0.count } }

    /// Adds a connection until it closes. Returns how many there are.
    func add(_ channel: any Channel) -> Int {
        let key = ObjectIdentifier(channel)
        let count = channels.withLock { channels in
            channels[key] = channel
            return channels.count
        }
        channel.closeFuture.whenComplete { [self] _ in channels.withLock { _ = $0.removeValue(forKey: key) } }
        return count
    }

    /// Has each connection close as soon as its request is answered.
    func quiesce() {
        for channel in channels.withLock({ Array($0.values) }) {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
    }

    /// Closes all.
    func close() {
        for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) }
    }
}
