import Dispatch
import Host
import Service
import Synchronization

/// Serves the EPA socket: many connections at once, each for one request.
///
/// The loop over the sockets is our own: with a connection for each request, a general one spends several times the work of
/// the request itself on setting a channel up and tearing it down (docs/architecture.md has the figures).
package final class EPAServer: Sendable {
    /// What an operator may change while the server runs.
    package struct Settings: Sendable {
        /// Who may use the socket.
        package var access = AccessPolicy()
        /// The most connections that one user may have open.
        package var connectionsPerUID = 512
        /// Until when a request must be complete, in seconds from the connection.
        package var readTimeout = 5
        /// How long a client may take to read its reply, in seconds.
        package var writeTimeout = 5
        /// How long a change may wait for the disk before the client is answered that its outcome is unknown, in seconds.
        package var commitTimeout = 30
        /// What differs from the EPA Orchestrator.
        package var options = EPAFrontend.Options()

        /// The defaults.
        package init() {}
    }

    let frontend: EPAFrontend
    let decisionLog: DecisionLog
    let counts = ConnectionCounts()
    private let current: Mutex<Settings>
    private let reactors = Mutex<[Reactor]>([])
    private let ended = DispatchSemaphore(value: 0)

    /// A server of `frontend` that logs to `decisionLog` whom it turned away.
    package init(frontend: EPAFrontend, decisionLog: DecisionLog, settings: Settings) {
        self.frontend = frontend
        self.decisionLog = decisionLog
        current = Mutex(settings)
    }

    /// The settings in force; new ones hold for connections that come after.
    package var settings: Settings {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    /// Serves the listening socket `descriptor`, which stays the caller's, on `threads` threads.
    ///
    /// - Throws: `SystemError` where a thread cannot be started; those that were go on.
    package func start(descriptor: Int32, threads: Int) throws(SystemError) {
        for _ in 0..<threads {
            let reactor = try Reactor(server: self, listener: descriptor) { [ended] in ended.signal() }
            reactors.withLock { $0.append(reactor) }
        }
    }

    /// Takes no more connections and returns once those that are open have been answered, after `seconds` at the latest.
    package func stop(within seconds: Int) {
        let stopping = reactors.withLock { $0 }
        for reactor in stopping { reactor.stop() }
        let deadline = DispatchTime.now() + .seconds(seconds)
        for _ in stopping { _ = ended.wait(timeout: deadline) }
    }
}
