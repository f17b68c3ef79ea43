import TestSupport
import Testing
import WireJSON

/// What changes of services come to, and what they do to others.
@Suite struct AllocateTests {
    @Test("allocate takes options in place of positions, and says whose CPUs were taken and what was given back")
    func effects() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.succeed("allocate", "nova", "4")
        #expect(
            try daemon.succeed("allocate", "router", "2", "--node", "0", "--explicit") == """
                router holds CPUs 2,18 (2, explicit, node 0); 19 of 24 free
                  took CPU 2 from nova

                """)
        #expect(
            try daemon.succeed("allocate", "router", "1") == """
                router holds CPUs 2 (1, automatic); 20 of 24 free
                  gave back CPU 18
                  explicit before, automatic now: CPU 2; explicit requests may take them

                """)
        #expect(
            try daemon.succeed("allocate", "router", "--percent", "10").hasPrefix(
                "router holds CPUs 2,6-7 (3, automatic)"))
        try await daemon.stop()
    }

    @Test("CPUs of a node need not be explicit, and explicit ones need no node: the HTTP API has words for both")
    func overAPI() async throws {
        let daemon = try await SimulatedDaemon()
        #expect(
            try daemon.succeed("allocate", "a", "2", "--node", "1")
                == "a holds CPUs 10,26 (2, automatic); 22 of 24 free\n")
        #expect(
            try daemon.succeed("allocate", "a", "2", "--node", "0", "--explicit")
                == "a holds CPUs 2,18 (2, explicit, node 0); 20 of 24 free\n")
        let claim = try JSONValue(Array(try daemon.succeed("allocate", "b", "2", "--explicit", "--json").utf8))
        #expect(claim["holder"]?.string == "service:b" && claim["cpus"]?.string == "3,19")
        #expect(claim["grants"]?.array?.first?["explicit"]?.boolean == true && claim["effects"] != nil)
        try await daemon.stop()
        // The EPA Orchestrator has not.
        let other = try FakeDaemon { _ in .text(#"{"version":"1.0","error":"Unknown action"}"#) }
        let result = try Program.run(["allocate", "a", "2", "--explicit"], environment: ["BERTH_SOCKET": other.path])
        #expect(result.status == 69 && result.errors.contains("this daemon has no HTTP API"), "\(result)")
    }

    @Test("A refusal says what is free, what the service has already, and who has the rest; its document is as it came")
    func refusals() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.succeed("allocate", "nova", "12")
        try daemon.succeed("numa", "router", "1", "8")
        let result = try daemon.berth("allocate", "nova", "20")
        #expect(
            result.status == 1
                && result.errors == """
                    berth: Insufficient CPUs available. Requested: 20, Available: 16
                      8 of 24 isolated CPUs free: 18-23,30-31
                      nova has already CPUs 2-7,14-15 (automatic)
                      router has CPUs 10-13,26-29 (explicit)

                    """,
            "\(result)")
        let json = try daemon.berth("allocate", "nova", "20", "--json")
        #expect(
            json.output
                == "{\"version\":\"1.0\",\"error\":\"Insufficient CPUs available. Requested: 20, Available: 16\"}\n")
        try daemon.succeed("hugepages", "nova", "1000", "--node", "0", "--size", "2M")
        let pages = try daemon.berth("hugepages", "router", "1500", "--node", "0", "--size", "2M")
        #expect(pages.status == 1 && pages.errors.contains("\n  2048 pages: "), "\(pages)")
        #expect(pages.errors.hasSuffix("\n  nova has reserved 1000\n"), "\(pages)")
        try await daemon.stop()
    }

    @Test("release says what stays reserved; a name without a claim has a status of its own, its document is as ever")
    func releases() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.succeed("allocate", "a", "2")
        try daemon.succeed("hugepages", "a", "2", "--node", "1", "--size", "1G")
        #expect(
            try daemon.succeed("release", "a") == """
                a gave back CPUs 2-3 (2); 24 of 24 free
                  still reserved: 2 x 1G on node 1 (release --hugepages gives them back)

                """)
        #expect(try daemon.succeed("release", "service:a", "--hugepages").contains("gave back 2 x 1G on node 1\n"))
        let gone = try daemon.berth("release", "a")
        #expect(gone.status == 2 && gone.errors == "berth: a has no claim\n" && gone.output.isEmpty, "\(gone)")
        let json = try daemon.berth("release", "a", "--json")
        #expect(try JSONValue(Array(json.output.utf8))["cores_allocated"]?.integer == 0)
        #expect(json.status == 2)
        let run = try daemon.berth("release", "run:a")
        #expect(run.status == 2 && run.output.isEmpty, "\(run)")
        try await daemon.stop()
    }

    @Test("memory, status and map count pages in figures that add up to the total")
    func pages() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.succeed("hugepages", "a", "1000", "--node", "0", "--size", "2M")
        for command in [["memory"], ["status"], ["map", "--simulate"]] {
            let text = try Program.run(command, environment: daemon.environment).output
            // Total, in use, reserved, free.
            let figures = text.split(separator: "\n").compactMap { line in
                line.firstMatch(of: #/2M.*?2048\D+(\d+)\D+(\d+)\D+(\d+)/#)?.output
            }
            #expect(figures.count == 2, "\(text)")
            for (_, used, reserved, free) in figures {
                let sum = [used, reserved, free].compactMap { Int($0) }.reduce(0, +)
                #expect(sum == 2048, "\(command): \(text)")
            }
        }
        try await daemon.stop()
    }
}
