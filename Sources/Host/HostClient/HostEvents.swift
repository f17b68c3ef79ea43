internal import NIOCore
internal import NIOHTTP1

/// The events of a host, one after the other.
public struct HostEvents: AsyncSequence, Sendable {
    /// What it is a sequence of.
    public typealias Element = HostEvent
    /// How it fails.
    public typealias Failure = BerthError

    let socket: String
    let after: Int?
    let last: Int?
    let follows: Bool
    let timeLimit: Duration

    /// Begins to read. The connection is made with the first event that is asked for, and ends with the iterator.
    public func makeAsyncIterator() -> Iterator { Iterator(self) }

    /// Reads events.
    public struct Iterator: AsyncIteratorProtocol {
        private let events: HostEvents
        private var connection: Connection?
        private var parser = EventParser()
        private var isOver = false

        init(_ events: HostEvents) { self.events = events }

        /// The next event; nil at the end.
        public mutating func next() async throws(BerthError) -> HostEvent? {
            while !isOver {
                while let (name, data) = parser.next() {
                    if let event = try HostEvent(name, data) { return event }
                }
                guard let piece = try await begin().piece() else {
                    isOver = true
                    return nil
                }
                parser.add(piece)
            }
            return nil
        }

        private mutating func begin() async throws(BerthError) -> ClientConnection {
            if let connection { return connection.value }
            var target = "/v1/events?follow=\(events.follows)"
            if let after = events.after { target += "&after=\(after)" }
            if let last = events.last { target += "&last=\(last)" }
            let fresh = Connection(try await ClientConnection.connect(events.socket))
            connection = fresh
            let status = try await fresh.value.open(
                ClientRequest(method: .GET, target: target), within: events.timeLimit)
            guard status == 200 else {
                isOver = true
                var body: [UInt8] = []
                while let piece = try await fresh.value.piece() { body += piece }
                throw .problem(Problem(status: status, body))
            }
            return fresh.value
        }
    }

    /// Closes the connection with the last iterator that uses it.
    private final class Connection: Sendable {
        let value: ClientConnection
        init(_ value: ClientConnection) { self.value = value }
        deinit { value.channel.close(promise: nil) }
    }
}

extension HostEvent {
    /// The event of this name; nil for one that this version of the library does not know.
    fileprivate init?(_ name: String, _ data: [UInt8]) throws(BerthError) {
        switch name {
        case "decision": self = .decision(try HostDecision(data))
        case "gap":
            let json = try AnswerReader(data)
            self = .gap(after: try json.number("after"), oldest: try json.number("oldest"))
        case "machine": self = .machine
        default: return nil
        }
    }
}

/// Takes a stream of server-sent events (HTML standard, section 9.2) apart: lines that end in LF, as the daemon writes them.
struct EventParser {
    private var lines: [UInt8] = []
    private var name = ""
    private var data: [UInt8] = []
    /// Up to where there is no end of a line.
    private var searched = 0

    mutating func add(_ bytes: [UInt8]) { lines += bytes }

    /// The next event that is complete: its name and data.
    mutating func next() -> (String, [UInt8])? {
        while let end = lines[searched...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = lines[..<end]
            defer {
                lines.removeFirst(end + 1)
                searched = 0
            }
            if line.isEmpty {
                guard !data.isEmpty else { continue }
                defer { (name, data) = ("", []) }
                return (name, data)
            }
            take(line)
        }
        searched = lines.count
        return nil
    }

    private mutating func take(_ line: ArraySlice<UInt8>) {
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        var value = line[min(colon + 1, line.endIndex)...]
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "event": name = String(decoding: value, as: UTF8.self)
        case "data": data += value
        default: break
        }
    }
}
