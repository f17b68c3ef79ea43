import Domain
import DomainDemo
import DomainWire
import Glibc
import Redis
import TestSupport
import Testing

/// `berth-domain` as a process with nodes, a controller and a redis-server.
@Suite(.serialized, .enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct RedisScenarioTests {
    private let server: RedisServer
    private let site: DomainSite

    init() throws {
        signal(SIGPIPE, SIG_IGN)
        server = try RedisServer()
        site = try DomainSite()
        try site.write("", "[proxy]\nproxy_type = \"redis\"\nredis_url = \"\(server.url)\"")
    }

    private func redis() throws -> RedisConnection {
        try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
    }

    private func ask(_ intent: String, _ value: String) throws {
        let redis = try redis()
        try redis.send(["SET", intent, value])
        try redis.send(["RPUSH", "intents", intent])
    }

    /// The nodes of an instance according to Redis.
    private func nodes(of id: LogicalID) throws -> [String] {
        let text = try redis().send(["GET", "instance:\(id)"]).text ?? ""
        return text.split(separator: "InstanceId(node_id: ").dropFirst().map { String($0.prefix(36)) }
    }

    private func end(_ process: Program, _ nodes: [DemoNode], _ controller: DemoController) async throws {
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        for node in nodes { await node.stop() }
        await controller.stop()
    }

    @Test(
        "S3: intents move all functions to the other node; each has one node at all times, and the list is drained"
    )
    func migration() async throws {
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        let nodes = [
            try site.node(1), try site.node(2, providers: [ResourceProvider(id: "log", classType: "file-log")]),
        ]
        #expect(try await eventually { controller.domains["domain-test"]?.update.capabilities.cpus == 2 })
        let log = Specification.resource(
            ResourceSpecification(classType: "file-log", configuration: ["filename": "a.log"]))
        let workflow = DemoWorkflow(
            "f1 to f2 and f3 to a log",
            [
                .init("f1", DomainSite.function(), outputs: ["a": "f2", "b": "f3"]),
                .init("f2", DomainSite.function(), outputs: ["out": "log"]),
                .init("f3", DomainSite.function(), outputs: ["out": "log"]), .init("log", log),
            ])
        let id = try await controller.deploy(workflow)
        let ids = try #require(controller.deployments[id]?.ids)
        for name in ["f1", "f2", "f3"] {
            let function = try #require(ids[name])
            #expect(try await eventually { try self.nodes(of: function).count == 1 })
            let before = try self.nodes(of: function)
            let other = try #require(nodes.first { "\($0.node)" != before[0] })
            try ask("intent:migrate:\(function)", "\(other.node)")
            #expect(try await eventually { try self.nodes(of: function) == ["\(other.node)"] })
            #expect(
                try await eventually {
                    try redis().send(["GET", "intent:result:migrate:\(function)"]).text?.contains("done") == true
                })
        }
        #expect(try redis().send(["EXISTS", "intents"]) == .integer(0))
        #expect(nodes.reduce(0) { $0 + $1.components.count } == 4)
        try await end(process, nodes, controller)
    }

    @Test("S4, W18: a cordoned node receives no resources, even after a restart, until it is uncordoned")
    func cordon() async throws {
        let controller = try DemoController(url: site.controllerRegister)
        var process = try await site.serve()
        let provider = try site.node(1, providers: [ResourceProvider(id: "log", classType: "file-log")])
        let other = try site.node(2)
        #expect(try await eventually { controller.domains["domain-test"]?.update.capabilities.cpus == 2 })
        let log = Specification.resource(
            ResourceSpecification(classType: "file-log", configuration: ["filename": "a.log"]))
        func startTen() async throws -> Int {
            let client = try OrchestratorClient(url: site.orchestrator)
            defer { client.close() }
            var started = 0
            for _ in 0..<10 { if case .success = try await client.start(log) { started += 1 } }
            return started
        }
        func isCordoned() throws -> Bool {
            try redis().send(["GET", "node:status:\(provider.node)"]).text?.contains(#""cordoned":true"#) == true
        }
        #expect(try await startTen() == 10 && provider.components.count == 10)
        try ask("intent:cordon:\(provider.node)", "yes")
        #expect(try await eventually { try isCordoned() })
        #expect(try await startTen() == 0)
        process.signal(SIGKILL)
        _ = try await process.end()
        process = try await site.serve()
        #expect(try await eventually { (controller.domains["domain-test"]?.update.capabilities.nodes ?? 0) == 2 })
        #expect(try await startTen() == 0)
        try ask("intent:cordon:\(provider.node)", "no")
        #expect(try await eventually { try !isCordoned() })
        #expect(try await startTen() == 10 && provider.components.count == 20 && other.components.isEmpty)
        try await end(process, [provider, other], controller)
    }

    @Test("W2: starts, stops and joins continue while Redis hangs, and the process exits when asked to")
    func hangingRedis() async throws {
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        #expect(try await eventually { try redis().send(["EXISTS", "domain_info:domain_id"]) == .integer(1) })
        server.signal(SIGSTOP)
        let node = try site.node(1)
        #expect(try await eventually { controller.domains["domain-test"]?.update.capabilities.cpus == 1 })
        let client = try OrchestratorClient(url: site.orchestrator)
        for _ in 0..<20 {
            let id = try await client.start(DomainSite.function()).get()
            try await client.stop(id, kind: .function)
        }
        #expect(try await eventually { node.components.isEmpty })
        client.close()
        try await end(process, [node], controller)
        server.signal(SIGCONT)
    }

    @Test(
        "an address of Redis that cannot be used is told with the valid forms, and the domain serves without its mirror",
        arguments: [("rediss://host", "TLS to Redis is not supported"), ("redis://127.0.0.1:0", "from 1 to 65535")])
    func badAddress(url: String, reason: String) async throws {
        try site.write(
            "status_url = \"\(site.status)\"", "[proxy]\nproxy_type = \"redis\"\nredis_url = \"\(url)\"")
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        let line = try #require(process.lines.first { $0.contains("nothing is mirrored") })
        #expect(line.contains("proxy.redis_url") && line.contains(reason), "\(line)")
        #expect(process.lines.contains { $0.contains("NOTICE: serving") && $0.contains("redis=off") })
        let node = try site.node(1)
        #expect(try await eventually { controller.domains["domain-test"]?.update.capabilities.cpus == 1 })
        let client = try OrchestratorClient(url: site.orchestrator)
        _ = try await client.start(DomainSite.function()).get()
        let status = try #require(await WebClient(port: site.status.port).ask("/status.json")).text
        #expect(status.contains(#""redis":{"connected":false,"problem":"#) && status.contains(reason), "\(status)")
        // It can still renew its certificates.
        process.signal(SIGHUP)
        #expect(try await process.prints("configuration reloaded"))
        client.close()
        try await end(process, [node], controller)
    }

    @Test("SIGHUP with an address of Redis that cannot be used changes nothing and says why")
    func badAddressAtReload() async throws {
        let process = try await site.serve()
        try site.write("", "[proxy]\nproxy_type = \"Redis\"\nredis_url = \"redis://host:0\"")
        process.signal(SIGHUP)
        #expect(try await process.prints("the configuration was not reloaded"))
        #expect(process.text.contains("proxy.redis_url: the port of Redis"), "\(process.text)")
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
    }

    @Test("samples and log lines of nodes are mirrored")
    func figures() async throws {
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        let node = try site.node(1)
        let component = ComponentID(high: 4, low: 4)
        var samples = PerformanceSamples()
        samples.samples[.execution] = [component: [Sample(seconds: 10, nanoseconds: 5_000_000, value: 0.5)]]
        node.samples = samples
        let key = "performance:\(component):function_execution_time"
        #expect(try await eventually { try redis().send(["ZRANGE", key, "0", "-1"]).texts == ["10.005:0.5"] })
        #expect(try await eventually { try redis().send(["ZCARD", "node:health:\(node.node)"]) == .integer(1) })
        try await end(process, [node], controller)
    }

    @Test(
        "a refusal by Redis names the command, its key and the remedy in the log, once, and the mirror follows when it ends",
        arguments: [
            (
                ["ACL", "SETUSER", "default", "resetkeys", "~domain_info:*"], ["ACL", "SETUSER", "default", "~*"],
                "NOPERM", "ACL SETUSER"
            ),
            (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"], "READONLY", "use the URL of its primary"),
            (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"], "OOM", "maxmemory"),
        ])
    func refusals(cause: [String], cure: [String], code: String, remedy: String) async throws {
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        #expect(try await eventually { try redis().send(["EXISTS", "domain_info:domain_id"]) == .integer(1) })
        try redis().send(cause)
        let node = try site.node(1)
        #expect(try await process.prints(remedy, seconds: 30))
        let line = try #require(process.text.split(separator: "\n").first { $0.contains(remedy) })
        #expect(line.contains(code) && (line.contains("SET node:") || line.contains("SET domain_info:")), "\(line)")
        try redis().send(cure)
        let key = "node:status:\(node.node)"
        #expect(try await eventually(seconds: 30) { try redis().send(["EXISTS", key]) == .integer(1) })
        try await end(process, [node], controller)
    }

    @Test("a refusal of what nodes report, which comes anew after each attempt, does not fill the log")
    func repeatedRefusal() async throws {
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        let node = try site.node(1)
        try redis().send(["ACL", "SETUSER", "default", "-zadd"])
        #expect(
            try await eventually(seconds: 60) {
                let stats = try redis().send(["INFO", "errorstats"]).text ?? ""
                let count = stats.split(separator: "errorstat_NOPERM:count=").last?.prefix { $0.isNumber }
                return stats.contains("errorstat_NOPERM") && count.flatMap { Int($0) } ?? 0 >= 5
            })
        #expect(process.text.split(separator: "\n").count { $0.contains("ZADD node:health") } <= 2)
        #expect(process.text.split(separator: "\n").count { $0.contains("is up to date again") } <= 1)
        try redis().send(["ACL", "SETUSER", "default", "+zadd"])
        #expect(try await process.prints("is up to date again", seconds: 60))
        try await end(process, [node], controller)
    }

    @Test("a Redis in cluster mode with one shard is mirrored, and the operator's commands work")
    func cluster() async throws {
        let server = try RedisServer(options: RedisServer.clusterOptions())
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        try redis.send(["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
        #expect(
            try await eventually { try redis.send(["CLUSTER", "INFO"]).text?.contains("cluster_state:ok") == true })
        try site.write("", "[proxy]\nproxy_type = \"redis\"\nredis_url = \"\(server.url)\"")
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        let nodes = [try site.node(1), try site.node(2)]
        #expect(try await eventually { controller.domains["domain-test"]?.update.capabilities.cpus == 2 })
        let client = try OrchestratorClient(url: site.orchestrator)
        let id = try await client.start(DomainSite.function()).get()
        try await client.patch(id, mapping: ["out": id], kind: .function)
        #expect(try await eventually { try redis.send(["EXISTS", "instance:\(id)"]) == .integer(1) })
        #expect(try await eventually { try redis.send(["EXISTS", "dependency:\(id)"]) == .integer(1) })
        let from = try #require(nodes.firstIndex { !$0.components.isEmpty })
        let proxy = [site.binary, "proxy", "-r", server.url]
        let move = try await Program.run(
            proxy + ["intent", "migrate", "\(id)", "\(nodes[1 - from].node)", "--wait", "--timeout", "30"])
        #expect(move.status == 0, "\(move.text)")
        #expect(nodes[1 - from].components.count == 1 && nodes[from].components.isEmpty)
        let cordon = try await Program.run(proxy + ["intent", "cordon", "\(nodes[from].node)", "--wait"])
        #expect(cordon.status == 0, "\(cordon.text)")
        #expect(try redis.send(["EXISTS", "intents"]) == .integer(0))
        let shown = try await Program.run(proxy + ["show", "node", "capabilities"])
        #expect(shown.status == 0 && nodes.allSatisfy { shown.text.contains("\($0.node)") }, "\(shown.text)")
        #expect(!process.text.contains("Redis refuses"), "\(process.text)")
        client.close()
        try await end(process, nodes, controller)
    }

    @Test("without rights on outcomes, an intent stays, the log names key and remedy, and it is carried out later")
    func outcomeForbidden() async throws {
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        let node = try site.node(1)
        #expect(try await eventually { controller.domains["domain-test"]?.update.capabilities.cpus == 1 })
        let rights = ["~intents", "~intent:cordon:*", "~intent:migrate:*", "~domain_info:*", "~node:*", "~node_*"]
        try redis().send(["ACL", "SETUSER", "default", "resetkeys"] + rights)
        let key = "intent:cordon:\(node.node)"
        try ask(key, "yes")
        #expect(try await process.prints("intents cannot be taken from Redis", seconds: 30))
        let line = try #require(process.lines.first { $0.contains("intents cannot be taken from Redis") })
        #expect(line.contains("SET intent:result:cordon:\(node.node)"), "\(line)")
        #expect(line.contains("ACL SETUSER"), "\(line)")
        try await Task.sleep(for: .seconds(2))
        #expect(process.lines.count { $0.contains("intents cannot be taken from Redis") } == 1, "\(process.text)")
        #expect(try redis().send(["GET", key]).text == "yes")
        #expect(try redis().send(["LLEN", "intents"]) == .integer(1))
        try redis().send(["ACL", "SETUSER", "default", "~*"])
        let result = "intent:result:cordon:\(node.node)"
        #expect(try await eventually { try redis().send(["GET", result]).text?.contains("done") == true })
        #expect(try redis().send(["EXISTS", key]) == .integer(0))
        try await end(process, [node], controller)
    }

    @Test("a node that has left while it was cordoned can be uncordoned by its UUID, and the answer says so")
    func uncordonMissing() async throws {
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        let node = try site.node(1)
        #expect(try await eventually { try redis().send(["EXISTS", "node:status:\(node.node)"]) == .integer(1) })
        let proxy = [site.binary, "proxy", "-r", server.url, "intent"]
        #expect(try await Program.run(proxy + ["cordon", "\(node.node)", "--wait"]).status == 0)
        await node.stop()
        #expect(
            try await eventually(seconds: 60) {
                try redis().send(["EXISTS", "node:status:\(node.node)"]) == .integer(0)
            })
        let first = try await Program.run(proxy + ["uncordon", "\(node.node)"])
        #expect(first.status == 0 && first.text.contains("is not in the domain, and is cordoned no more"), "\(first)")
        let second = try await Program.run(proxy + ["uncordon", "\(node.node)"])
        #expect(second.status == 1 && second.text.contains("there is no node"), "\(second)")
        #expect(process.text.contains("the cordon of a node that is not in the domain was removed"))
        try await end(process, [], controller)
    }

    @Test("a URL with a query, a fragment or surrounding blanks is used", arguments: ["?protocol=3", "#part", " "])
    func query(end suffix: String) async throws {
        let port = try FreePorts.take(1)[0]
        let server = try RedisServer(options: ["--port", "\(port)", "--bind", "127.0.0.1"])
        let url = "redis://127.0.0.1:\(port)\(suffix)"
        try site.write("", "[proxy]\nproxy_type = \"redis\"\nredis_url = \"\(url)\"")
        let process = try await site.serve()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        #expect(try await eventually { try redis.send(["EXISTS", "domain_info:domain_id"]) == .integer(1) })
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
    }
}
