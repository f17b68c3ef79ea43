import Dispatch
import Host
import Service
import Synchronization

/// Serves the EPA socket: many connections at once, each for one request.
///
/// The loop over the sockets is our own: with a connection for each request, a general one spends several times the work of
/// the request itself on setting a channel up and tearing it down (docs/architecture.md has the figures).
package final class EPAServer: Sendable {
    let frontend: EPAFrontend
    let decisionLog: DecisionLog
    let counts = ConnectionCounts()
    private let current: Mutex<EPASettings>
    private let reactors = Mutex<[Reactor]>([])
    private let ended = DispatchSemaphore(value: 0)

    /// A server of `frontend` that logs to `decisionLog` whom it turned away.
    package init(frontend: EPAFrontend, decisionLog: DecisionLog, settings: EPASettings) {
        self.frontend = frontend
        self.decisionLog = decisionLog
        current = Mutex(settings)
    }

    /// The settings in force; new ones hold for connections that come after.
    package var settings: EPASettings {
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
