import Glibc
import TestSupport
import Testing
import WireJSON

/// `berth events`.
@Suite struct EventsTests {
    @Test("events prints a line for each stored decision: its time and number, who got and lost what, who asked")
    func stored() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.succeed("allocate", "a", "4")
        try daemon.succeed("numa", "b c", "0", "2")
        try daemon.succeed("hugepages", "a", "3", "--node", "0", "--size", "2M")
        try daemon.succeed("release", "a")
        let lines = try daemon.succeed("events").split(separator: "\n").map(String.init)
        #expect(lines.count == 4, "\(lines)")
        let texts = lines.map { $0.split(separator: " ", maxSplits: 1).last.map(String.init) ?? "" }
        #expect(lines.allSatisfy { $0.contains(#/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ /#) }, "\(lines)")
        #expect(texts[0].hasPrefix("1 service:a got CPUs 2-5 (allocate_cores by user \(geteuid()), process "))
        #expect(texts[0].hasSuffix(", epa)"))
        #expect(
            texts[1].hasPrefix("2 \"service:b c\" got CPUs 2,18; service:a lost 2 (allocate_numa_cores"), "\(texts)")
        #expect(texts[2].hasPrefix("3 service:a has 3 x 2M on node 0 ("), "\(texts)")
        #expect(texts[3].hasPrefix("4 service:a gave back CPUs 3-5 ("), "\(texts)")
        let some = try daemon.succeed("events", "--after", "1", "--limit", "2", "--json").split(separator: "\n")
        #expect(try some.map { try JSONValue(Array($0.utf8))["seq"]?.integer } == [2, 3])
        let newest = try daemon.succeed("events", "--limit", "2").split(separator: "\n").map(String.init)
        #expect(newest == Array(lines.suffix(2)))
        #expect(try daemon.succeed("events", "--limit", "9").split(separator: "\n").count == 4)
        #expect(try JSONValue(Array(some[0].utf8))["preempted"]?.array?.first?["holder"]?.string == "service:a")
        try await daemon.stop()
    }

    @Test("an event says which huge pages were given back, beside CPUs and alone")
    func pages() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.succeed("hugepages", "a", "5", "--node", "0", "--size", "2M")
        try daemon.succeed("hugepages", "a", "3", "--node", "0", "--size", "2M")
        try daemon.succeed("hugepages", "a", "--remove", "--node", "0", "--size", "2M")
        let pages = #""huge_pages":[{"node":0,"size_kb":2048,"count":4},{"node":1,"size_kb":1048576,"count":1}]"#
        try daemon.send("PUT", "/v1/claims/run/b", "{\"cpus\":{\"count\":2},\(pages)}")
        try daemon.send("PUT", "/v1/claims/run/b", #"{"cpus":{"count":2}}"#)
        try daemon.send("PUT", "/v1/claims/run/b", "{\(pages)}")
        try daemon.send("DELETE", "/v1/claims/run/b", "")
        try daemon.send(
            "PUT", "/v1/claims/run/c", #"{"cpus":{"count":1},"huge_pages":[{"node":0,"size_kb":2048,"count":1}]}"#)
        try daemon.send("DELETE", "/v1/claims/run/c", "")
        try daemon.send("PUT", "/v1/claims/run/d", #"{"memory_nodes":[1]}"#)
        try daemon.send("DELETE", "/v1/claims/run/d", "")
        let lines = try daemon.succeed("events").split(separator: "\n").compactMap { line in
            line.firstMatch(of: #/ \d+ (.*) \(/#).map { String($0.1) }
        }
        #expect(
            lines == [
                "service:a has 5 x 2M on node 0", "service:a has 3 x 2M on node 0, gave back 2 x 2M on node 0",
                "service:a gave back 3 x 2M on node 0", "run:b got CPUs 2-3",
                "run:b has CPUs 2-3, gave back 4 x 2M on node 0, 1 x 1G on node 1", "run:b gave back CPUs 2-3",
                "run:b gave back 4 x 2M on node 0, 1 x 1G on node 1", "run:c got CPUs 2",
                "run:c gave back CPUs 2 and 1 x 2M on node 0", "run:d has memory of node 1",
                "run:d gave back what it had",
            ], "\(lines)")
        try await daemon.stop()
    }

    @Test("events --follow goes on with what is decided, also after a restart of the daemon, and misses nothing")
    func follow() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.succeed("allocate", "a", "1")
        let follower = try daemon.spawn("events", "--follow", "--after", "0")
        #expect(try await follower.prints(" 1 service:a got CPUs 2 "))
        try daemon.succeed("allocate", "b", "1")
        #expect(try await follower.prints(" 2 service:b got CPUs 3 "))
        try await daemon.restart()
        try daemon.succeed("allocate", "c", "1")
        #expect(try await follower.prints(" 3 service:c got CPUs 4 "), "\(follower.text)")
        #expect(follower.lines.filter { $0.contains(" got CPUs ") }.count == 3, "\(follower.text)")
        #expect(follower.text.contains("berth: the daemon stopped or ended the stream; waiting for it\n"))
        follower.signal(SIGKILL)
        let newest = try daemon.spawn("events", "-f", "--limit", "1")
        #expect(try await newest.prints(" 3 service:c got CPUs 4 "))
        try daemon.succeed("allocate", "d", "1")
        #expect(try await newest.prints(" 4 service:d got CPUs 5 ") && newest.lines.count == 2, "\(newest.text)")
        newest.signal(SIGKILL)
        let limited = try daemon.spawn("events", "-f", "--after", "1", "--limit", "2")
        #expect(try await limited.end() == 0 && limited.lines.count == 2, "\(limited.text)")
        try await daemon.stop()
    }

    @Test("decisions that are not retained are reported, on a line or as a document")
    func gap() throws {
        let gap = "event: gap\ndata: {\"after\":5,\"oldest\":90}\n\n"
        let daemon = try FakeDaemon { _ in
            .text("HTTP/1.1 200 OK\r\nContent-Length: \(gap.utf8.count)\r\n\r\n\(gap)")
        }
        let arguments = ["events", "--api-socket", daemon.path, "--after", "5"]
        #expect(
            try Program.run(arguments).output == "decisions after 5 are not retained any more; the oldest is 90\n")
        #expect(try Program.run(arguments + ["--json"]).output == "{\"gap\":{\"after\":5,\"oldest\":90}}\n")
        // Whoever asks for what there is misses nothing.
        #expect(try Program.run(["events", "--api-socket", daemon.path]).output.isEmpty)
    }

    @Test(
        "where no daemon serves, events names the command that needs none", arguments: [["events"], ["events", "-f"]])
    func unreachable(arguments: [String]) throws {
        let directory = try TemporaryDirectory()
        let result = try Program.run(arguments + ["--api-socket", "\(directory.path)/berth.sock"])
        #expect(result.status == 69 && result.output.isEmpty, "\(result)")
        #expect(result.errors.contains("\nberthd events prints the stored decisions without the daemon\n"), "\(result)")
    }
}
