import Testing
import WireJSON

/// How claims and services are named.
@Suite struct NameTests {
    private static let one = #"{"cpus":{"count":1}}"#

    /// The commands on a claim that is there, each with the options that it needs.
    private static let commands = [
        ["show"], ["renew", "--forever"], ["resize", "--cpus", "1"], ["release"],
    ]

    private func run(_ daemon: SimulatedDaemon, _ command: [String], _ name: String) throws -> Program.Result {
        try Program.run(command + [name], environment: daemon.environment)
    }

    @Test("a bare name means the one claim that has it, of whatever kind")
    func bare() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.succeed("allocate", "web", "1")
        try daemon.send("PUT", "/v1/claims/run/engine", Self.one)
        try daemon.send("PUT", "/v1/claims/pod/default%2Fdb", Self.one)
        #expect(try daemon.succeed("show", "web").hasPrefix("holder     service:web\n"))
        #expect(try daemon.succeed("show", "default/db").hasPrefix("holder     pod:default/db\n"))
        #expect(try daemon.succeed("renew", "web", "--for", "60").hasPrefix("service:web lives until "))
        #expect(try daemon.succeed("renew", "web", "--forever") == "service:web lives for ever\n")
        #expect(try daemon.succeed("release", "engine") == "run:engine gave back CPUs 3\n")
        #expect(try daemon.succeed("release", "web") == "web gave back CPUs 2 (1); 23 of 24 free\n")
        let pages = try daemon.berth("release", "default/db", "--hugepages")
        #expect(pages.status == 64 && pages.errors.contains("for services: pod:default/db releases all"), "\(pages)")
        for command in Self.commands {
            let unknown = try run(daemon, command, "web")
            #expect(unknown.status == 2 && unknown.errors == "berth: web has no claim\n", "\(command): \(unknown)")
        }
        try await daemon.stop()
    }

    @Test("run:NAME is the run NAME to the commands that make runs; names of other kinds are refused")
    func runs() async throws {
        let daemon = try await SimulatedDaemon()
        let plan = try daemon.succeed("plan", "--cpus", "1", "--name", "run:x")
        #expect(plan.hasPrefix("run:x: CPUs 2\n"), "\(plan)")
        for command in [["plan"], ["adopt", "4"], ["run"]] {
            for name in ["pod:x", "run:", ""] {
                let program = command == ["run"] ? ["--", "true"] : []
                let result = try Program.run(
                    command + ["--cpus", "1", "--name", name] + program, environment: daemon.environment)
                #expect(result.status == 64 && result.errors.contains("--name"), "\(result)")
            }
        }
        try await daemon.stop()
    }

    @Test("a pool that does not exist is answered with those that do; show tells shared CPUs from exclusive ones")
    func poolsAndShares() async throws {
        let daemon = try await SimulatedDaemon()
        let result = try daemon.berth("plan", "--cpus", "1", "--pool", "foo")
        #expect(result.status == 1 && result.errors.contains("\n  pools: isolated, ordinary"), "\(result)")
        try daemon.send("PUT", "/v1/claims/run/x", #"{"grants":[{"count":2},{"count":1,"shared":true}]}"#)
        let shown = try daemon.succeed("show", "x")
        #expect(shown.contains("\nexclusive  2-3\n") && shown.contains("\nshared     4\n"), "\(shown)")
        try await daemon.stop()
    }

    @Test("where claims of several kinds have a name, a command asks for the kind, and does nothing")
    func ambiguous() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.succeed("allocate", "x", "1")
        try daemon.send("PUT", "/v1/claims/run/x", Self.one)
        for command in Self.commands {
            let result = try run(daemon, command, "x")
            #expect(
                result.status == 64
                    && result.errors == "berth: KIND:NAME is needed: service:x and run:x both exist\n",
                "\(command): \(result)")
        }
        try daemon.send("PUT", "/v1/claims/pod/x", Self.one)
        #expect(try run(daemon, ["show"], "x").errors.contains("service:x, pod:x and run:x all exist"))
        for name in ["service:x", "run:x", "pod:x"] {
            #expect(try daemon.succeed("show", name).contains(name))
            #expect(try daemon.succeed("release", name).contains("gave back CPUs"))
        }
        #expect(try daemon.succeed("claims", "--json") == "{\"claims\":[]}\n")
        try await daemon.stop()
    }

    @Test(
        "service:NAME is the service NAME to every command of services; names of other kinds are refused, with what to use"
    )
    func services() async throws {
        let daemon = try await SimulatedDaemon()
        for command in [
            ["allocate", "service:y", "1"], ["allocate", "service:y", "1", "--node", "0"],
            ["percent", "service:y", "5"], ["numa", "service:y", "0", "1"],
            ["hugepages", "service:y", "1", "--node", "0", "--size", "2M"],
        ] {
            let result = try Program.run(command, environment: daemon.environment)
            #expect(result.status == 0 && result.output.hasPrefix("y"), "\(command): \(result)")
            let other = try Program.run(
                command.map { $0 == "service:y" ? "run:y" : $0 }, environment: daemon.environment)
            #expect(
                other.status == 64 && other.output.isEmpty
                    && other.errors.contains(
                        "it names a run, which `berth run` starts and `berth resize` changes; service:run:y is the service of "
                            + "that name"),
                "\(command): \(other)")
        }
        let claims = try JSONValue(Array(try daemon.succeed("claims", "--json").utf8))["claims"]?.array
        #expect(claims?.map { $0["holder"]?.string } == ["service:y"])
        try await daemon.stop()
    }

    @Test("a service whose own name looks like a run's is named with its kind, also beside that run")
    func twoKinds() async throws {
        let daemon = try await SimulatedDaemon()
        try daemon.send("PUT", "/v1/claims/run/x", Self.one)
        #expect(
            try daemon.succeed("allocate", "service:run:x", "2")
                == "run:x holds CPUs 3-4 (2, automatic); 21 of 24 free\n")
        #expect(
            try daemon.succeed("allocate", "service:run:x", "1")
                == "run:x holds CPUs 3 (1, automatic); 22 of 24 free\n  gave back CPU 4\n")
        #expect(try daemon.succeed("show", "service:run:x").hasPrefix("holder     service:run:x\ncpus       3\n"))
        #expect(try daemon.succeed("show", "run:x").contains("\ncpus       2\n"))
        #expect(try daemon.succeed("release", "service:run:x") == "run:x gave back CPUs 3 (1); 23 of 24 free\n")
        #expect(try daemon.berth("release", "service:run:x").status == 2)
        #expect(try daemon.succeed("release", "run:x") == "run:x gave back CPUs 2\n")
        try await daemon.stop()
    }
}
