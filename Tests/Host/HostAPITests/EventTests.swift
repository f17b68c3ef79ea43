import Glibc
import HostAPI
import TestSupport
import Testing
import WireJSON

/// The stream of events: from the store, then live, resumable, bounded.
@Suite struct EventTests {
    /// The events of a text, as their ids, names and data.
    private func events(_ text: String) -> [(id: String?, name: String, data: JSONValue)] {
        text.split(separator: "\n\n").compactMap { block in
            var fields: [String: String] = [:]
            for line in block.split(separator: "\n") {
                guard let colon = line.firstIndex(of: ":"), colon > line.startIndex else { continue }
                fields[String(line[..<colon])] = String(line[line.index(after: colon)...].dropFirst())
            }
            guard let name = fields["event"], let data = fields["data"] else { return nil }
            return (fields["id"], name, (try? JSONValue(Array(data.utf8))) ?? .null)
        }
    }

    /// The body of a chunked answer, without the sizes of its chunks.
    private func unchunked(_ text: String) -> String {
        var rest = text[...]
        var body = ""
        while let end = rest.firstRange(of: "\r\n") {
            guard let size = Int(rest[..<end.lowerBound], radix: 16), size > 0 else { break }
            let bytes = rest[end.upperBound...].utf8
            guard bytes.count >= size else { break }
            body += String(decoding: bytes.prefix(size), as: UTF8.self)
            rest = Substring(String(decoding: bytes.dropFirst(size + 2), as: UTF8.self))
        }
        return body
    }

    private let body = #"{"cpus":{"count":1}}"#

    @Test("the stored decisions come in order, whole; after and Last-Event-ID leave out what was read")
    func stored() async throws {
        try await TestAPI.serving { api in
            for name in ["a", "b", "c"] { try api.put("run/\(name)", body) }
            try api.ask("DELETE", "/v1/claims/run/b")
            let all = events(unchunked(try api.ask("GET", "/v1/events?after=0&follow=false").body))
            let unbounded = events(unchunked(try api.ask("GET", "/v1/events?follow=false").body))
            #expect(unbounded.map(\.id) == all.map(\.id))
            #expect(all.map(\.id) == ["1", "2", "3", "4"] && all.allSatisfy { $0.name == "decision" })
            #expect(all.map { $0.data["outcome"]?.string } == ["granted", "granted", "granted", "released"])
            #expect(all[1].data["claims"]?.array?.first?["cpus"]?.string == "2")
            #expect(all[3].data["removed"]?.array == [.string("run:b")])
            #expect(all[0].data["caller"]?["uid"]?.integer == Int(getuid()))
            let rest = events(
                unchunked(try api.ask("GET", "/v1/events?after=0&follow=false", nil, ["Last-Event-ID": "2"]).body))
            #expect(rest.map(\.id) == ["3", "4"])
            #expect(try events(unchunked(api.ask("GET", "/v1/events?after=4&follow=false").body)).isEmpty)
        }
    }

