import Domain
import DomainMirror
import DomainView
import Redis
import TestSupport
import Testing

/// Reads mirrors of all schemas.
@Suite(.enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct ReaderTests {
    private static let node = NodeID(Spec.node) ?? NodeID(high: 0, low: 0)
    private static let lid = LogicalID(Spec.function) ?? LogicalID(high: 0, low: 0)
    private static let component = ComponentID(Spec.component) ?? ComponentID(high: 0, low: 0)

    @Test("the view equals the mirrored domain in each schema", arguments: [Mirror.Schema.current, .seed, .both])
    func roundTrip(schema: Mirror.Schema) throws {
        let database = try Database()
        var mirror = Mirror(domainID: "my-domain", schema: schema)
        var description = NodeDescription(agentURL: "http://a:1", invocationURL: "http://b:2")
        description.capabilities.cpus = 8
        description.capabilities.cpuFrequency = 1234.5
        description.capabilities.labels = ["hostname=n3"]
        description.providers = [ResourceProvider(id: "a:b", classType: "file-log", outputs: ["o"])]
        let function = FunctionSpecification(
            functionClass: FunctionClass(id: "doubler", runtime: "RUST_WASM", version: "0.1", outputs: ["out"]),
            stateID: StateID(high: 1, low: 1), workflowID: "w")
        let other = LogicalID(Spec.resource) ?? LogicalID(high: 0, low: 0)
        var records = DomainRecords()
        for change in [
            DomainChange.node(
                NodeRecord(id: Self.node, nonce: 1, description: description, claims: ["a:b": 0], isReset: true)),
            .cordon(Self.node, true),
            .instance(
                InstanceRecord(
                    id: Self.lid, specification: .function(function), created: 0,
                    physical: PhysicalID(node: Self.node, component: Self.component))),
            .instance(
                InstanceRecord(
                    id: other, specification: .resource(ResourceSpecification(classType: "file-log", workflowID: "w")),
                    created: 1, physical: nil)),
            .wiring(Self.lid, ["out": other]), .wiring(other, [:]),
        ] { records.apply(change) }
        try database.send(mirror.begin(with: records, at: 1_760_000_001_250))
        var update = NodeUpdate(node: Self.node, description: description, refreshDeadline: 0, nonce: 1)
        update.health.memoryFree = 42
        update.samples.samples[.execution] = [
            Self.component: [Sample(seconds: 1_760_000_000, nanoseconds: 5_000_000, value: 0.5)]
        ]
        update.samples.logEntries[Self.component] = [
            FunctionLogEntry(seconds: 1_760_000_000, nanoseconds: 0, target: "a:b", message: "c:d, e")
        ]
        try database.send(mirror.report(update, at: 1_760_000_002_000))

        let view = try database.read()
        #expect(view.problems.isEmpty, "\(view.problems)")
        #expect(view.domainID == "my-domain")
        #expect(view.nodes.mapValues(\.value) == [Self.node: description.capabilities])
        #expect(view.health[Self.node]?.value.memoryFree == 42)
        let status = try #require(view.status[Self.node])
        #expect(status.agentURL == "http://a:1" && status.invocationURL == "http://b:2")
        #expect(status.isCordoned && status.isReady)
        #expect(view.providers["a:b"]?.provider == description.providers[0] && view.providers["a:b"]?.node == Self.node)
        #expect(view.instances[Self.lid]?.physical == [PhysicalID(node: Self.node, component: Self.component)])
        #expect(view.instances[Self.lid]?.className == "doubler" && view.instances[other]?.physical == [])
        #expect(view.wirings == [Self.lid: ["out": other], other: [:]])
        let executions = view.series[SeriesID(component: Self.component, name: "function_execution_time")]
        #expect(executions?.map(\.time) == [1_760_000_000.005] && executions?.map(\.value) == ["0.5"])
        let log = view.series[SeriesID(component: Self.component, name: "a:b")]
        #expect(log?.map(\.value) == (schema == .seed ? nil : ["c:d, e"]))
    }

    @Test("seed keys are read only if the current key is missing")
    func seed() throws {
        let database = try Database()
        try database.send("SET", "nodes:capabilities:\(Spec.node)", Spec.capabilities)
        try database.send("SET", "instance:\(Spec.function)", Spec.seedFunction)
        let list = "performance:function_execution_time:\(Spec.component)"
        try database.send("RPUSH", list, "0.5,10.005", "0.25,11.000")
        let view = try database.read()
        #expect(view.nodes[Self.node]?.value.cpus == 8)
        #expect(view.instances[Self.lid]?.className == "doubler")
        let id = SeriesID(component: Self.component, name: "function_execution_time")
        #expect(view.series[id]?.map(\.time) == [10.005, 11] && view.series[id]?.map(\.number) == [0.5, 0.25])
        try database.send("ZADD", "performance:\(Spec.component):function_execution_time", "10.005", "10.005:0.5")
        try database.send("SET", "node:capabilities:\(Spec.node)", Spec.capabilities.replacing(":8,", with: ":9,"))
        let both = try database.read()
        #expect(both.series[id]?.map(\.time) == [10.005] && both.nodes[Self.node]?.value.cpus == 9)
    }

    @Test("invalid entries are reported and left out, and nothing in Redis changes")
    func broken() throws {
        let database = try Database.ofToday()
        let other = Spec.otherNode
        for (key, value) in [
            ("node:capabilities:\(other)", "{\"num_cpus\":-1}"), ("node:capabilities:no-uuid", "{}"),
            ("instance:\(other)", "[[[["), ("instance:\(Spec.component)", "{\"Function\":[{},7]}"),
            ("dependency:\(other)", "{\"out\":3}"), ("provider:x", "null"), ("node:status:\(other)", "{}"),
            ("performance:\(other):metric", "a string"),
        ] { try database.send("SET", key, value) }
        try database.send("RPUSH", "node:health:\(other)", "{}")
        try database.send("HSET", "provider:hash", "a", "b")
        try database.send("ZADD", "performance:\(Spec.component):log", "1", "1:fine", "2", "neither time nor colon")
        // Foreign keys are ignored.
        for key in ["node", "nodes:x:y", "instances:1", "performance:x", "domain_info:other", "intents:x"] {
            try database.send("SET", key, "x")
        }
        let before = try database.contents()
        let view = try database.read()
        #expect(try database.contents() == before)
        #expect(
            Set(view.problems.map(\.key)) == [
                "node:capabilities:\(other)", "node:capabilities:no-uuid", "instance:\(other)",
                "instance:\(Spec.component)", "dependency:\(other)", "provider:x", "node:status:\(other)",
                "performance:\(other):metric", "node:health:\(other)", "provider:hash",
                "performance:\(Spec.component):log",
            ])
        #expect(view.functions.lines == ["\(Spec.function) -> \(Spec.node)"])
        #expect(view.series[SeriesID(component: Self.component, name: "log")]?.map(\.value) == ["fine"])
    }

    @Test("thousands of keys are read in batches, each once")
    func many() throws {
        let database = try Database()
        let commands = (0..<3000).map { number in
            ["SET", "instance:\(LogicalID(high: 1, low: UInt64(number)))", Spec.functionInstance]
        }
        for reply in try database.connection.send(all: commands) { #expect(reply == .text("OK")) }
        #expect(try database.read().functions.lines.count == 3000)
    }

    @Test("a physical id has exactly the form of EDGELESS")
    func physicalIDs() {
        let text = "InstanceId(node_id: \(Spec.node), function_id: \(Spec.component))"
        #expect(PhysicalID(mirror: text) == PhysicalID(node: Self.node, component: Self.component))
        for wrong in [
            "", "InstanceId(node_id: , function_id: )", String(text.dropLast()), text.replacing(",", with: ""),
            text + " x", "Id(node_id: \(Spec.node), function_id: \(Spec.component))",
        ] { #expect(PhysicalID(mirror: wrong) == nil, "\(wrong)") }
    }
}
