import Domain
import DomainSimulation
import Testing

@testable import DomainMirror

/// Section 5 of the domain specification.
@Suite struct MirrorTests {
    private static let node = NodeID("0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55") ?? NodeID(high: 0, low: 0)
    private static let lid = LogicalID("11111111-2222-4333-8444-555555555555") ?? LogicalID(high: 0, low: 0)
    private static let now = 1_760_000_001_250

    /// The content of a database after these commands; sorted sets as lists of members, ordered by score.
    private func carriedOut(_ commands: [RedisCommand], on before: [String: [String]] = [:]) -> [String: [String]] {
        var keys = before
        for command in commands {
            let words = command.words
            switch words[0] {
            case "SET": keys[words[1]] = [words[2]]
            case "DEL": keys[words[1]] = nil
            case "ZADD": if keys[words[1]]?.contains(words[3]) != true { keys[words[1], default: []].append(words[3]) }
            case "RPUSH": keys[words[1], default: []].append(words[2])
            default: Issue.record("\(words)")
            }
        }
        return keys
    }

    private static func record(_ change: (inout NodeDescription) -> Void = { _ in }) -> NodeRecord {
        var description = NodeDescription(agentURL: "http://a:1", invocationURL: "http://b:2")
        change(&description)
        return NodeRecord(
            id: node, nonce: 1, description: description,
            claims: Dictionary(uniqueKeysWithValues: description.providers.enumerated().map { ($1.id, UInt64($0)) }),
            isReset: true)
    }

    @Test("5.2: capabilities, provider, function, resource and dependency have the exact form of the specification")
    func exactForms() {
        var mirror = Mirror(domainID: "my-domain", schema: .current)
        let function = FunctionSpecification(
            functionClass: FunctionClass(
                id: "doubler", runtime: "RUST_WASM", version: "0.1", binary: Binary(digest: "x", bytes: [1]),
                outputs: ["out"]),
            annotations: ["init-payload": "8"],
            stateID: StateID("a1d2c3b4-0001-4f00-8a00-0000000000aa") ?? StateID(high: 0, low: 0),
            statePolicy: .nodeLocal, workflowID: "5e0c7a90-1111-4222-8333-944455566677")
        let component = ComponentID("77aa88bb-1234-4567-89ab-cdef01234567") ?? ComponentID(high: 0, low: 0)
        let other = LogicalID("99cc00dd-3456-4789-abcd-ef0123456789") ?? LogicalID(high: 0, low: 0)
        var records = DomainRecords()
        for change in [
            DomainChange.node(
                Self.record {
                    $0.capabilities.cpus = 8
                    $0.capabilities.cpuModel = "X1"
                    $0.capabilities.cpuFrequency = 2400
                    $0.capabilities.cores = 4
                    $0.capabilities.memoryMiB = 15900
                    $0.capabilities.labels = ["hostname=n3", "red"]
                    $0.capabilities.runtimes = ["RUST_WASM"]
                    $0.capabilities.diskMiB = 51200
                    $0.providers = [ResourceProvider(id: "in", classType: "http-ingress", outputs: ["new_request"])]
                }),
            .instance(
                InstanceRecord(
                    id: Self.lid, specification: .function(function), created: 0,
                    physical: PhysicalID(node: Self.node, component: component))),
            .instance(
                InstanceRecord(
                    id: other,
                    specification: .resource(
                        ResourceSpecification(
                            classType: "file-log", configuration: ["filename": "a.log"],
                            workflowID: "5e0c7a90-1111-4222-8333-944455566677")), created: 1, physical: nil)),
            .wiring(Self.lid, ["out": other]), .wiring(other, [:]),
        ] { records.apply(change) }
        let keys = carriedOut(mirror.begin(with: records, at: Self.now))
        #expect(
            keys == [
                "domain_info:domain_id": ["my-domain"],
                "node:capabilities:\(Self.node)": [
                    #"{"num_cpus":8,"model_name_cpu":"X1","clock_freq_cpu":2400.0,"num_cores":4,"mem_size":15900,"labels":["hostname=n3","red"],"is_tee_running":false,"has_tpm":false,"runtimes":["RUST_WASM"],"disk_tot_space":51200,"num_gpus":0,"model_name_gpu":"","mem_size_gpu":0}"#
                ],
                "node:status:\(Self.node)": [
                    #"{"agent_url":"http://a:1","invocation_url":"http://b:2","cordoned":false,"ready":true}"#
                ],
                "provider:in": [
                    #"{"class_type":"http-ingress","node_id":"0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55","outputs":["new_request"]}"#
                ],
                "instance:\(Self.lid)": [
                    #"{"Function":[{"spec":{"id":"doubler","function_type":"RUST_WASM","version":"0.1","binary":null,"code":null,"outputs":["out"]},"annotations":{"init-payload":"8"},"state_specification":{"state_id":"a1d2c3b4-0001-4f00-8a00-0000000000aa","state_policy":"NodeLocal"},"workflow_id":"5e0c7a90-1111-4222-8333-944455566677"},["InstanceId(node_id: 0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55, function_id: 77aa88bb-1234-4567-89ab-cdef01234567)"]]}"#
                ],
                "instance:\(other)": [
                    #"{"Resource":[{"class_type":"file-log","configuration":{"filename":"a.log"},"workflow_id":"5e0c7a90-1111-4222-8333-944455566677"},"InstanceId(node_id: 00000000-0000-0000-0000-fffe00000000, function_id: 00000000-0000-0000-0000-fffd00000000)"]}"#
                ],
                "dependency:\(Self.lid)": [#"{"out":"99cc00dd-3456-4789-abcd-ef0123456789"}"#],
                "dependency:\(other)": ["{}"], "node:capabilities:last_update": ["1760000001.25"],
                "provider:last_update": ["1760000001.25"], "instance:last_update": ["1760000001.25"],
                "dependency:last_update": ["1760000001.25"],
            ])
    }

