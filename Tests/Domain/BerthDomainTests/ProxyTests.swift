import CTestSupport
import Domain
import DomainDemo
import DomainSettings
import Glibc
import Redis
import TestSupport
import Testing

/// `berth-domain proxy` as a process, under its own name and as `proxy_cli`.
@Suite(.serialized, .enabled(if: RedisServer.isInstalled, "there is no redis-server")) struct ProxyTests {
    @Test("proxy_cli and berth-domain proxy print the same, with options before or after the subcommand")
    func names() async throws {
        let site = try ProxySite()
        let line = "\(ProxySite.function) -> \(ProxySite.node)\n"
        for words in [
            [site.proxyCLI, "-p", "redis", "-r", site.server.url, "show", "functions"],
            [site.proxyCLI, "show", "functions", "--redis-url", site.server.url],
            [site.binary, "proxy", "-r", site.server.url, "-c", "http://127.0.0.1:1", "show", "functions"],
            [site.binary, "proxy", "show", "-r", site.server.url, "functions", "-p", "Redis"],
        ] {
            let run = try await Program.run(words)
            #expect(run.status == 0 && run.text == line, "\(words): \(run)")
        }
        let node = try await site.run(["--node-print-format", "uuid", "show", "node", "instances"])
        #expect(node.text == "\(ProxySite.node)\n[F] \(ProxySite.function)\n")
        let json = try await site.run(["show", "logical-to-physical", "--json"])
        #expect(
            json.text
                == #"{"instances":[{"id":"\#(ProxySite.function)","class":"doubler","kind":"function","physical":["#
                + "\"\(ProxySite.component)\"]}]}\n")
    }

    @Test("[BUG] --version works without a subcommand")
    func version() async throws {
        let site = try ProxySite()
        for words in [[site.proxyCLI, "--version"], [site.binary, "proxy", "--version"], [site.binary, "--version"]] {
            let run = try await Program.run(words)
            #expect(run.status == 0 && run.text.split(separator: ".").count == 3, "\(words): \(run)")
        }
    }

    @Test("edgeless_orc_d writes the template and reads a configuration like berth-domain")
    func orchestrator() async throws {
        let site = try ProxySite()
        let (directory, name) = (site.server.directory.path, "\(site.server.directory.path)/edgeless_orc_d")
        #expect(try await Program.run([name, "-t", "\(directory)/t.toml"]).status == 0)
        #expect(TemporaryDirectory.read("\(directory)/t.toml") == Array(OrchestratorConfiguration.template.utf8))
        let missing = try await Program.run([name, "-c", "\(directory)/none.toml"])
        #expect(missing.status == 78 && missing.text.contains("-t \(directory)/none.toml writes a template"))
    }

    @Test("on a terminal, show prints the class of an instance beside its id")
    func classes() async throws {
        let site = try ProxySite()
        for (words, text) in [
            (["functions"], "\(ProxySite.function) (doubler) -> \(ProxySite.node)"),
            (["node", "instances"], "[F] \(ProxySite.function) (doubler)"),
        ] {
            let terminal = try TestTerminal()
            let program = try Program([site.proxyCLI, "-r", site.server.url, "show"] + words, output: terminal.name)
            #expect(try await program.end() == 0)
            #expect(try await eventually { terminal.text().contains(text) })
        }
    }

    @Test("an invalid command line names the help that exists")
    func help() async throws {
        let site = try ProxySite()
        let run = try await Program.run([site.binary, "proxy", "show", "nodes"])
        #expect(run.status == 64 && run.text.contains("See 'berth-domain proxy show --help'"), "\(run)")
        #expect(try await Program.run([site.binary, "proxy", "show", "--help"]).status == 0)
    }

    @Test("an error is one sentence and a status: 69 without Redis, 64 for invalid options, 1 for unknown names")
    func failures() async throws {
        let site = try ProxySite()
        let gone = try await Program.run([site.proxyCLI, "-r", "unix:///nonexistent/r.sock", "show", "functions"])
        #expect(gone.status == 69 && gone.text.hasPrefix("proxy_cli: Redis cannot be reached"))
        #expect(gone.text.split(separator: "\n").count == 1)
        for words in [
            ["-p", "None", "show", "functions"], ["-r", "http://x", "show", "functions"], ["show", "nothing"],
            ["--node-print-format", "x", "show", "functions"], ["intent", "cordon"],
        ] {
            let run = try await site.run(words)
            #expect(run.status == 64, "\(words): \(run)")
        }
        for words in [
            ["intent", "migrate", ProxySite.component, "n3"], ["intent", "migrate", ProxySite.function, "n4"],
            ["intent", "cordon", "n4"], ["intent", "uncordon", ProxySite.component],
        ] {
            let run = try await site.run(words)
            #expect(run.status == 1 && run.text.contains("there is no"), "\(words): \(run)")
        }
        #expect(try site.redis.send(["EXISTS", "intents"]) == .integer(0))
        let controller = try await site.run(["-c", "http://127.0.0.1:1", "top", "workflow", "w"])
        #expect(controller.status == 69 && controller.text.contains("the controller cannot be reached"))
    }

    @Test("an invalid entry is reported, and the others are printed")
    func broken() async throws {
        let site = try ProxySite()
        try site.redis.send(["SET", "instance:broken", "{}"])
        let run = try await site.run(["show", "functions"])
        #expect(run.status == 0 && run.text.contains("instance:broken is left out: "))
        #expect(run.text.contains("\(ProxySite.function) -> \(ProxySite.node)\n"))
    }

    @Test("a database without a domain is distinguished from an empty domain")
    func nothing() async throws {
        let site = try ProxySite()
        try site.redis.send(["DEL", "instance:\(ProxySite.function)"])
        #expect(try await site.run(["show", "functions"]).text == "")
        try site.redis.send(["FLUSHDB"])
        try site.redis.send(["SET", "foreign:key", "x"])
        let run = try await site.run(["show", "functions"])
        #expect(run.status == 1 && run.text.hasPrefix("proxy_cli: this Redis contains no domain"), "\(run)")
    }

    @Test("dump writes its files to the working directory")
    func dump() async throws {
        let site = try ProxySite()
        try site.redis.send(["ZADD", "performance:\(ProxySite.component):log", "5", "5:a:b"])
        let name = "log-\(ProxySite.component).dat"
        let performance = try await site.run(["dump", "performance"])
        #expect(performance.status == 0 && performance.text == "saving to \(name)\n")
        #expect(
            TemporaryDirectory.read("\(site.server.directory.path)/\(name)") == Array("1970-01-01T00:00:05Z,a:b\n".utf8)
        )
        #expect(try await site.run(["dump", "instances"]).text == "")
        let file = TemporaryDirectory.read("\(site.server.directory.path)/fun-\(ProxySite.function).json")
        #expect(String(decoding: file ?? [], as: UTF8.self).contains("\"id\": \"doubler\""))
        let table = try await site.run(["dump", "performance-csv"])
        #expect(table.text == "metric,name,lid,timestamp,value\nlog,doubler,\(ProxySite.function),5,a:b\n")
    }

    @Test("intents are set and queued without output; nodes are found by UUID or name")
    func intents() async throws {
        let site = try ProxySite()
        for (words, key, value) in [
            (["migrate", ProxySite.function, "n3"], "intent:migrate:\(ProxySite.function)", ProxySite.node),
            (["cordon", ProxySite.node], "intent:cordon:\(ProxySite.node)", "yes"),
            (["uncordon", "n3"], "intent:cordon:\(ProxySite.node)", "no"),
        ] {
            let run = try await site.run(["intent"] + words)
            #expect(run.status == 0 && run.text.isEmpty, "\(run)")
            #expect(try site.redis.send(["RPOP", "intents"]).text == key)
            #expect(try site.redis.send(["GET", key]).text == value)
        }
    }

    @Test("--wait exits with 0 when the intent is done, 1 when it is declined, 75 after the timeout")
    func waiting() async throws {
        let site = try ProxySite()
        let key = "intent:result:cordon:\(ProxySite.node)"
        for (outcomes, status, text) in [
            ([#"{"status":"taken"}"#, #"{"status":"done"}"#], Int32(0), "done\n"),
            ([#"{"status":"declined","reason":"unknown node"}"#], 1, "proxy_cli: declined: unknown node\n"),
        ] {
            let log = "\(site.server.directory.path)/log-\(status)"
            let program = try Program(
                [site.proxyCLI, "-r", site.server.url, "intent", "cordon", "n3", "--wait"], output: log)
            #expect(try await eventually { try site.redis.send(["LPOP", "intents"]).text != nil })
            try site.redis.send(["DEL", "intent:cordon:\(ProxySite.node)"])
            for outcome in outcomes {
                try site.redis.send(["SET", key, outcome])
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(try await program.end() == status)
            #expect(program.text == text)
        }
        let late = try await site.run(["intent", "cordon", "n3", "--wait", "--timeout", "0.2"])
        #expect(late.status == 75 && late.text.contains("not taken within 0.2 s"))
        let value = try await site.run(["intent", "cordon", "n3", "--wait", "--timeout", "nan"])
        #expect(value.status == 64)
    }

    @Test("a domain carries out an intent, or declines it with a reason")
    func wholeDomain() async throws {
        let server = try RedisServer()
        let domain = try DomainSite()
        try domain.write("", "[proxy]\nproxy_type = \"redis\"\nredis_url = \"\(server.url)\"")
        let controller = try DemoController(url: domain.controllerRegister)
        let process = try await domain.serve()
        let node = try domain.node(1, labels: ["hostname=n1"])
        func ask(_ arguments: String...) async throws -> (status: Int32?, text: String) {
            try await Program.run([domain.binary, "proxy", "-r", server.url] + arguments)
        }
        #expect(try await eventually { try await ask("show", "node", "status").text.hasPrefix("n1 -> ready, agent ") })
        #expect(try await ask("intent", "cordon", "n1", "--wait") == (0, "done\n"))
        #expect(try await eventually { try await ask("show", "node", "status").text.contains(" ready, cordoned, ") })
        #expect(try await ask("intent", "uncordon", "n1", "--wait") == (0, "done\n"))
        let client = try OrchestratorClient(url: domain.orchestrator)
        let id = try await client.start(DomainSite.function()).get()
        let line = "\(id) -> \(node.node)\n"
        #expect(try await eventually { try await ask("show", "functions").text == line })
        let declined = try await ask("intent", "migrate", "\(id)", "n1", "--wait")
        #expect(declined.status == 1 && declined.text.contains("runs there already"), "\(declined)")
        client.close()
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        await node.stop()
        await controller.stop()
    }

    @Test("drain moves all that a node runs, reports progress, and says what stays and why")
    func drain() async throws {
        let server = try RedisServer()
        let domain = try DomainSite()
        try domain.write("", "[proxy]\nproxy_type = \"redis\"\nredis_url = \"\(server.url)\"")
        let process = try await domain.serve()
        let nodes = try (1...3).map { try domain.node($0, labels: ["hostname=n\($0)", "l\($0)"]) }
        func ask(_ arguments: String...) async throws -> (status: Int32?, text: String) {
            try await Program.run([domain.binary, "proxy", "-r", server.url] + arguments)
        }
        #expect(
            try await eventually { try await ask("show", "node", "status").text.split(separator: " ready,").count == 4 }
        )
        let client = try OrchestratorClient(url: domain.orchestrator)
        for _ in 0..<5 {
            _ = try await client.start(DomainSite.function(["node_id_match_any": "\(nodes[0].node),\(nodes[1].node)"]))
                .get()
        }
        let pinned = try await client.start(DomainSite.function(["label_match_all": "l1"])).get()
        #expect(try await eventually { try await ask("show", "functions").text.split(separator: "\n").count == 6 })
        let run = try await ask("intent", "drain", "n1", "--at-once", "2")
        #expect(run.status == 1 && run.text.contains("\(pinned) stays: no valid node found"), "\(run)")
        #expect(run.text.contains("left 1\n") && run.text.contains("instances that stay on the node: 1"), "\(run)")
        #expect(nodes[0].components.count == 1 && nodes[1].components.count == 5 && nodes[2].components.isEmpty)
        let other = try await ask("intent", "drain", "n3")
        #expect(other.status == 0 && other.text == "done\n", "\(other)")
        client.close()
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        for node in nodes { await node.stop() }
    }

    @Test("drain tries the other nodes if one refuses, for functions and for resources")
    func drainRefused() async throws {
        let server = try RedisServer()
        let domain = try DomainSite()
        try domain.write("", "[proxy]\nproxy_type = \"redis\"\nredis_url = \"\(server.url)\"")
        let process = try await domain.serve()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        func join(_ number: Int) async throws -> DemoNode {
            let node = try domain.node(
                number, providers: [ResourceProvider(id: "log-\(number)", classType: "file-log")])
            #expect(
                try await eventually {
                    try redis.send(["GET", "node:status:\(node.node)"]).text?.contains(#""ready":true"#) == true
                })
            return node
        }
        var nodes = [try await join(1)]
        let client = try OrchestratorClient(url: domain.orchestrator)
        let log = Specification.resource(
            ResourceSpecification(classType: "file-log", configuration: ["filename": "a.log"]))
        for specification in [log, log] + Array(repeating: DomainSite.function(), count: 6) {
            _ = try await client.start(specification).get()
        }
        for number in 2...4 { nodes.append(try await join(number)) }
        nodes[1].faults.refusals = 1_000
        nodes[2].faults.fails = true
        let run = try await Program.run([
            domain.binary, "proxy", "-r", server.url, "intent", "drain", "\(nodes[0].node)", "--at-once", "3",
        ])
        #expect(run.status == 0 && run.text.hasSuffix("moved 8, left 0\ndone\n"), "\(run)")
        #expect(nodes.map(\.components.count) == [0, 0, 0, 8])
        client.close()
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        for node in nodes { await node.stop() }
    }

    @Test("top nodes prints once to a file, and repeatedly on a terminal")
    func topNodes() async throws {
        let site = try ProxySite()
        let once = try await site.run(["top", "nodes"])
        #expect(once.status == 0 && once.text.contains("Runtimes") && once.text.contains("n3    RUST_WASM"))
        #expect(!once.text.contains("\u{1B}"))
        let terminal = try TestTerminal()
        let program = try Program([site.proxyCLI, "-r", site.server.url, "top", "nodes"], output: terminal.name)
        #expect(try await eventually { terminal.text().split(separator: "\u{1B}[2J").count > 2 })
        program.signal(SIGINT)
        #expect(try await program.end() == 128 + SIGINT)
    }

    @Test("top workflow reads the functions from the controller and their nodes from Redis")
    func topWorkflow() async throws {
        let site = try ProxySite()
        let domain = try DomainSite()
        let controller = try DemoController(url: domain.controllerRegister)
        let process = try await domain.serve()
        let node = try domain.node(1)
        #expect(try await eventually { controller.domains["domain-test"]?.update.capabilities.cpus == 1 })
        let workflow = try await controller.deploy(
            DemoWorkflow("w", [DemoWorkflow.Component("double", DomainSite.function())]))
        let id = try #require(controller.deployments[workflow]?.ids["double"])
        try site.redis.send(["SET", "instance:\(id)", ProxySite.instance()])
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        for (key, ago, value) in [("execution", 1, "0.002"), ("execution", 90, "9"), ("transfer", 1, "0.5")] {
            let time = "\(now.tv_sec - ago)"
            try site.redis.send([
                "ZADD", "performance:\(ProxySite.component):function_\(key)_time", time, "\(time):\(value)",
            ])
        }
        let run = try await site.run(["-c", "\(domain.controllerRegister)", "top", "workflow", workflow])
        #expect(run.status == 0)
        let row = run.text.split(separator: "\n").last?.split(separator: " ").map(String.init)
        #expect(
            row == ["double", "domain-test", "n3", "2.000", "2.000", "2.000", "500.000", "500.000", "500.000"], "\(run)"
        )
        let unknown = try await site.run(["-c", "\(domain.controllerRegister)", "top", "workflow", "none"])
        #expect(unknown.status == 1 && unknown.text.contains("there is no workflow"))
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        await node.stop()
        await controller.stop()
    }
}

/// A terminal that a program can write to.
private final class TestTerminal {
    let name: String
    private let master: Int32
    private var bytes: [UInt8] = []

    init() throws {
        var path = [CChar](repeating: 0, count: 256)
        let master = ctest_open_terminal(80, &path, 256)
        try #require(master >= 0)
        self.master = master
        _ = fcntl(master, F_SETFL, O_NONBLOCK)
        name = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { close(master) }

    /// What was written so far.
    func text() -> String {
        var piece = [UInt8](repeating: 0, count: 4096)
        while case let count = read(master, &piece, piece.count), count > 0 { bytes += piece.prefix(count) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
