import ArgumentParser
import Domain
import DomainStore
import DomainWire

/// Creates the state directory of a domain that has run for a long time.
struct Prepare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Creates a state directory.")

    @Option(help: "The directory; it must not exist yet.") var directory: String
    @Option(help: "How many nodes, which know each other.") var nodes = 1_000
    @Option(help: "How many functions run on them.") var functions = 100_000
    @Option(help: "The port of all agents.") var agentPort = 9
    @Flag(help: "Something is to be stopped on each node.") var withOrphans = false

    /// How many functions were started since the last snapshot, and how many in each transaction.
    private static let (recent, together) = (5_000, 8)

    func run() async throws {
        let opened = try DomainStore.open(directory: directory, digest: BinaryInterner.digest) { print($0) }
        guard case .ready(let store, var records) = opened, records.nodes.isEmpty else {
            throw Broken("\(directory) cannot be prepared: it holds something")
        }
        func commit(_ changes: [DomainChange]) throws {
            try store.commit(changes, before: records)
            for change in changes { records.apply(change) }
        }
        let made = MadeRecords(nodes: nodes, functions: functions, agentPort: agentPort)
        let early = max(0, functions - Self.recent)
        var changes = made.nodes + (0..<early).flatMap { made.function($0) }
        if withOrphans { changes += (1...nodes).map { made.orphan($0) } }
        // In batches: the size of a record is limited.
        for start in stride(from: 0, to: changes.count, by: 10_000) {
            try commit(Array(changes[start..<min(start + 10_000, changes.count)]))
        }
        for start in stride(from: early, to: functions, by: Self.together) {
            try commit((start..<min(start + Self.together, functions)).flatMap { made.function($0) })
        }
        store.close(records)
        report("prepared", ["instances": Double(records.instances.count)])
    }
}

/// The records of a domain of some size.
struct MadeRecords {
    let nodeCount: Int
    let agentPort: Int
    private let code: FunctionSpecification

    init(nodes: Int, functions: Int, agentPort: Int) {
        nodeCount = nodes
        self.agentPort = agentPort
        code = BenchFunction.specification(state: 0)
    }

    var nodes: [DomainChange] {
        [.identity(nonce: 1, counter: 1, sequence: 1 << 32)]
            + (1...nodeCount).map { number in
                .node(
                    NodeRecord(
                        id: node(number), nonce: 1, description: BareNode.description(port: agentPort), claims: [:],
                        isReset: true, isMeshed: true))
            }
    }

    /// The changes that record a started function.
    func function(_ number: Int) -> [DomainChange] {
        var specification = code
        specification.stateID = StateID(high: 7, low: UInt64(number))
        let id = LogicalID(high: 0xF00D_0000_0000_4000, low: UInt64(number))
        let node = node(number % nodeCount + 1)
        let physical = PhysicalID(node: node, component: ComponentID(high: 0xC0DE, low: UInt64(number)))
        return [
            .instance(
                InstanceRecord(
                    id: id, specification: .function(specification), created: UInt64(number), physical: physical))
        ]
    }

    func orphan(_ number: Int) -> DomainChange {
        .orphan(PhysicalID(node: node(number), component: ComponentID(high: 0xDEAD, low: 1)), .function, true)
    }

    private func node(_ number: Int) -> NodeID { NodeID(high: 0xBE9C, low: UInt64(number)) }
}
