import Glibc
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
internal import NIOSSL
import Synchronization

/// A Kubernetes API server on a loopback address, for tests and demonstrations.
///
/// The cluster is a value; this is what clients talk to it through, and what lets faults happen on the way.
package final class StandInServer: Sendable {
    /// A request that was answered, or was not.
    package struct Served: Sendable {
        package let method: String
        package let target: String
        package let user: String
        /// The HTTP status; 0 where no answer was given.
        package let status: Int
    }

    private struct State {
        var cluster: StandInCluster
        var faults = Faults()
        var listener: (any Channel)?
        var channels: [ObjectIdentifier: any Channel] = [:]
        var port: Int
        var reservation: PortReservation?
        var served: [Served] = []
    }

    let settings: StandInSettings
    let clock: @Sendable () -> StandInTime
    let watches = WatchRegistry()
    private let state: Mutex<State>
    private let tls: NIOSSLContext?
    private static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    /// Lets a ``PortReservation`` stand beside the socket that listens.
    private static let reusePort = ChannelOptions.Types.SocketOption(
        level: .socket, name: NIOBSDSocket.Option(rawValue: SO_REUSEPORT))
    /// How many answered requests are remembered.
    private static let servedLimit = 100_000

    /// A server of a cluster; ``start()`` lets it listen.
    ///
    /// - Parameter clock: the time; that of the machine, as a rule.
    /// - Throws: where a file of TLS cannot be read.
    package init(
        cluster: StandInCluster, settings: StandInSettings = .init(),
        clock: @escaping @Sendable () -> StandInTime = { StandInTime.now() }
    ) throws {
        self.settings = settings
        self.clock = clock
        tls = try settings.tls?.context()
        state = Mutex(State(cluster: cluster, port: settings.port))
    }

    // MARK: - The cluster

    /// Reads or changes the cluster; watches see what was changed.
    @discardableResult
    package func withCluster<Result, Failure: Error>(
        _ body: (inout StandInCluster) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        let (result, touched) = try state.withLock { state throws(Failure) in
            let result = try body(&state.cluster)
            state.cluster.settle(now: clock())
            return (result, state.cluster.takeTouched())
        }
        watches.wake(touched)
        return result
    }

    /// Answers a request without a network, and without faults.
    package func send(_ request: StandInRequest) -> StandInAnswer {
        let now = clock()
        return withCluster { $0.respond(to: request, now: now) }
    }

    /// Serves the kind of a CustomResourceDefinition, given as JSON; nothing happens where it is served already.
    package func apply(definition: String) {
        _ = send(
            StandInRequest(
                "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body: Array(definition.utf8)))
    }

    /// The next steps of a watch.
    func take(_ session: inout WatchSession, limit: Int) -> [WatchSession.Step] {
        let now = clock()
        return state.withLock { state in session.take(from: state.cluster, now: now, limit: limit) }
    }

    /// What goes wrong from now on.
    package var faults: Faults {
        get { state.withLock { $0.faults } }
        set {
            state.withLock { $0.faults = newValue }
            watches.wakeAll()
        }
    }

    /// What happens to the open watches of a user.
    func partition(of user: StandInUser) -> Faults.Effect? { state.withLock { $0.faults.partition(of: user) } }

    func decide(_ user: StandInUser, _ asked: ResourceRequest?) -> Faults.Decision {
        state.withLock { $0.faults.decide(user, asked) }
    }

    /// The user that a token stands for.
    func user(token: String) -> StandInUser? {
        settings.tokens[token] ?? state.withLock { $0.cluster.user(token: token) }
    }

    // MARK: - What happened

    /// The requests that came over the network, the oldest first.
    package var served: [Served] { state.withLock { $0.served } }

    /// Forgets the requests.
    package func forgetServed() { state.withLock { $0.served = [] } }

    func note(_ served: Served) {
        state.withLock { state in
            if state.served.count >= Self.servedLimit { state.served.removeFirst(Self.servedLimit / 2) }
            state.served.append(served)
        }
    }

    /// How many watches are open.
    package var watchCount: Int { watches.count }

    // MARK: - Listening

    /// The port; 0 before it listened for the first time.
    package var port: Int { state.withLock { $0.port } }

    /// The address for clients.
    package var url: String { "\(settings.tls == nil ? "http" : "https")://\(settings.host):\(port)" }

    /// Listens from now on, at the port of the last time where there was one.
    ///
    /// - Throws: where the address cannot be had.
    package func start() async throws {
        let logger = Logger(label: "standin") { _ in SwiftLogNoOpLogHandler() }
        let channel = HTTP1Channel(responder: { _, _, _ in })
        let tls = tls
        let listener = try await ServerBootstrap(group: Self.loops)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(Self.reusePort, value: 1)
            .childChannelInitializer { [self] connection in
                add(connection)
                if let tls {
                    do {
                        try connection.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
                    } catch { return connection.eventLoop.makeFailedFuture(error) }
                }
                // Served from here on, not from a queue: a connection that is set up and dropped is a fatal error in NIO.
                return channel.setup(channel: connection, logger: logger).map { value in
                    _ = Task { await StandInConnection(server: self).serve(value, logger) }
                }
            }
            .bind(host: settings.host, port: port).get()
        state.withLock { state in
            state.listener = listener
            state.port = listener.localAddress?.port ?? state.port
            if state.reservation == nil { state.reservation = PortReservation(settings.host, state.port) }
        }
    }

    /// Takes no more connections and closes those that are open.
    package func stop() async {
        let (listener, channels) = state.withLock { state in
            defer {
                state.listener = nil
                state.channels = [:]
            }
            return (state.listener, Array(state.channels.values))
        }
        try? await listener?.close()
        for channel in channels { try? await channel.close() }
    }

    /// Restarts: all connections are closed, and it listens again at the same port.
    ///
    /// - Parameters:
    ///   - keepsHistory: whether watches may go on where they were; otherwise they get 410.
    ///   - seconds: how long it is away.
    package func restart(keepsHistory: Bool = true, after seconds: Double = 0) async throws {
        await stop()
        if !keepsHistory { withCluster { $0.compact() } }
        if seconds > 0 { try await Task.sleep(for: .seconds(seconds)) }
        try await start()
    }

    /// Closes all connections that are open; new ones are taken.
    package func dropConnections() async {
        for channel in state.withLock({ Array($0.channels.values) }) { try? await channel.close() }
    }

    private func add(_ channel: any Channel) {
        let key = ObjectIdentifier(channel)
        state.withLock { $0.channels[key] = channel }
        channel.closeFuture.whenComplete { [self] _ in state.withLock { _ = $0.channels.removeValue(forKey: key) } }
    }
}
