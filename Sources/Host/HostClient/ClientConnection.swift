import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
import Synchronization

/// A request as it is sent.
struct ClientRequest: Sendable {
    let method: HTTPMethod
    let target: String
    var headers: [(String, String)] = []
    var body: [UInt8] = []
}

/// An answer that has come to its end.
struct ClientAnswer: Sendable {
    let status: Int
    let body: [UInt8]
    /// Whether the connection can take another request.
    let keepsAlive: Bool
}

/// One connection to the daemon.
struct ClientConnection: Sendable {
    let channel: any Channel
    /// Lives on after the channel: what it has received can still be read.
    private let handler: NIOLoopBound<AnswerHandler>

    /// One thread for all clients of a process, for as long as it lives.
    private static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    /// The most bytes of an answer.
    private static let answerLimit = 64 << 20

    /// Connects to the socket at `path`.
    static func connect(_ path: String) async throws(BerthError) -> ClientConnection {
        var tries = 0
        while true {
            do { return try await once(path) } catch {
                // The queue of the socket is full for a moment.
                if (error as? IOError)?.errnoCode == EAGAIN, tries < 100, !Task.isCancelled {
                    tries += 1
                    try? await Task.sleep(for: .milliseconds(10))
                    continue
                }
                if (error as? IOError)?.errnoCode == EACCES {
                    throw .notPermitted("Not permitted to connect to \(path)")
                }
                throw .unreachable("Cannot connect to \(path): \(reason(error)); is berthd running?")
            }
        }
    }

    private static func once(_ path: String) async throws -> ClientConnection {
        try await ClientBootstrap(group: loops).connect(unixDomainSocketPath: path) { channel in
            channel.eventLoop.makeCompletedFuture {
                let handler = AnswerHandler(limit: answerLimit)
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                try channel.pipeline.syncOperations.addHandler(handler)
                return ClientConnection(channel: channel, handler: NIOLoopBound(handler, eventLoop: channel.eventLoop))
            }
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as IOError: String(cString: strerror(error.errnoCode))
        case let error as ChannelError: "\(error)"
        default: "\(error)"
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// - Throws: ``BerthError``; the connection is closed then.
    func ask(_ request: ClientRequest, within limit: Duration) async throws(BerthError) -> ClientAnswer {
        let promise = channel.eventLoop.makePromise(of: ClientAnswer.self)
        let timer = channel.eventLoop.scheduleTask(in: TimeAmount(limit)) { promise.fail(BerthError.timedOut) }
        defer { timer.cancel() }
        send(request, .whole(promise))
        do {
            return try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                promise.fail(BerthError.closed("The request was cancelled"))
            }
        } catch {
            channel.close(promise: nil)
            throw error as? BerthError ?? .closed("The connection to the daemon failed: \(Self.reason(error))")
        }
    }

    /// Sends a request and waits for the beginning of its answer, whose body is read with ``piece()``.
    ///
    /// - Returns: the status.
    func open(_ request: ClientRequest, within limit: Duration) async throws(BerthError) -> Int {
        let promise = channel.eventLoop.makePromise(of: Int.self)
        let timer = channel.eventLoop.scheduleTask(in: TimeAmount(limit)) { promise.fail(BerthError.timedOut) }
        defer { timer.cancel() }
        send(request, .stream(promise))
        do { return try await promise.futureResult.get() } catch {
            channel.close(promise: nil)
            throw error as? BerthError ?? .closed("The connection to the daemon failed: \(Self.reason(error))")
        }
    }

    /// The next piece of the body of a stream; nil at its end.
    func piece() async throws(BerthError) -> [UInt8]? {
        let promise = channel.eventLoop.makePromise(of: [UInt8]?.self)
        let (channel, handler) = (channel, handler)
        channel.eventLoop.execute { handler.value.piece(promise) }
        do {
            return try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                channel.close(promise: nil)
            }
        } catch {
            throw error as? BerthError ?? .closed("The connection to the daemon failed: \(Self.reason(error))")
        }
    }

    private func send(_ request: ClientRequest, _ use: AnswerHandler.Use) {
        let (channel, handler) = (channel, handler)
        channel.eventLoop.execute { handler.value.send(request, use, on: channel) }
    }
}
