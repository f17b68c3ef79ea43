import Logging
import NIOCore
import NIOPosix

/// Serves the status of a domain over HTTP: an HTML page, JSON, metrics and a health check. It is read-only.
///
/// It has its own thread; the domain never waits for its clients.
package final class StatusServer: Sendable {
    /// The settings of a server.
    package struct Settings: Sendable {
        /// The address or host name to listen on.
        package var host: String
        /// The port; 0 for any free port.
        package var port: UInt16
        /// The maximum number of connections; others wait.
        package var connections = 32
        /// How long a connection may be idle.
        package var idleTime = Duration.seconds(10)
        /// How long a connection may last.
        package var lifetime = Duration.seconds(60)
        /// How long the domain may take to provide a snapshot.
        package var timeout = Duration.seconds(5)

        /// Creates the default settings for this address.
        package init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }
    }

    /// An address that cannot be listened on.
    package struct ListenError: Error, Hashable, Sendable, CustomStringConvertible {
        /// The error as a sentence.
        package let description: String
    }

    /// The port that it listens on.
    package let port: UInt16
    private let group: MultiThreadedEventLoopGroup
    private let running: StatusListener
    private let serving: Task<Void, Never>

    /// Starts to listen and serve. Connections are accepted when this returns.
    ///
    /// - Throws: ``ListenError`` that names the address, if it is not available.
    package init(_ source: StatusSource, settings: Settings, logger: Logger) async throws(ListenError) {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pages = StatusPages(source, loop: group.next(), timeout: settings.timeout)
        let running = StatusListener(pages, settings, group, logger)
        let (beginnings, begin) = AsyncStream<Result<UInt16, ListenError>>.makeStream()
        serving = Task {
            await running.serve { begin.yield($0) }
            begin.finish()
        }
        var first = beginnings.makeAsyncIterator()
        switch await first.next() {
        case .success(let port): self.port = port
        case .failure(let error):
            try? await group.shutdownGracefully()
            throw error
        case nil: throw ListenError(description: "cannot listen: the server stopped immediately")
        }
        self.group = group
        self.running = running
    }

    /// Accepts no more connections. Returns when the existing ones are answered, or after `grace`.
    package func stop(within grace: Duration = .seconds(1)) async {
        let (ends, end) = AsyncStream<Bool>.makeStream()
        let (running, serving) = (running, serving)
        Task {
            await running.stop()
            await serving.value
            end.yield(true)
        }
        let timer = Task {
            try? await Task.sleep(for: grace)
            end.yield(false)
        }
        for await isOrderly in ends {
            timer.cancel()
            // If clients are still connected, the thread stays until they disconnect or the process ends.
            if isOrderly { try? await group.shutdownGracefully() }
            return
        }
    }
}
