import Domain
import DomainDemo
import DomainRPC
import DomainRuntime
import DomainWire
import Logging
import Synchronization
import TestSupport
import Testing

/// A domain with real connections on every side: controller, orchestrator and nodes.
@Suite struct WholeDomainTests {
    @Test("a workflow is deployed, survives the departure of a node, and is torn down")
    func workflow() async throws {
        let controller = try DemoController()
        let whole = try WholeDomain(controller: controller.registerURL)
        var nodes: [DemoNode] = []
        for number in 1...2 as ClosedRange<UInt64> {
            var settings = DemoNode.Settings(node: NodeID(high: 0, low: number), registerURL: whole.nodeRegister)
            settings.interval = 60
            settings.capabilities.labels = ["red"]
            settings.providers = [ResourceProvider(id: "n\(number)-redis", classType: "redis")]
            nodes.append(try DemoNode(settings))
        }
        for node in nodes { node.start() }
        let workflow = DemoWorkflow(
            "w",
            [
                .init("f1", .function(Sample.function), outputs: ["out": "f2"]),
                .init("f2", .function(Sample.function), outputs: ["out": "r"]), .init("r", .resource(Sample.resource)),
            ])
        try await until {
            let capabilities = controller.domains["domain-7000"]?.update.capabilities
            return capabilities.map { $0.cpus == 2 && workflow.fits($0) } ?? false
        }
        try await until { nodes.allSatisfy { $0.peers.count == 2 } }
        #expect(nodes.allSatisfy { $0.calls.first == .reset })

        let id = try await controller.deploy(workflow)
        #expect(nodes.map(\.components.count).reduce(0, +) == 3)
        try await until { patches(nodes).count >= 2 }

        // One node goes; the other one takes its instances.
        let (lost, survivor) = nodes[0].components.isEmpty ? (nodes[1], nodes[0]) : (nodes[0], nodes[1])
        lost.faults.clockSkew = -1_000
        #expect(try await lost.registerOnce() == nil)
        await lost.stop()
        try await until { survivor.components.count == 3 }
        try await until { survivor.peers.count == 1 }
        await controller.tearDown(id)
        try await until { survivor.components.isEmpty }
        await survivor.stop()
        await whole.stop()
        await controller.stop()
    }

    @Test("of two processes with one node id, the refused one stays refused as long as it refreshes, for hours")
    func twoProcesses() async throws {
        let controller = try DemoController()
        let advance = Mutex(0)
        let whole = try WholeDomain(controller: controller.registerURL) {
            let ahead = advance.withLock { $0 }
            let now = Timestamp.current
            return Timestamp(monotonic: now.monotonic + ahead, wall: now.wall + ahead)
        }
        var settings = DemoNode.Settings(node: NodeID(high: 0, low: 1), registerURL: whole.nodeRegister)
        settings.interval = 60
        settings.capabilities.labels = ["red"]
        let former = try DemoNode(settings)
        let latter = try DemoNode(settings)
        #expect(try await former.registerOnce() == nil)
        try await until { former.calls.contains(.reset) }
        #expect(try await latter.registerOnce() == nil)
        try await until { latter.calls.contains(.reset) }
        guard case .success = try await whole.runtime.start(.function(Sample.function)) else {
            Issue.record("not started")
            return
        }
        for _ in 0..<20 {
            advance.withLock { $0 += 500_000 }
            #expect(try await former.registerOnce()?.summary == "node id in use")
            #expect(try await latter.registerOnce() == nil)
        }
        #expect(latter.calls.count { $0 == .reset } == 1 && latter.components.count == 1)
        #expect(former.calls.count { $0 == .reset } == 1 && former.components.isEmpty)
        // Only after ten minutes of silence it counts as another run of the node.
        advance.withLock { $0 += 601_000 }
        #expect(try await former.registerOnce() == nil)
        await former.stop()
        await latter.stop()
        await whole.stop()
        await controller.stop()
    }

    private func patches(_ nodes: [DemoNode]) -> [NodeCall.Request] {
        nodes.flatMap(\.calls).filter { if case .patch = $0 { true } else { false } }
    }

    /// Waits until a condition holds, up to the test's time limit.
    private func until(_ isSo: () -> Bool) async throws {
        for _ in 0..<3_000 where !isSo() { try await Task.sleep(for: .milliseconds(10)) }
        try #require(isSo())
    }
}

extension NodeAgent: NodeClient {}

/// A complete domain.
private struct WholeDomain {
    struct GRPCDomainTransport: DomainTransport {
        let controller: ControllerClient

        func client(of node: NodeID, at url: String) throws -> any NodeClient {
            try NodeAgent(node: node, url: ServiceURL(url))
        }

        func update(_ update: DomainUpdate) async -> DomainUpdateOutcome {
            await controller.update(update, within: .seconds(5))
        }
    }

    struct Served: DomainService {
        let runtime: DomainRuntime

        func start(_ specification: Specification) async throws -> Result<LogicalID, DomainRefusal> {
            try await runtime.start(specification)
        }

        func stop(_ id: LogicalID, kind: ComponentKind) async throws { try await runtime.stop(id) }

        func patch(_ origin: LogicalID, mapping: [String: LogicalID], kind: ComponentKind) async throws {
            try await runtime.patch(origin, mapping)
        }

        func update(_ update: NodeUpdate, problem: DomainRefusal?) async throws -> DomainRefusal? {
            try await runtime.update(update, problem: problem)
        }
    }

    let runtime: DomainRuntime
    let server: DomainServer
    let controller: ControllerClient

    init(controller url: ServiceURL, now: @escaping @Sendable () -> Timestamp = { .current }) throws {
        // The URL is announced to the controller, so the port must be known first.
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        // On its own address, where no other test can take the port.
        let host = ServiceURL.Host.ipv4("127.0.0.78")
        let port = try Listener(ServiceURL(scheme: .http, host: host, port: 0)).port
        var settings = Serving.settings()
        settings.orchestratorURL = ServiceURL(scheme: .http, host: host, port: port)
        var options = DomainOptions()
        options.orchestratorURL = settings.orchestratorURL.description
        options.refreshInterval = 1
        controller = try ControllerClient(url: url)
        runtime = DomainRuntime(
            records: DomainRecords(), options: options, store: NullRecordStore(),
            transport: GRPCDomainTransport(controller: controller), now: now, logger: logger)
        try runtime.begin()
        server = try DomainServer(Served(runtime: runtime), settings: settings, logger: logger)
    }

    var nodeRegister: ServiceURL {
        ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: server.nodeRegisterPort)
    }

    func stop() async {
        await server.stop(within: .milliseconds(200))
        runtime.stop()
        controller.close()
    }
}

/// Stores nothing.
private final class NullRecordStore: DomainRecordStore {
    var failure: String? { nil }

    func commit(_ changes: [DomainChange], before: DomainRecords) {}

    func maintain(_ records: DomainRecords, isIdle: Bool) {}

    func close(_ records: DomainRecords) {}
}
