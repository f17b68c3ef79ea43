import Domain
import DomainDemo
import DomainRPC
import DomainStore
import DomainWire
import Glibc
import TestSupport
import Testing

/// Too many nodes and too much state, with processes, nodes and real connections.
@Suite(.serialized) struct BoundsScenarioTests {
    /// Registers nodes that nobody knows.
    private struct Registrar {
        let connection: ServerConnection

        init(_ site: DomainSite) throws {
            connection = try ServerConnection(site.nodeRegister, tls: nil, messageLimit: 256 << 20)
        }

        func register(_ number: UInt64, labels: [String] = []) async throws -> DomainRefusal? {
            var capabilities = NodeCapabilities()
            capabilities.labels = labels
            let update = NodeUpdate(
                node: NodeID(high: 99, low: number),
                description: NodeDescription(
                    agentURL: "http://127.0.0.1:9", invocationURL: "http://127.0.0.1:9", capabilities: capabilities),
                refreshDeadline: UInt64(time(nil)) + 4, nonce: number)
            return try await connection.call(within: .seconds(30)) { client, options in
                try await EdgelessApi_NodeRegistration.Client(wrapping: client)
                    .updateNode(EdgelessApi_UpdateNodeRequest(update), options: options)
            }.refusal
        }
    }

    private static func function(_ kilobytes: Int) -> Specification {
        DomainSite.function(["parameter": String(repeating: "x", count: kilobytes << 10)])
    }

    private func end(_ process: Program, _ nodes: [DemoNode]) async throws {
        for node in nodes { await node.stop() }
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
    }

    @Test("a flood of registrations under changing ids is bounded for its address, and known nodes go on being served")
    func flood() async throws {
        let site = try DomainSite()
        try site.write("new_nodes_per_client = 20\ndisconnect_grace_seconds = 60")
        let process = try await site.serve()
        let node = try site.node(1)
        #expect(try await eventually(seconds: 30) { node.peers.count == 1 })
        let client = try OrchestratorClient(url: site.orchestrator)
        _ = try await client.start(DomainSite.function()).get()
        let registrar = try Registrar(site)
        var accepted = 0
        for number in 0..<300 as Range<UInt64> {
            let refusal = try await registrar.register(number)
            guard let refusal else {
                accepted += 1
                continue
            }
            #expect(refusal.summary == "too many new nodes")
            #expect(refusal.detail?.contains("127.0.0.1") == true)
            #expect(refusal.detail?.contains("general.new_nodes_per_client") == true)
        }
        #expect(accepted == 19)
        #expect(process.text.occurrences(of: "new nodes of an address are refused") == 1)
        // The known node refreshes from the same address, and gets what others cannot take.
        #expect(try await node.registerOnce() == nil)
        for _ in 0..<3 { _ = try await client.start(DomainSite.function()).get() }
        #expect(node.components.count == 4)
        #expect(node.calls.count { $0 == .reset } == 1)
        registrar.connection.close()
        client.close()
        try await end(process, [node])
    }

    @Test("a large state loads, and is served")
    func largeState() async throws {
        // A third of it is text. 2 GiB take minutes.
        let bytes = getenv("BERTH_STATE_BYTES").flatMap { Int(String(cString: $0)) } ?? 24 << 20
        let (codes, parameter) = (24, 64 << 10)
        let instances = max(codes, bytes / 3 / parameter)
        let site = try DomainSite()
        let written = try DomainStore.open(directory: "\(site.directory.path)/state", digest: BinaryInterner.digest) {
            Issue.record("\($0)")
        }
        guard case .ready(let store, var records) = written else { throw DomainSite.Silent(description: "no store") }
        let binaries = (0..<codes).map { number in
            let code = [UInt8](repeating: UInt8(number), count: bytes * 2 / 3 / codes)
            return Binary(digest: BinaryInterner.digest(of: code), bytes: code)
        }
        for number in 0..<instances {
            let function = FunctionSpecification(
                functionClass: FunctionClass(
                    id: "f", runtime: "RUST_WASM", version: "1", binary: binaries[number % codes]),
                annotations: ["parameter": String(repeating: "x", count: parameter)], stateID: StateID(high: 1, low: 1))
            let change = DomainChange.instance(
                InstanceRecord(
                    id: LogicalID(high: 0xF00D_0000_0000_4000, low: UInt64(number)), specification: .function(function),
                    created: UInt64(number), physical: nil))
            try store.commit([change], before: records)
            records.apply(change)
        }
        store.maintain(records, isIdle: true)
        store.close(records)
        let begin = ContinuousClock.now
        let process = try site.spawn()
        #expect(try await process.prints("instances=\(instances)", seconds: 900))
        print("a state of \(bytes) bytes: serving after \(ContinuousClock.now - begin)")
        let client = try OrchestratorClient(url: site.orchestrator, within: .seconds(120))
        try await client.stop(LogicalID(high: 0xF00D_0000_0000_4000, low: 0), kind: .function)
        client.close()
        let status = String(decoding: TemporaryDirectory.read("/proc/\(process.pid)/status") ?? [], as: UTF8.self)
        for line in status.split(separator: "\n") where line.hasPrefix("Vm") { print(line) }
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
    }

    @Test("a Start or a registration that would make the state larger than its limit is refused with a reason")
    func state() async throws {
        let site = try DomainSite()
        try site.write("state_limit_bytes = \(1 << 20)")
        let process = try await site.serve()
        let node = try site.node(1)
        #expect(try await eventually(seconds: 30) { node.peers.count == 1 })
        let client = try OrchestratorClient(url: site.orchestrator)
        var ids: [LogicalID] = []
        for _ in 0..<3 { ids.append(try await client.start(Self.function(300)).get()) }
        guard case .failure(let refusal) = try await client.start(Self.function(300)) else {
            Issue.record("a fourth function of 300 KiB was started")
            return
        }
        #expect(refusal.summary == "state too large")
        #expect(refusal.detail?.contains("general.state_limit_bytes is 1048576") == true)
        let registrar = try Registrar(site)
        let large = try await registrar.register(1, labels: [String(repeating: "y", count: 300 << 10)])
        #expect(large?.summary == "state too large")
        // What was there before goes on, and what is stopped makes room.
        #expect(try await registrar.register(2) == nil)
        #expect(try await node.registerOnce() == nil)
        try await client.stop(ids[0], kind: .function)
        _ = try await client.start(Self.function(300)).get()
        #expect(try await eventually(seconds: 30) { node.components.count == 3 })
        registrar.connection.close()
        client.close()
        try await end(process, [node])
    }
}

extension String {
    /// How often a text occurs.
    fileprivate func occurrences(of text: String) -> Int {
        var (count, rest) = (0, self[...])
        while let range = rest.firstRange(of: text) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
