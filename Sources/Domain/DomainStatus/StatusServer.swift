import Logging
import NIOCore
import NIOPosix

/// Shows a domain over HTTP: a page, the same as JSON, metrics, and whether all is well. Nothing can be changed there.
///
/// It has a thread, and the domain never waits for its clients.
package final class StatusServer: Sendable {
    /// Where it listens, and how much it bears.
    package struct Settings: Sendable {
        /// The address or name of the host to listen at.
        package var host: String
        /// 0 to 65535; 0 for any port that is free.
        package var port: UInt16
        /// The most connections at once; others wait until one is closed.
        package var connections = 32
        /// How long a connection may say nothing.
        package var idleTime = Duration.seconds(10)
        /// How long a connection may last.
        package var lifetime = Duration.seconds(60)
        /// How long the domain may take until it can be looked at.
        package var patience = Duration.seconds(5)

        /// The defaults, at this address.
        package init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }
    }

    /// An address that cannot be listened on.
    package struct ListenError: Error, Hashable, Sendable, CustomStringConvertible {
        /// One sentence.
        package let description: String
    }

    /// The port that it listens at.
    package let port: UInt16
    private let group: MultiThreadedEventLoopGroup
    private let running: StatusListener
    private let serving: Task<Void, Never>

    /// Listens and serves. Connections are taken when this returns.
    ///
    /// - Throws: ``ListenError`` that names the address where it cannot be listened on.
    package init(_ source: StatusSource, settings: Settings, logger: Logger) async throws(ListenError) {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pages = StatusPages(source, loop: group.next(), patience: settings.patience)
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
        case nil: throw ListenError(description: "cannot listen: it ended at once")
        }
        self.group = group
        self.running = running
    }

    /// Takes no more connections, and returns once those there are have had their answers, or after `grace`.
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
            // Where clients are still there the thread stays with them, until they or the process end.
            if isOrderly { try? await group.shutdownGracefully() }
            return
        }
    }
}
