import Glibc
import HostAPI
import Ledger
import Service
import TestSupport
import Testing
import WireJSON

/// Who may do what, how much of it, and over how many connections.
@Suite struct AccessTests {
    private let body = #"{"cpus":{"count":1}}"#

    @Test("who is in neither group is refused with 403, whatever is asked", .needsRoot)
    func forbidden() async throws {
        try await TestAPI.serving(mode: 0o606, settings: { $0.access.isOpen = false }) { api in
            for (method, target) in [("GET", "/healthz"), ("GET", "/v1/claims"), ("DELETE", "/v1/claims/run/a")] {
                let reply = try api.ask(method, target, uid: 4_000)
                #expect(reply.status == 403 && reply.code == "forbidden")
            }
        }
    }

    @Test("a claim is changed by its owner and by administrators only; everybody may read it", .needsRoot)
    func owners() async throws {
        try await TestAPI.serving(mode: 0o666) { api in
            let made = try api.put("run/a", body, uid: 4_000)
            #expect(made.status == 201 && made["owner"]?["uid"]?.integer == 4_000)
            let refused = try api.put("run/a", body, uid: 4_001)
            #expect(refused.code == "not_owner")
            #expect(
                refused["detail"]?.string
                    == #"The claim of "run:a" is owned by uid 4000; only its owner and administrators may change it"#)
            #expect(try api.ask("DELETE", "/v1/claims/run/a", uid: 4_001).status == 403)
            #expect(
                try api.ask("POST", "/v1/claims/run/a/renew", #"{"lease":{"forever":true}}"#, uid: 4_001).code
                    == "not_owner")
            #expect(
                try api.ask("POST", "/v1/plan", #"{"holder":"run:a","cpus":{"count":1}}"#, uid: 4_001).status == 403)
            #expect(try api.ask("GET", "/v1/claims/run/a", uid: 4_001).status == 200)
            // An EPA service of root's is read by all, and changed by nobody else either.
            try api.put("service/vm", body)
            #expect(try api.put("service/vm", body, uid: 4_000).code == "not_owner")
            #expect(try api.ask("DELETE", "/v1/claims/run/a").status == 200)
        }
    }

    @Test(
        "the process of another user is neither moved nor waited for; of a process that is gone it is said", .needsRoot)
    func processes() async throws {
        try await TestAPI.serving(mode: 0o666) { api in
            let other = #"{"cpus":{"count":1},"lease":{"process":1}}"#
            let refused = try api.put("run/a", other, uid: 4_000)
            #expect(refused.code == "not_your_process")
            #expect(try api.put("run/a", other).status == 201)
            let moved = #"{"cpus":{"count":1},"enforcement":{"process":1}}"#
            #expect(try api.put("run/b", moved, uid: 4_000).code == "not_your_process")
        }
    }

    @Test("a process that started after its connection is not the one that connected")
    func reused() async throws {
        let young = FoundProcess(
            identity: ProcessIdentity(id: 7, startTime: .max, bootID: "boot"), uid: getuid())
        try await TestAPI.serving(providers: { $0.processes = { _ in young } }) { api in
            let reply = try api.put("run/a", #"{"cpus":{"count":1},"lease":{"process":"self"}}"#)
            #expect(reply.status == 409 && reply.code == "no_process")
        }
    }

    @Test("a user has so many connections and so many requests a second; others are not held up", .needsRoot)
    func limits() async throws {
        try await TestAPI.serving(
            mode: 0o666,
            settings: {
                $0.connectionsPerUID = 2
                $0.requestsPerSecond = 5
            }
        ) { api in
            let held = try (0..<2).map { _ in try SocketClient(api.path, uid: 4_000) }
            _ = try await eventually { try api.ask("GET", "/v1", uid: 4_000).code == "too_many_connections" }
            let refused = try api.ask("GET", "/v1", uid: 4_000)
            #expect(refused.status == 429 && refused.fields["retry-after"] == "1")
            withExtendedLifetime(held) {}
            #expect(try api.ask("GET", "/v1", uid: 4_001).status == 200)
            var codes: [String] = []
            for _ in 0..<40 { codes.append(try api.ask("GET", "/v1", uid: 4_002).code ?? "") }
            #expect(codes.contains("too_many_requests") && codes.first == "")
            #expect(try api.ask("GET", "/v1").status == 200)
        }
    }

    @Test("beyond the limit of all connections the next one is told so")
    func total() async throws {
        try await TestAPI.serving(settings: { $0.connections = 3 }) { api in
            let held = try (0..<3).map { _ in try SocketClient(api.path) }
            #expect(try await eventually { try api.ask("GET", "/v1").code == "too_many_connections" })
            withExtendedLifetime(held) {}
        }
    }

    @Test("an idle connection is closed, one that has lasted long after its next answer")
    func time() async throws {
        try await TestAPI.serving(settings: {
            $0.idleTimeout = 1
            $0.lifetime = 0
        }) { api in
            let client = try Connection(api.path)
            try client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            let reply = Reply(try await client.rest())
            #expect(reply.status == 200 && reply.fields["connection"] == "close")
        }
        try await TestAPI.serving(settings: { $0.idleTimeout = 1 }) { api in
            let client = try Connection(api.path)
            try client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(Reply(try await client.rest()).status == 200)
        }
    }
}
