import HTTPTypes
import HummingbirdCore
import NIOCore

/// Writes a watch until it is over, its client leaves, or a fault ends it.
struct WatchStream: Sendable {
    let server: StandInServer
    let user: StandInUser
    let fault: Faults.WatchFault
    let channel: any Channel
    /// How many events are taken at a time.
    private static let batch = 256

    func serve(_ session: WatchSession, _ writer: consuming ResponseWriter) async throws {
        var session = session
        let (signals, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = server.watches.add(.init(storage: session.type.storage, wake: wake))
        defer { server.watches.remove(id) }
        channel.closeFuture.whenComplete { _ in wake.finish() }
        if fault.isGone {
            session.fail(.expired("too old resource version: \(session.cursor) (\(session.cursor + 1))"))
        }
        let fields: HTTPFields = [.contentType: "application/json", .cacheControl: "no-cache, private"]
        var body = try await writer.writeHead(HTTPResponse(status: .ok, headerFields: fields))
        // The head alone, so that the client knows that it watches.
        try await body.write(ByteBuffer())
        var iterator = signals.makeAsyncIterator()
        var events = 0
        while true {
            switch server.partition(of: user) {
            case .disconnect?: return try await channel.close()
            case .hang?:
                guard await iterator.next() != nil else { return }
                continue
            default: break
            }
            let steps = server.take(&session, limit: Self.batch)
            if steps.isEmpty {
                if session.isOver { break }
                let timer = timer(session, wake)
                let next: Void? = await iterator.next()
                timer.cancel()
                guard next != nil else { return }
                continue
            }
            var text: [UInt8] = []
            for step in steps {
                if let limit = fault.silentAfter, events >= limit {
                    try await flush(&text, to: &body)
                    while await iterator.next() != nil {}
                    return
                }
                if let limit = fault.endsAfter, events >= limit {
                    try await flush(&text, to: &body)
                    if fault.resets { return try await channel.close() }
                    return try await body.finish(nil)
                }
                text += session.line(step, now: server.clock())
                events += 1
                if fault.pause > 0 {
                    try await flush(&text, to: &body)
                    try await Task.sleep(for: .seconds(fault.pause))
                }
            }
            try await flush(&text, to: &body)
        }
        try await body.finish(nil)
    }

    private func flush(_ text: inout [UInt8], to body: inout some ResponseBodyWriter) async throws {
        guard !text.isEmpty else { return }
        var rest = text[...]
        text = []
        while !rest.isEmpty {
            let piece = rest.prefix(fault.pieces.map { max($0, 1) } ?? rest.count)
            rest = rest.dropFirst(piece.count)
            try await body.write(ByteBuffer(bytes: piece))
        }
    }

    /// Wakes the watch when its next bookmark or its end is due.
    private func timer(_ session: WatchSession, _ wake: AsyncStream<Void>.Continuation) -> Scheduled<Void> {
        let due = session.allowsBookmarks ? min(session.ends, session.nextBookmark) : session.ends
        let delay = max(due.microseconds &- server.clock().microseconds, 0)
        return channel.eventLoop.scheduleTask(in: .microseconds(min(delay, 3_600_000_000) + 1_000)) { _ = wake.yield() }
    }
}
