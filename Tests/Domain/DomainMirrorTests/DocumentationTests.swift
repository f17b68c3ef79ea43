import Domain
import FoundationEssentials
import Testing

@testable import DomainMirror

/// The Redis keys in `docs/domain.md`.
@Suite struct DocumentationTests {
    @Test("the keys by example in docs/domain.md are what the mirror writes")
    func example() throws {
        let file = "\(#filePath.split(separator: "/Tests/")[0])/docs/domain.md"
        let text = try String(contentsOfFile: file.hasPrefix("/") ? file : "/\(file)", encoding: .utf8)
        let section = try #require(text.split(separator: "### The keys by example").last)
        let shown = try #require(section.split(separator: "```\n").dropFirst().first).split(separator: "\n")
        #expect(shown.map(String.init) == Self.written)
    }

    /// A domain with a node, a function wired to a resource, and a report.
    private static var written: [String] {
        let node = NodeID("0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55") ?? NodeID(high: 0, low: 0)
        let function = LogicalID("11111111-2222-4333-8444-555555555555") ?? LogicalID(high: 0, low: 0)
        let resource = LogicalID("99cc00dd-3456-4789-abcd-ef0123456789") ?? LogicalID(high: 0, low: 0)
        let component = ComponentID("77aa88bb-1234-4567-89ab-cdef01234567") ?? ComponentID(high: 0, low: 0)
        let workflow = "5e0c7a90-1111-4222-8333-944455566677"
        var description = NodeDescription(agentURL: "http://10.0.0.3:7005", invocationURL: "http://10.0.0.3:7006")
        description.capabilities.cpus = 8
        description.capabilities.cpuModel = "X1"
        description.capabilities.cpuFrequency = 2400
        description.capabilities.cores = 4
        description.capabilities.memoryMiB = 15_900
        description.capabilities.labels = ["hostname=n3"]
        description.capabilities.runtimes = ["RUST_WASM"]
        description.capabilities.diskMiB = 51_200
        description.providers = [ResourceProvider(id: "n3-file-log-1", classType: "file-log")]
        var records = DomainRecords()
        for change in [
            DomainChange.node(
                NodeRecord(
                    id: node, nonce: 1, description: description, claims: ["n3-file-log-1": 0], isReset: true)),
            .instance(
                InstanceRecord(
                    id: function,
                    specification: .function(
                        FunctionSpecification(
                            functionClass: FunctionClass(
                                id: "doubler", runtime: "RUST_WASM", version: "0.1", outputs: ["out"]),
                            annotations: ["init-payload": "8"],
                            stateID: StateID("a1d2c3b4-0001-4f00-8a00-0000000000aa") ?? StateID(high: 0, low: 0),
                            statePolicy: .nodeLocal, workflowID: workflow)), created: 0,
                    physical: PhysicalID(node: node, component: component))),
            .instance(
                InstanceRecord(
                    id: resource,
                    specification: .resource(
                        ResourceSpecification(
                            classType: "file-log", configuration: ["filename": "a.log"], workflowID: workflow)),
                    created: 1, physical: nil)), .wiring(function, ["out": resource]),
        ] { records.apply(change) }
        var mirror = Mirror(domainID: "domain-7000", schema: .both)
        var commands = mirror.begin(with: records, at: 1_760_000_001_250)
        var update = NodeUpdate(node: node, description: description, refreshDeadline: 0, nonce: 1)
        (update.health.memoryFree, update.health.load1) = (8_000_000, 25)
        (update.health.gpuLoad, update.health.gpuTemperature, update.health.activePower) = (-1, -1000, -1)
        update.samples.samples[.execution] = [
            component: [Sample(seconds: 1_760_000_001, nanoseconds: 125_000_000, value: 0.0125)]
        ]
        update.samples.logEntries[component] = [
            FunctionLogEntry(seconds: 1_760_000_001, nanoseconds: 0, target: "edgeless", message: "hello")
        ]
        commands += mirror.report(update, at: 1_760_000_001_500)
        commands.append(
            IntentCommand.write(
                IntentKey.finished(declined: nil, at: 1_760_000_002_000),
                to: IntentKey.result(of: "intent:migrate:\(function)")))
        return commands.map { $0.words.joined(separator: " ") }
    }
}
