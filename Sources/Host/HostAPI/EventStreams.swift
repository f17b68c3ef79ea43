import HTTPTypes
import Host
import HummingbirdCore
import Ledger
import LedgerStore
import NIOCore
import Service
import Synchronization

/// Streams of events (server-sent events of the HTML standard): the decisions from the store first, then those that follow.
final class EventStreams: Sendable {
    /// A stream that was admitted.
    struct Stream: Sendable {
        let id: Int
        let uid: UInt32
        /// Where it begins; nil for the decisions to come only.
        let start: HistoryStart?
        /// Whether it goes on after what is stored.
        let follows: Bool
        let buffer: EventBuffer
        let channel: any Channel
    }

    private struct State {
        var last = 0
        var streams: [Int: Stream] = [:]
    }

    private let host: Host
    private let settings: @Sendable () -> APISettings
    private let state = Mutex(State())
    /// How many decisions are read from the store at a time.
    private static let page = 256

    init(host: Host, settings: @escaping @Sendable () -> APISettings) {
        self.host = host
        self.settings = settings
    }

    /// Admits a stream.
    ///
    /// - Throws: ``Problem`` where there are too many, or the parameters make no sense.
    func begin(_ request: APIRequest, _ channel: any Channel) throws(Problem) -> Stream {
        let parameters = try request.target.parameters(["after", "follow", "last"])
        func invalid(_ name: String, _ what: String) -> Problem {
            Problem(.malformedQuery, "The parameter \(name) takes \(what)", member: name)
        }
        var start: HistoryStart?
        if let text = parameters["last"] {
            guard parameters["after"] == nil else {
                throw Problem(.malformedQuery, "The parameters after and last exclude each other", member: "last")
            }
            guard let number = Int(text), number > 0 else { throw invalid("last", "a number of events") }
            start = .newest(number)
        }
        // The header field is what a client sends that has lost its connection.
        if let text = request.fields[.lastEventID] ?? parameters["after"] {
            guard let number = Int64(text), number >= 0 else { throw invalid("after", "the number of an event") }
            start = .after(number)
        }
        let follows: Bool
        switch parameters["follow"] {
        case nil, "true": follows = true
        case "false": follows = false
        default: throw invalid("follow", "true or false")
        }
        let settings = settings()
        let uid = request.peer.credentials.uid
        let stream: Stream? = state.withLock { state in
            guard state.streams.count < settings.streams,
                state.streams.values.count(where: { $0.uid == uid }) < settings.streamsPerUID
            else { return nil }
            state.last += 1
            // Who does not follow wants what is stored.
            let stream = Stream(
                id: state.last, uid: uid, start: start ?? (follows ? nil : .after(0)), follows: follows,
                buffer: EventBuffer(), channel: channel)
            state.streams[stream.id] = stream
            return stream
        }
        guard let stream else {
            throw Problem(
                .tooManyStreams,
                "There may be \(settings.streams) streams of events, \(settings.streamsPerUID) of one user")
        }
        return stream
    }

    /// Writes the stream until its client leaves, falls behind, or all is said.
    func serve(
        _ stream: Stream, _ request: HummingbirdCore.Request, _ writer: consuming ResponseWriter
    ) async throws {
        // What is decided from here on waits while the past is read.
        let (buffer, channel) = (stream.buffer, stream.channel)
        let follower = host.follow { records in
            // A client that does not keep up begins again after the last event that it has read.
            if !buffer.add(records) { channel.close(promise: nil) }
        }
        let beat = TimeAmount.seconds(Int64(settings().heartbeat))
        let timer = channel.eventLoop.scheduleRepeatedTask(initialDelay: beat, delay: beat) { _ in buffer.tick() }
        defer {
            timer.cancel()
            host.unfollow(follower)
            state.withLock { _ = $0.streams.removeValue(forKey: stream.id) }
        }
        let fields: HTTPFields = [.contentType: APIRoute.events.contentType, .cacheControl: "no-store"]
        let body = try await writer.writeHead(HTTPResponse(status: .ok, headerFields: fields))
        // Not RequestBody.consumeWithInboundCloseHandler: it ends the process where the first write fails.
        try await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.handler(type: ConnectionGuard.self).whenInputCloses { buffer.end() }
        }.get()
        try await write(stream, to: body)
        try await body.finish(nil)
    }

    /// Ends all streams.
    func stop() {
        for stream in state.withLock({ Array($0.streams.values) }) { stream.buffer.end() }
    }

    private func write(_ stream: Stream, to body: some ResponseBodyWriter) async throws {
        var body = body
        var last: Int64 = 0
        var start = stream.start
        if case .after(let after) = start {
            last = try await begin(after, &body)
            start = .after(last)
        } else {
            // Something at once, so that the client knows that it listens.
            try await body.write(EventText.silence)
        }
        while let from = start {
            let history = try await history(from: from, limit: Self.page)
            try await body.write(EventText.text(history.decisions))
            if let newest = history.decisions.last { last = newest.seq }
            start = history.decisions.count == Self.page ? .after(last) : nil
        }
        guard stream.follows else { return }
        while true {
            switch await stream.buffer.next() {
            case .records(let records):
                let fresh = records.filter { $0.seq > last }
                guard let newest = fresh.last else { continue }
                try await body.write(EventText.text(fresh))
                last = newest.seq
            case .machine: try await body.write(EventText.machine)
            case .silence: try await body.write(EventText.silence)
            case .end: return
            }
        }
    }

    /// Says where decisions are missing between `after` and what is retained.
    ///
    /// - Returns: after which decision the stream begins.
    private func begin(_ after: Int64, _ body: inout some ResponseBodyWriter) async throws -> Int64 {
        guard after > 0 else {
            let history = try await history(from: .after(0), limit: 1)
            if let first = history.decisions.first, first.seq > 1 {
                try await body.write(EventText.gap(after: after, oldest: first.seq))
            } else {
                try await body.write(EventText.silence)
            }
            return 0
        }
        // The event itself is there, or what comes after it has a gap before it: it is too old, or of another state.
        let history = try await history(from: .after(after - 1), limit: 1)
        guard history.decisions.first?.seq != after else {
            try await body.write(EventText.silence)
            return after
        }
        try await body.write(EventText.gap(after: after, oldest: history.oldest))
        return history.decisions.isEmpty ? 0 : after
    }

    private func history(from start: HistoryStart, limit: Int) async throws -> Host.History {
        try await withCheckedThrowingContinuation { continuation in
            host.decisions(from: start, limit: limit) { continuation.resume(with: $0) }
        }
    }
}

extension HTTPField.Name {
    /// The last event that a client has read.
    fileprivate static var lastEventID: HTTPField.Name { HTTPField.Name("Last-Event-ID") ?? .from }
}
