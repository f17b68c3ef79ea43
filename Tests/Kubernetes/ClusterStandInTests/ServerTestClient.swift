import ClusterStandIn
import Glibc
import TestSupport
import Testing
import WireJSON

/// A client over the network, of a stand-in without TLS.
struct ServerTestClient {
    let server: StandInServer
    var token = "admin"

    /// Runs a test with a server that listens.
    static func serving(
        settings: StandInCluster.Settings = .init(), tokens: [String: StandInUser] = [:], definitions: Bool = false,
        clock: @escaping @Sendable () -> StandInTime = { StandInTime.now() },
        _ body: (ServerTestClient) async throws -> Void
    ) async throws {
        var standIn = StandInSettings()
        standIn.tokens.merge(tokens) { $1 }
        let server = try StandInServer(
            cluster: StandInCluster(settings: settings, now: clock()), settings: standIn, clock: clock)
        if definitions { for definition in BerthDefinitions.all { server.apply(definition: definition) } }
        try await server.start()
        do { try await body(ServerTestClient(server: server)) } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    /// A connection on which a request was sent.
    final class Exchange {
        let descriptor: Int32
        private(set) var text = ""
        private(set) var isClosed = false

        init(_ descriptor: Int32) { self.descriptor = descriptor }

        deinit { close(descriptor) }

        /// Takes what has come.
        func poll() {
            var piece = [UInt8](repeating: 0, count: 65_536)
            while !isClosed {
                let count = recv(descriptor, &piece, piece.count, Int32(MSG_DONTWAIT))
                if count > 0 {
                    text += String(decoding: piece.prefix(count), as: UTF8.self)
                } else if count == 0 || errno != EAGAIN {
                    isClosed = true
                } else {
                    return
                }
            }
        }

        /// Whether this text comes in time.
        func has(_ wanted: String) async throws -> Bool {
            try await eventually {
                poll()
                return text.contains(wanted)
            }
        }

        /// Whether the other end closes in time.
        func closes() async throws -> Bool {
            try await eventually {
                poll()
                return isClosed
            }
        }

        /// The HTTP status; 0 before there is one.
        var status: Int { text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0 }

        /// The types and names of the events of a watch.
        var events: [String] {
            text.split(separator: "\r\n").flatMap { $0.split(separator: "\n") }.compactMap { line in
                guard line.hasPrefix(#"{"type":"#), let event = try? JSONValue(Array(line.utf8)) else { return nil }
                let name = event.at("object", "metadata", "name")?.string
                return
                    "\(event["type"]?.string ?? "") \(name ?? event.at("object", "code").map { $0.integer.map(String.init) ?? "" } ?? "-")"
            }
        }
    }

    /// Sends a request and does not wait for the answer.
    func begin(_ method: String, _ target: String, _ body: String = "", fields: String = "") throws -> Exchange {
        let descriptor = try #require(WebClient(port: UInt16(server.port)).connect())
        WebClient.send(
            "\(method) \(target) HTTP/1.1\r\nHost: standin\r\nAuthorization: Bearer \(token)\r\n"
                + "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)",
            descriptor)
        return Exchange(descriptor)
    }

    /// Sends a request and waits for the answer.
    @discardableResult
    func send(_ method: String, _ target: String, _ body: String = "", fields: String = "") async throws -> Exchange {
        let exchange = try begin(method, target, body, fields: fields + "Connection: close\r\n")
        #expect(try await exchange.closes())
        return exchange
    }

    func configMap(_ name: String, labels: String = "{}") {
        let body = #"{"metadata": {"name": "\#(name)", "labels": \#(labels)}}"#
        _ = server.send(StandInRequest("POST", TestClient.configMaps, body: Array(body.utf8)))
    }

    func merge(_ target: String, _ body: String) {
        _ = server.send(
            StandInRequest("PATCH", target, body: Array(body.utf8), contentType: "application/merge-patch+json"))
    }

    func delete(_ target: String) { _ = server.send(StandInRequest("DELETE", target)) }
}