    @Test("last begins with so many of the newest decisions, in their order, and goes on; it excludes after")
    func newest() async throws {
        try await TestAPI.serving { api in
            for name in 1...300 {
                try api.put("run/a", #"{"huge_pages":[{"node":0,"size_kb":2048,"count":\#(name % 2 + 1)}]}"#)
            }
            func ids(_ query: String, _ fields: [String: String] = [:]) throws -> [String?] {
                events(unchunked(try api.ask("GET", "/v1/events?follow=false&\(query)", nil, fields).body)).map(\.id)
            }
            #expect(try ids("last=2") == ["299", "300"])
            #expect(try ids("last=270") == (31...300).map { "\($0)" })
            #expect(try ids("last=9007199254740991").count == 300)
            // What a client sends that has lost its connection.
            #expect(try ids("last=2", ["Last-Event-ID": "297"]) == ["298", "299", "300"])
            for query in ["last=0", "last=-1", "last=x", "last=1&after=1"] {
                let reply = try api.ask("GET", "/v1/events?\(query)")
                #expect(reply.code == "malformed_query" && reply["member"]?.string == "last", "\(reply.text)")
            }
            let client = try Connection(api.path)
            try client.send("GET /v1/events?last=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try await client.text(until: "id: 300\n")
            try api.ask("DELETE", "/v1/claims/run/a")
            let text = try await client.text(until: "id: 301\n")
            #expect(text.components(of: "id: ") == 2, "\(text)")
        }
    }

    @Test("a stream goes on with what is decided after it began, without a gap and without a repetition")
    func live() async throws {
        try await TestAPI.serving { api in
            for count in 1...5 { try api.put("run/\(count)", body) }
            let client = try Connection(api.path)
            try client.send("GET /v1/events?after=2 HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try await client.text(until: "id: 5\n")
            try api.put("run/more", #"{"huge_pages":[{"node":0,"size_kb":2048,"count":1}]}"#)
            let text = try await client.text(until: "id: 6\n")
            let head = Reply(text)
            #expect(head.status == 200 && head.fields["content-type"] == "text/event-stream")
            for id in 3...6 { #expect(text.components(of: "id: \(id)\n") == 1) }
            #expect(text.components(of: "id: 2\n") == 0)
        }
    }

    @Test("numbers that the store does not have any more, or never had, are a gap")
    func gap() async throws {
        try await TestAPI.serving { api in
            try api.put("run/a", body)
            let reply = events(unchunked(try api.ask("GET", "/v1/events?after=77&follow=false").body))
            #expect(reply.first?.name == "gap" && reply.first?.data["after"]?.integer == 77)
            // What there is follows.
            #expect(reply.last?.id == "1")
        }
    }

    @Test("there may be so many streams; one that its client leaves makes room; the stop of the server ends them")
    func bounded() async throws {
        try await TestAPI.serving(settings: { $0.streamsPerUID = 2 }) { api in
            func stream() async throws -> Connection {
                let client = try Connection(api.path)
                try client.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try await client.text(until: "event-stream")
                return client
            }
            let first = try await stream()
            var second: Connection? = try await stream()
            #expect(try api.ask("GET", "/v1/events").code == "too_many_streams")
            withExtendedLifetime(second) {}
            second = nil
            #expect(try await eventually { try api.ask("GET", "/v1/events?follow=false").status == 200 })
            await api.server.stop(within: .seconds(5))
            let rest = try await first.rest()
            #expect(rest.hasSuffix("0\r\n\r\n"))
        }
    }

    @Test("clients that ask for events and leave at once harm nobody")
    func leaving() async throws {
        try await TestAPI.serving { api in
            for _ in 0..<500 {
                try SocketClient(api.path).send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            }
            #expect(try await eventually { try api.ask("GET", "/v1/events?follow=false").status == 200 })
        }
    }

    @Test("a silent stream shows signs of life")
    func heartbeat() async throws {
        try await TestAPI.serving(settings: { $0.heartbeat = 1 }) { api in
            let client = try Connection(api.path)
            try client.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            let text = try await client.text(until: ":\n\n", times: 3)
            #expect(text.contains("text/event-stream"))
        }
    }

    @Test("a client that does not read its stream is disconnected, and nobody waits for it")
    func slow() async throws {
        try await TestAPI.serving(settings: { $0.writeTimeout = 1 }) { api in
            let client = try Connection(api.path)
            try client.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try await client.text(until: "event-stream")
            let label = String(repeating: "l", count: 60)
            try await blocking {
                for count in 0..<1_500 {
                    try api.put("run/a", #"{"cpus":{"count":\#(count % 6 + 1),"label":"\#(label)"}}"#)
                }
            }
            let rest = try await client.rest()
            #expect(!rest.hasSuffix("0\r\n\r\n"))
        }
    }
}

extension String {
    /// How often `text` is in it.
    func components(of text: String) -> Int { ranges(of: text).count }
}
