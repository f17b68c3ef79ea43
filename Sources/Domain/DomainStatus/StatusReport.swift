import Domain
import DomainRuntime

/// The state of a domain for operators.
///
/// Annotations, configurations and code are never included, because they may contain secrets.
package struct StatusReport: Sendable {
    /// The domain's name.
    package var domainID: String
    /// The version of the program.
    package var version: String
    /// The domain.
    package var snapshot: DomainSnapshot
    /// The state of the Redis mirror; nil if there is none.
    package var redis: RedisState?
    /// When the snapshot was taken, in milliseconds since 1970.
    package var time: Int

    /// Creates a report.
    package init(domainID: String, version: String, snapshot: DomainSnapshot, redis: RedisState?, time: Int) {
        self.domainID = domainID
        self.version = version
        self.snapshot = snapshot
        self.redis = redis
        self.time = time
    }

    /// The state of the Redis mirror.
    package struct RedisState: Hashable, Sendable {
        /// Whether Redis is connected.
        package var isConnected: Bool
        /// When the mirror was last up to date, in milliseconds since 1970; nil for never.
        package var lastSync: Int?
        /// Why its address cannot be used; nil if it can.
        package var problem: String?

        /// Creates a state.
        package init(isConnected: Bool, lastSync: Int?, problem: String? = nil) {
            self.isConnected = isConnected
            self.lastSync = lastSync
            self.problem = problem
        }
    }

    /// A node in a report.
    struct Node {
        let id: NodeID
        let description: NodeDescription
        let isReady: Bool
        let isCordoned: Bool
        let instances: Int

        /// The value of the first label `hostname=…`; empty if there is none.
        var hostname: String { description.capabilities.hostname ?? "" }
    }

    /// The nodes, ordered by id.
    var nodes: [Node] {
        var counts: [NodeID: Int] = [:]
        for instance in snapshot.records.instances.values {
            if let node = instance.physical?.node { counts[node, default: 0] += 1 }
        }
        return snapshot.records.nodes.values.sorted { $0.id < $1.id }.map { node in
            Node(
                id: node.id, description: node.description, isReady: node.isReset,
                isCordoned: snapshot.records.cordoned.contains(node.id), instances: counts[node.id] ?? 0)
        }
    }

    /// The functions and resources, in the order of their requests.
    var instances: [InstanceRecord] { snapshot.records.instances.values.sorted { $0.created < $1.created } }

    /// The metrics of the snapshot.
    var metrics: DomainMetrics { DomainMetrics(snapshot) }
}

extension Specification {
    /// The name of its class.
    var className: String {
        switch self {
        case .function(let function): function.functionClass.id
        case .resource(let resource): resource.classType
        }
    }
}
