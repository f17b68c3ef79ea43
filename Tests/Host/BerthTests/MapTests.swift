import Glibc
import TestSupport
import Testing
import WireJSON

/// `berth map` with a daemon.
@Suite struct MapTests {
    @Test("map shows services, and the claims that the EPA socket does not list")
    func claims() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.succeed("allocate", "nova", "2")
        let body = #"{"cpus":{"count":1,"level":"none"}}"#
        let client = try SocketClient("\(daemon.directory.path)/berth.sock")
        try client.send(
            "PUT /v1/claims/run/web HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        )
        #expect(String(decoding: try client.receive(), as: UTF8.self).contains(" 201 "))
        let map = try daemon.succeed("map", "--simulate")
        #expect(map.contains(#/\n  A   nova +2  automatic  2-3\n/#), "\(map)")
        #expect(map.contains(#/\n  b   run:web +1  shared +4\n/#), "\(map)")
        #expect(
            map.contains(
                "\n24 isolated CPUs: 3 held by 2 claims, 21 free\n6 ordinary CPUs: 0 held by 0 claims, 6 free\n"))
        let document = try JSONValue(Array(try daemon.succeed("--json", "map", "--simulate").utf8))
        #expect(document["claims"]?.array?.map { $0["holder"]?.string } == ["service:nova", "run:web"])
        #expect(document["allocations"]?["total_allocations"]?.integer == 1)
        // This machine is another one.
        let other = try daemon.succeed("map")
        #expect(other.contains("note: the daemon's machine has 32 CPUs (24 isolated)") && !other.contains("nova"))
        try await daemon.stop()
    }

    @Test("map --watch draws anew when something changed, and leaves the picture alone while nothing does")
    func watch() async throws {
        let daemon = try await SimulatedDaemon()
        let terminal = try Terminal()
        let watcher = try TestSupport.Program(
            [try TestSupport.Program.built("berth"), "map", "--simulate", "--watch"],
            environment: daemon.environment.merging(["TERM": "xterm"]) { own, _ in own }, output: terminal.path)
        var text = ""
        func shows(_ wanted: String) async throws -> Bool {
            try await eventually {
                text += terminal.text()
                return text.contains(wanted)
            }
        }
        #expect(try await shows("0 held by 0 claims, 24 free"))
        try daemon.succeed("allocate", "nova", "2")
        #expect(try await shows("2 held by 1 claim, 22 free"), "\(text)")
        let pictures = text.split(separator: "\u{1B}[H").count
        #expect(pictures <= 3 && text.split(separator: "\u{1B}[2J").count <= 2, "\(text)")
        watcher.signal(SIGKILL)
        try await daemon.stop()
    }

    @Test("map --watch needs a terminal, and no document")
    func watchElsewhere() throws {
        let pipe = try Program.run(["map", "--no-daemon", "--watch"])
        #expect(pipe.status == 64 && pipe.errors.contains("--watch: expected standard output to be a terminal"))
        let json = try Program.run(["map", "--no-daemon", "--watch", "--json"])
        #expect(json.status == 64 && json.errors.contains("exclude each other"))
    }
}
