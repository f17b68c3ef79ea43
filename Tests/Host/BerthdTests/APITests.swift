import Glibc
import TestSupport
import Testing
import WireJSON

/// The HTTP API as `berthd` serves it.
@Suite struct APITests {
    private func ask(_ socket: String, _ method: String, _ target: String, _ body: String? = nil) throws -> String {
        var text = "\(method) \(target) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        if let body { text += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n" }
        return try SocketClient(socket).ask("\(text)\r\n\(body ?? "")")
    }

    @Test("berth.sock is beside the other socket, with the same mode; both show the same claims")
    func beside() async throws {
        let site = try Site()
        let daemon = try await site.serve(["--simulate", "--socket-mode", "0640"])
        let socket = "\(site.path)/berth.sock"
        var status = stat()
        #expect(stat(socket, &status) == 0 && status.st_mode & 0o777 == 0o640)
        try daemon.cores("vm", 2)
        #expect(try ask(socket, "GET", "/v1/claims/service/vm").contains(#""cpus":"2-3""#))
        #expect(try ask(socket, "PUT", "/v1/claims/run/a", #"{"cpus":{"count":2}}"#).contains("201 Created"))
        #expect(try daemon.allocations()["run:a"] == "4-5")
        let settings = try ask(socket, "GET", "/v1/configuration")
        for (key, value) in [
            ("socket-mode", "0640"), ("socket", site.socket), ("http-socket", socket), ("state-dir", site.state),
        ] { #expect(settings.contains("\"\(key)\":\"\(value)\""), "\(settings)") }
        #expect(try await daemon.stop() == 0)
        #expect(!exists(socket))
    }

    @Test(
        "where nothing is enforced, what needs that says why not and what would help",
        arguments: [
            (
                ["--simulate"],
                "the machine is simulated (berthd enforces claims only on the machine that it runs on)"
            ),
            (
                ["--enforcement-mode", "off"],
                "enforcement.mode is off (set it to \\\"on\\\" in the configuration and restart berthd)"
            ),
        ])
    func unenforced(options: [String], why: String) async throws {
        let site = try Site()
        let daemon = try await site.serve(options)
        let socket = "\(site.path)/berth.sock"
        let verification = try ask(socket, "GET", "/v1/verification")
        #expect(
            verification.contains("\"Nothing is enforced here, so nothing can be verified: \(why)\""), "\(verification)"
        )
        let refused = try ask(socket, "PUT", "/v1/claims/run/a", #"{"memory_nodes":[0],"enforcement":{}}"#)
        #expect(refused.contains("\"Nothing here can enforce a claim: \(why)\""), "\(refused)")
        #expect(try await daemon.stop() == 0)
    }

    @Test("http-socket moves it, and off turns it off")
    func configured() async throws {
        let site = try Site()
        let elsewhere = "\(site.path)/other.sock"
        var daemon = try await site.serve(["--simulate", "--http-socket", elsewhere])
        #expect(try ask(elsewhere, "GET", "/healthz").hasSuffix("ok\n") && !exists("\(site.path)/berth.sock"))
        #expect(try await daemon.stop() == 0)
        daemon = try await site.serve(["--simulate", "--http-socket", "off"])
        #expect(!exists("\(site.path)/berth.sock"))
        #expect(try await daemon.stop() == 0)
    }

    @Test("a stop ends streams of events at once, and a change that came before it is answered")
    func stop() async throws {
        let site = try Site()
        let daemon = try await site.serve()
        let stream = try SocketClient("\(site.path)/berth.sock")
        try stream.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = try stream.receive(limit: 12)
        let kept = try SocketClient("\(site.path)/berth.sock")
        try kept.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = try kept.receive(limit: 12)
        #expect(try await daemon.stop() == 0)
        #expect(String(decoding: try stream.receive(), as: UTF8.self).hasSuffix("0\r\n\r\n"))
    }

    @Test("a reload changes the limits of the API; a changed socket waits for the next start, and that is logged")
    func reload() async throws {
        let site = try Site()
        let file = "\(site.path)/berthd.toml"
        func write(_ more: String) throws {
            try TemporaryDirectory.write(
                Array("socket = \"\(site.socket)\"\nstate-dir = \"\(site.state)\"\nsimulate = true\n\(more)".utf8),
                to: file)
        }
        try write("")
        let daemon = try await site.serve(["--config", file])
        try write("http-requests-per-second = 7\nhttp-socket = \"off\"\n")
        daemon.program.signal(SIGHUP)
        let socket = "\(site.path)/berth.sock"
        #expect(
            try await eventually {
                try ask(socket, "GET", "/v1/configuration").contains(#""http-requests-per-second":"7""#)
            })
        #expect(daemon.program.text.contains("key=http-socket"))
        #expect(try await daemon.stop() == 0)
    }
}
