import Glibc
import TestSupport
import Testing
import WireJSON

/// The commands of the HTTP API.
@Suite struct ClaimTests {
    /// A daemon that answers every request over its API with this problem, and questions about pools with one pool.
    private func refusing(_ problem: String) throws -> FakeDaemon {
        let pools =
            #"{"pools":[{"name":"isolated","cpus":"2-7","free_cpus":"6-7","total":6,"exclusive":4,"shared":0,"free":2,"claims":1}]}"#
        return try FakeDaemon { request in
            let (status, body) = request.hasPrefix("GET /v1/pools") ? ("200 OK", pools) : ("409 x", problem)
            return .text("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
        }
    }

    @Test("claims and show print documents with --json, one compact line")
    func documents() async throws {
        let daemon = try await SimulatedDaemon()
        #expect(try daemon.succeed("claims", "--json") == "{\"claims\":[]}\n")
        try daemon.send("PUT", "/v1/claims/run/web", #"{"cpus":{"count":2}}"#)
        let claims = try JSONValue(Array(try daemon.succeed("--json", "claims").utf8))["claims"]?.array
        let text = try daemon.succeed("show", "web", "--json")
        #expect(try claims == [JSONValue(Array(text.utf8))])
        #expect(!text.dropLast().contains("\n") && !text.contains(": "), "\(text)")
        #expect(try daemon.succeed("claims").contains(#/\nrun:web +2-3 +recorded +- +for ever\n/#))
        #expect(try daemon.succeed("show", "run:web").hasPrefix("holder     run:web\ncpus       2-3\n"))
        let renewed = try daemon.succeed("renew", "web", "--for", "60")
        #expect(renewed.contains(#/^run:web lives until 20\d\d-.*Z\n$/#), "\(renewed)")
        let released = try JSONValue(Array(try daemon.succeed("release", "run:web", "--json").utf8))
        #expect(released["effects"]?["released"]?.string == "2-3")
        #expect(try daemon.berth("show", "web").status == 2)
        try await daemon.stop()
    }

    @Test("a claim that lives by a process ends with it, on a simulated machine too")
    func processLease() async throws {
        let daemon = try await SimulatedDaemon()
        let sleeper = try TestSupport.Program(["sleep", "600"], output: "\(daemon.directory.path)/sleeper")
        let body = #"{"cpus":{"count":1},"lease":{"process":\#(sleeper.pid)}}"#
        #expect(try daemon.send("PUT", "/v1/claims/run/p", body).hasPrefix("HTTP/1.1 201 "))
        #expect(try daemon.berth("show", "p").status == 0)
        sleeper.signal(SIGKILL)
        #expect(try await eventually { try daemon.berth("show", "p").status == 2 })
        try await daemon.stop()
    }

    @Test(
        "A refused plan says who has what is missing, what is free, and what would fit",
        arguments: [
            (
                ["--cores", "4"],
                #""code":"insufficient_cores","would_fit":[{"text":"1 core","cpus":"6-7"},{"text":"the same on node 1","cpus":"8"}]"#,
                "  would fit: 1 core: CPUs 6-7\n  would fit: the same on node 1: CPUs 8\n"
            ),
            (["--list", "3-7"], #""code":"held_by_others""#, ""),
        ])
    func refusedPlan(options: [String], members: String, fitting: String) throws {
        let problem =
            #"{"status":409,"title":"t","detail":"Too few","held_by":[{"holder":"run:a","cpus":"2-5"}],\#(members)}"#
        let daemon = try refusing(problem)
        let result = try Program.run(["plan", "--api-socket", daemon.path] + options)
        #expect(result.status == 1 && result.output.isEmpty, "\(result)")
        #expect(
            result.errors
                == "berth: Too few\n  run:a has CPUs 2-5\n  2 of 6 CPUs of the pool isolated are free: CPUs 6-7\n\(fitting)",
            "\(result)")
        let json = try Program.run(["plan", "--api-socket", daemon.path, "--json"] + options)
        #expect(json.status == 1 && json.output == problem + "\n", "\(json)")
    }

    @Test("where nothing is enforced a plan says what would be granted, and that and why berth run is refused")
    func nothingEnforced() async throws {
        let daemon = try await SimulatedDaemon()
        let why =
            "Nothing here can enforce a claim: the machine is simulated (berthd enforces claims only on the machine that it runs on)"
        #expect(
            try daemon.succeed("plan", "--cores", "2", "--node", "1")
                == "run:plan: CPUs 10-11,26-27, memory of node 1\n  note: \(why); berth run is refused\n")
        let json = try daemon.berth("plan", "--cores", "2", "--json")
        #expect(json.status == 0 && json.errors == "berth: note: \(why); berth run is refused\n", "\(json)")
        #expect(try JSONValue(Array(json.output.utf8))["enforcement"] == .null)
        let demanding = try daemon.berth("plan", "--cores", "2", "--min-isolation", "affinity")
        #expect(demanding.status == 1 && demanding.errors == "berth: \(why)\n", "\(demanding)")
        let run = try daemon.berth("run", "--cores", "2", "--", "true")
        #expect(run.status == 1 && run.errors == "berth: \(why)\n", "\(run)")
        let large = try daemon.berth("plan", "--cpus", "25")
        #expect(large.status == 1 && large.errors.contains("Insufficient CPUs available"), "\(large)")
        try await daemon.stop()
    }

    @Test("resize of a claim that is only recorded says what it is, and which command changes it")
    func resizeRecorded() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.succeed("allocate", "db", "2")
        try daemon.send("PUT", "/v1/claims/run/web", #"{"cpus":{"count":2}}"#)
        for (name, text) in [
            (
                "db",
                "service:db is a service's claim, which is only recorded: berth allocate changes its CPUs, berth hugepages its "
                    + "huge pages"
            ),
            (
                "web",
                "run:web is only recorded, and changes as it was made: by PATCH of the HTTP API; or berth release ends it, and "
                    + "berth run or berth adopt make one that berth resize changes"
            ),
        ] {
            let result = try daemon.berth("resize", name, "--cpus", "1")
            #expect(result.status == 1 && result.errors == "berth: \(text)\n", "\(result)")
        }
        try await daemon.stop()
    }

    @Test("renew takes one of --for and --forever", arguments: [[], ["--for", "5", "--forever"], ["--for", "0"]])
    func renewOptions(options: [String]) throws {
        let result = try Program.run(["renew", "web"] + options)
        #expect(result.status == 64 && result.errors.contains("--for"), "\(result)")
    }

    @Test("A refusal of another kind is told as it is", arguments: ["not_owner", "no_enforcement", "invalid_member"])
    func otherRefusal(code: String) throws {
        let daemon = try refusing(#"{"status":409,"title":"t","detail":"No\nway","code":"\#(code)"}"#)
        let result = try Program.run(["plan", "--api-socket", daemon.path, "--cpus", "1"])
        #expect(result.status == 1 && result.errors == "berth: No\\nway\n", "\(result)")
    }
}
