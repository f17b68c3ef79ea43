import NIOCore
import NIOPosix
import Service
import Synchronization

/// Serves the EPA socket: many connections at once, each for one request.
public final class EPAServer: Sendable {
    /// What an operator may change while the server runs.
    public struct Settings: Sendable {
        /// Who may use the socket.
        public var access = AccessPolicy()
        /// The most connections that one user may have open.
        public var connectionsPerUID = 512
        /// Until when a request must be complete, in seconds from the connection.
        public var readTimeout = 5
        /// How long a client may take to read its reply, in seconds.
        public var writeTimeout = 5
        /// What the face is to do differently from the reference.
        public var options = EPAFace.Options()

        /// The defaults.
        public init() {}
    }

    let face: EPAFace
    let journalist: Journalist
    let register = ConnectionRegister()
    private let current: Mutex<Settings>
    private let listener = Mutex<(any Channel)?>(nil)

    /// A server of `face` that tells `journalist` whom it turned away.
    public init(face: EPAFace, journalist: Journalist, settings: Settings) {
        self.face = face
        self.journalist = journalist
        current = Mutex(settings)
    }

    /// The settings in force; new ones hold for connections that come after.
    public var settings: Settings {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    /// Serves the listening socket `descriptor`, which the server owns from now on, on the loops of `group`.
    public func start(descriptor: Int32, group: MultiThreadedEventLoopGroup) async throws {
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.maxMessagesPerRead, value: 16)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4096))
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ConnectionHandler(server: self))
                }
            }
            .withBoundSocket(descriptor).get()
        listener.withLock { $0 = channel }
    }

    /// Takes no more connections and waits until those that are open have been answered, at most `seconds`.
    public func stop(within seconds: Int) async {
        try? await listener.withLock { $0 }?.close()
        await register.drain(within: seconds)
    }
}
