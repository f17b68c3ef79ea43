import Domain
import DomainRuntime
import DomainStatus
import Glibc
import Logging
import Synchronization
import TestSupport
import Testing

/// The status server over real connections.
@Suite struct StatusServerTests {
    /// A domain controlled by the test.
    private final class Fake: Sendable {
        let view = Mutex<DomainSnapshot?>(DomainSnapshot(records: DomainRecords()))
        let looks = Mutex<[DomainRuntime.SnapshotHandler]>([])
        let isStuck = Mutex(false)
        let count = Mutex(0)

        func look(_ look: @escaping DomainRuntime.SnapshotHandler) {
            count.withLock { $0 += 1 }
            if isStuck.withLock({ $0 }) { return looks.withLock { $0.append(look) } }
            look(view.withLock { $0 })
        }
    }

    private let fake = Fake()

    private func serving(
        _ change: (inout StatusServer.Settings) -> Void = { _ in },
        _ body: (WebClient, StatusServer) async throws -> Void
    ) async throws {
        var settings = StatusServer.Settings(host: "127.0.0.1", port: 0)
        change(&settings)
        let fake = fake
        let server = try await StatusServer(
            StatusSource(domainID: "d", version: "1", withSnapshot: { fake.look($0) }), settings: settings,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        do { try await body(WebClient(port: server.port), server) } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    @Test("each path has its content type and protective headers; HEAD has the same headers and no body")
    func paths() async throws {
        try await serving { web, _ in
            for (path, type) in [
                ("/", "text/html; charset=utf-8"), ("/status.json", "application/json"),
                ("/metrics", "text/plain; version=0.0.4; charset=utf-8"), ("/healthz", "text/plain; charset=utf-8"),
                ("/metrics?x=1", "text/plain; version=0.0.4; charset=utf-8"),
            ] {
                let answer = try #require(await web.ask(path))
                #expect(answer.status == 200 && answer.fields["content-type"] == type)
                #expect(answer.fields["cache-control"] == "no-store")
                #expect(answer.fields["x-content-type-options"] == "nosniff")
                #expect(answer.fields["content-length"] == "\(answer.body.count)" && !answer.body.isEmpty)
                let head = try #require(await web.ask(path, "HEAD"))
                #expect(head.status == 200 && head.body.isEmpty)
                #expect(head.fields["content-type"] == type && head.fields["content-length"] != "0")
            }
            #expect(await web.ask("/")?.fields["content-security-policy"]?.hasPrefix("default-src 'none'") == true)
        }
    }

    @Test("other paths are 404, other methods 405")
    func others() async throws {
        try await serving { web, _ in
            for path in ["/x", "/metrics/", "//", "/../etc/passwd", "*"] {
                #expect(await web.ask(path)?.status == 404, "\(path)")
            }
            #expect(await web.ask("/x", "POST")?.status == 404)
            for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                let answer = try #require(await web.ask("/metrics", method))
                #expect(answer.status == 405 && answer.fields["allow"] == "GET, HEAD")
            }
        }
    }

    @Test("healthz is 503 with the reason while the state cannot be stored")
    func health() async throws {
        try await serving { web, _ in #expect(await web.ask("/healthz")?.text == "ok\n") }
        fake.view.withLock { $0 = DomainSnapshot(records: DomainRecords(), failure: "disk full") }
        try await serving { web, _ in
            let answer = try #require(await web.ask("/healthz"))
            #expect(answer.status == 503 && answer.text.contains("disk full"))
            #expect(await web.ask("/metrics")?.status == 200)
        }
    }

    @Test("a domain that does not respond, or has stopped, is 503 after the timeout")
    func stuck() async throws {
        fake.isStuck.withLock { $0 = true }
        try await serving({ $0.timeout = .milliseconds(100) }) { web, _ in
            for path in ["/", "/status.json", "/metrics", "/healthz"] { #expect(await web.ask(path)?.status == 503) }
            // A late answer is ignored.
            for look in fake.looks.withLock({ $0 }) { look(DomainSnapshot(records: DomainRecords())) }
        }
        fake.isStuck.withLock { $0 = false }
        fake.view.withLock { $0 = nil }
        try await serving { web, _ in #expect(await web.ask("/metrics")?.status == 503) }
    }

    @Test("many requests within a second take few snapshots of the domain")
    func shared() async throws {
        try await serving { web, _ in
            await withTaskGroup { group in
                for _ in 0..<200 { group.addTask { #expect(await web.ask("/metrics")?.status == 200) } }
            }
            #expect(fake.count.withLock { $0 } < 100)
        }
    }

    @Test("a client that reads nothing is disconnected in the end and blocks no other client")
    func slowReader() async throws {
        var records = DomainRecords()
        for number in 1...20_000 as ClosedRange<UInt64> {
            records.apply(
                .instance(
                    InstanceRecord(
                        id: LogicalID(high: 1, low: number),
                        specification: .resource(ResourceSpecification(classType: "c")), created: number, physical: nil)
                ))
        }
        fake.view.withLock { [records] in $0 = DomainSnapshot(records: records) }
        let size = StatusJSON.bytes(
            StatusReport(domainID: "d", version: "1", snapshot: DomainSnapshot(records: records), redis: nil, time: 0)
        ).count
        try await serving({ ($0.idleTime, $0.lifetime) = (.seconds(60), .seconds(6)) }) { web, _ in
            let slow = try #require(web.connect())
            defer { close(slow) }
            for _ in 0..<20 { WebClient.send("GET /status.json HTTP/1.1\r\nHost: h\r\n\r\n", slow) }
            #expect(await web.ask("/metrics")?.status == 200)
            try await Task.sleep(for: .seconds(9))
            #expect(await WebClient.receive(slow).count < 20 * size)
        }
    }

    @Test("a client that sends nothing or half a request is disconnected")
    func silence() async throws {
        try await serving({ $0.idleTime = .milliseconds(200) }) { web, _ in
            for text in ["", "GET /metr", "GET /metrics HTTP/1.1\r\nHost:"] {
                let descriptor = try #require(web.connect())
                defer { close(descriptor) }
                WebClient.send(text, descriptor)
                #expect(await WebClient.receive(descriptor).isEmpty)
            }
        }
        try await serving { web, _ in
            let descriptor = try #require(web.connect())
            defer { close(descriptor) }
            WebClient.send("no HTTP at all\r\n\r\n", descriptor)
            #expect(String(decoding: await WebClient.receive(descriptor), as: UTF8.self).hasPrefix("HTTP/1.1 400"))
        }
    }

    @Test("an address in use is an error that names it")
    func taken() async throws {
        try await serving { web, server in
            do {
                try await serving({ $0.port = server.port }) { _, _ in Issue.record("it listens twice") }
            } catch let error as StatusServer.ListenError {
                #expect(error.description == "cannot listen on http://127.0.0.1:\(server.port): Address already in use")
            }
        }
    }

    @Test("after a stop nothing listens, even with a connected client")
    func stop() async throws {
        var left: Int32?
        try await serving { web, _ in
            left = web.connect()
            #expect(await web.ask("/healthz")?.status == 200)
        }
        if let left { close(left) }
        var port: UInt16 = 0
        try await serving { _, server in port = server.port }
        #expect(await WebClient(port: port).ask("/") == nil)
    }
}