    @Test("5.6: timestamps follow their values, and only for changed categories")
    func stamps() {
        var mirror = Mirror(domainID: "d", schema: .current)
        _ = mirror.begin(with: DomainRecords(), at: Self.now)
        let commands = mirror.take([.node(Self.record())], at: Self.now)
        #expect(commands.last?.words == ["SET", "node:capabilities:last_update", "1760000001.25"])
        #expect(commands.count { $0.words[1].hasSuffix(":last_update") } == 1)
        #expect(mirror.take([.patchDue(Self.lid, true)], at: Self.now).isEmpty)
    }

    @Test("5.2: health is a member of a sorted set with the fields in order")
    func health() {
        var update = NodeUpdate(
            node: Self.node, description: NodeDescription(agentURL: "", invocationURL: ""), refreshDeadline: 0, nonce: 1
        )
        (update.health.memoryFree, update.health.gpuLoad, update.health.gpuTemperature) = (1, -1, -1000)
        (update.health.diskWrites, update.health.activePower) = (18, -1)
        var mirror = Mirror(domainID: "d", schema: .both)
        let commands = mirror.report(update, at: 5_000)
        #expect(
            commands.map(\.words) == [
                [
                    "ZADD", "node:health:\(Self.node)", "5",
                    #"{"mem_free":1,"mem_used":0,"mem_available":0,"proc_cpu_usage":0,"proc_memory":0,"proc_vmemory":0,"load_avg_1":0,"load_avg_5":0,"load_avg_15":0,"tot_rx_bytes":0,"tot_rx_pkts":0,"tot_rx_errs":0,"tot_tx_bytes":0,"tot_tx_pkts":0,"tot_tx_errs":0,"disk_free_space":0,"disk_tot_reads":0,"disk_tot_writes":18,"gpu_load_perc":-1,"gpu_temp_cels":-1000,"active_power":-1}"#,
                ]
            ])
        var old = Mirror(domainID: "d", schema: .seed)
        let seed = old.report(update, at: 5_000).map(\.words)
        #expect(seed.count == 1 && seed[0][0] == "SET" && !seed[0][2].contains("active_power"))
    }

    private func update(_ samples: [Sample], component: ComponentID) -> NodeUpdate {
        var update = NodeUpdate(
            node: Self.node, description: NodeDescription(agentURL: "", invocationURL: ""), refreshDeadline: 0, nonce: 1
        )
        update.samples.samples[.execution] = [component: samples]
        return update
    }

    @Test("X10: a sample that is sent twice is stored once")
    func twice() {
        let component = ComponentID(high: 1, low: 1)
        let update = update([Sample(seconds: 5, nanoseconds: 0, value: 100)], component: component)
        var mirror = Mirror(domainID: "d", schema: .current)
        let keys = carriedOut(mirror.report(update, at: 1) + mirror.report(update, at: 2))
        #expect(keys["performance:\(component):function_execution_time"] == ["5:100"])
    }

    @Test("X12: the seed's list has padded milliseconds")
    func seedList() {
        let component = ComponentID(high: 1, low: 1)
        let update = update([Sample(seconds: 10, nanoseconds: 5_000_000, value: 0.5)], component: component)
        var mirror = Mirror(domainID: "d", schema: .both)
        let keys = carriedOut(mirror.report(update, at: 1))
        #expect(keys["performance:function_execution_time:\(component)"] == ["0.5,10.005"])
        #expect(keys["performance:\(component):function_execution_time"] == ["10.005:0.5"])
    }

    @Test("log lines are stored by target, and samples that are not finite are omitted")
    func logs() {
        let component = ComponentID(high: 1, low: 1)
        var update = update(
            [
                Sample(seconds: 1, nanoseconds: 0, value: .nan),
                Sample(seconds: 1_760_000_001, nanoseconds: 250_000_000, value: 0.0125),
            ], component: component)
        update.samples.logEntries[component] = [
            FunctionLogEntry(seconds: 2, nanoseconds: 0, target: "stdout", message: "a:b")
        ]
        var mirror = Mirror(domainID: "d", schema: .current)
        let keys = carriedOut(mirror.report(update, at: 1))
        #expect(keys["performance:\(component):stdout"] == ["2:a:b"])
        #expect(keys["performance:\(component):function_execution_time"] == ["1760000001.25:0.0125"])
    }

    @Test("W24: a log target with the name of a metric is kept apart from its samples")
    func reservedNames() {
        let component = ComponentID(high: 1, low: 1)
        var update = update([], component: component)
        update.samples.logEntries[component] = [
            FunctionLogEntry(seconds: 2, nanoseconds: 0, target: "function_execution_time", message: "hello")
        ]
        var mirror = Mirror(domainID: "d", schema: .both)
        let keys = carriedOut(mirror.report(update, at: 1))
        #expect(keys["performance:\(component):function_execution_time"] == nil)
        #expect(keys["performance:\(component):log-function_execution_time"] == ["2:hello"])
    }

    @Test("W24: samples age by the clock that stamped them")
    func skewedClock() throws {
        let component = ComponentID(high: 1, low: 1)
        var mirror = Mirror(domainID: "d", schema: .both)
        let hour = 3_600
        let ahead = Self.now / 1000 + hour
        _ = mirror.report(
            update([Sample(seconds: Int64(ahead), nanoseconds: 0, value: 1)], component: component), at: Self.now)
        let key = "performance:\(component):function_execution_time"
        let commands = mirror.trim([key], at: Self.now + 10_000, retention: 60_000)
        let words = try #require(commands.first { $0.words[0] == "ZREMRANGEBYSCORE" }?.words)
        #expect(words == ["ZREMRANGEBYSCORE", key, "-inf", "(\(ahead - 50)"])
    }

    @Test(
        "W14: series are bounded, and those of components that have ended go some time after them, though nothing else does"
    )
    func unowned() {
        let (own, gone) = (ComponentID(high: 1, low: 1), ComponentID(high: 1, low: 2))
        var records = DomainRecords()
        records.apply(
            .instance(
                InstanceRecord(
                    id: Self.lid, specification: .resource(ResourceSpecification(classType: "c")), created: 1,
                    physical: PhysicalID(node: Self.node, component: own))))
        var mirror = Mirror(domainID: "d", schema: .both)
        _ = mirror.begin(with: records, at: Self.now)
        let keys = [own, gone].flatMap { ["performance:\($0):stdout", "performance:function_execution_time:\($0)"] }
        let first = mirror.trim(keys + ["performance:foreign", "performance:a:b"], at: Self.now, retention: 0)
        #expect(first.map(\.words[0]) == ["ZREMRANGEBYRANK", "EVAL", "ZREMRANGEBYRANK", "EVAL"])
        let hour = 3_600_000
        #expect(!mirror.trim(keys, at: Self.now + hour - 1, retention: 0).contains { $0.words[0] == "DEL" })
        let last = mirror.trim(keys, at: Self.now + hour, retention: 0).filter { $0.words[0] == "DEL" }
        #expect(last.map(\.words[1]) == Array(keys.suffix(2)))
    }

    @Test(
        "5.1: numbers have the shortest digits, no exponent, and no .0 where they are whole",
        arguments: [
            (5.0, "5"), (0.000049, "0.000049"), (1e21, "1000000000000000000000"), (-2.5e-7, "-0.00000025"),
            (1_760_000_001.25, "1760000001.25"), (0, "0"), (1e16, "10000000000000000"), (1.5e300, nil),
        ])
    func numbers(_ value: Double, _ text: String?) {
        let written = NumberText.plain(value)
        if let text { #expect(written == text) }
        #expect(Double(written) == value && !written.contains("e"))
    }

    @Test("incremental changes give the same keys as a full rewrite; only the mirror's own keys are stale")
    func incremental() {
        for seed in UInt64(1)...10 {
            var simulation = Simulation(seed: seed, shape: .init(seed: seed))
            simulation.live()
            var random = Xoshiro(seed: seed)
            var records = DomainRecords()
            var following = Mirror(domainID: "d", schema: .both)
            var keys = carriedOut(following.begin(with: records, at: 1))
            var changes = simulation.stored.snapshot
            changes += simulation.stored.instances.keys.sorted().filter { _ in Bool.random(using: &random) }.map {
                .instanceRemoved($0)
            }
            changes += simulation.stored.nodes.keys.sorted().filter { _ in Bool.random(using: &random) }.map {
                .nodeRemoved($0)
            }
            for change in changes {
                records.apply(change)
                keys = carriedOut(following.take([change], at: 2), on: keys)
            }
            var fresh = Mirror(domainID: "d", schema: .both)
            let expected = carriedOut(fresh.begin(with: records, at: 2))
            func values(_ keys: [String: [String]]) -> [String: [String]] {
                keys.filter { !$0.key.hasSuffix("last_update") }
            }
            #expect(values(keys) == values(expected), "seed \(seed)")
            let gone = "instance:\(Self.lid)"
            #expect(fresh.stale(Array(keys.keys) + [gone, "foreign", "intents", "performance:x"]) == [gone])
        }
    }
}
