import Domain
import DomainDemo
import DomainWire
import TestSupport

/// The controller and the nodes of the demo.
final class Stage {
    struct Problem: Error, CustomStringConvertible { let description: String }

    private let controller: DemoController
    private let orchestrator: ServiceURL
    private let register: ServiceURL
    private var nodes: [(name: String, node: DemoNode)] = []

    init() throws {
        controller = try DemoController()
        let ports = try FreePorts.take(2)
        func url(_ port: UInt16) -> ServiceURL { ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: port) }
        (orchestrator, register) = (url(ports[0]), url(ports[1]))
    }

    /// The addresses of the controller, and of the orchestrator for functions and for nodes.
    var addresses: String { "\(controller.registerURL) \(orchestrator) \(register)" }

    /// Starts three nodes and waits until the controller knows all of them.
    ///
    /// - Returns: their names.
    func join() async throws -> String {
        for (number, name) in ["east", "north", "south"].enumerated() {
            var settings = DemoNode.Settings(
                node: NodeID(high: 0x0EDE_0000_0000_4000, low: 0x8000_0000_0000_0001 + UInt64(number)),
                registerURL: register)
            settings.interval = 1
            settings.capabilities.cpus = 4
            settings.capabilities.cores = 2
            settings.capabilities.cpuModel = "demo"
            settings.capabilities.cpuFrequency = 2000
            settings.capabilities.memoryMiB = 4096
            settings.capabilities.labels = ["hostname=\(name)"]
            settings.providers = [ResourceProvider(id: "\(name)-file-log-1", classType: "file-log")]
            let node = try DemoNode(settings)
            node.health.memoryUsed = 1_048_576
            node.health.memoryAvailable = 3_145_728
            node.health.load1 = Int32(10 * (number + 1))
            node.start()
            nodes.append((name, node))
        }
        try await wait("the controller does not hear of three nodes") { [controller] in
            controller.domains.values.contains { $0.update.capabilities.nodes == 3 }
        }
        return nodes.map(\.name).joined(separator: " ")
    }

    /// Deploys a workflow with two functions and a resource in a chain.
    ///
    /// - Returns: its id.
    func deploy() async throws -> String {
        func function(_ name: String) -> Specification {
            .function(
                FunctionSpecification(
                    functionClass: FunctionClass(
                        id: name, runtime: "RUST_WASM", version: "0.1",
                        binary: Binary(digest: BinaryInterner.digest(of: [0]), bytes: [0]), outputs: ["out"]),
                    stateID: StateID(high: 0, low: 0)))
        }
        return try await controller.deploy(
            DemoWorkflow(
                "thermometer",
                [
                    DemoWorkflow.Component("sensor", function("sensor"), outputs: ["out": "filter"]),
                    DemoWorkflow.Component("filter", function("filter"), outputs: ["out": "log"]),
                    DemoWorkflow.Component(
                        "log",
                        .resource(ResourceSpecification(classType: "file-log", configuration: ["filename": "t.log"]))),
                ]))
    }

    /// Silences the node with the most functions.
    ///
    /// - Returns: its name and id.
    func kill() throws -> String {
        func load(_ node: DemoNode) -> Int {
            node.components.values.reduce(0) { $0 + ($1.kind == .function ? 100 : 1) }
        }
        guard let place = nodes.indices.max(by: { load(nodes[$0].node) < load(nodes[$1].node) }) else {
            throw Problem(description: "no node has joined")
        }
        let (name, node) = nodes.remove(at: place)
        node.fallSilent()
        return "\(name) \(node.node)"
    }

    /// The number of components on the live nodes.
    var running: Int { nodes.reduce(0) { $0 + $1.node.components.count } }

    func end() async {
        for (_, node) in nodes { await node.stop() }
        await controller.stop()
    }

    private func wait(_ problem: String, _ condition: () -> Bool) async throws {
        for _ in 0..<600 {
            if condition() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw Problem(description: problem)
    }
}
