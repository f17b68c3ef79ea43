import Domain
import DomainRuntime

/// A domain at one moment, with all that operators are shown of it.
///
/// Annotations, configurations and code of functions and resources are never shown: they may hold secrets.
package struct StatusReport: Sendable {
    /// The domain's name.
    package var domainID: String
    /// The version of the program.
    package var version: String
    /// What it is.
    package var view: DomainSnapshot
    /// How its mirror in Redis fares; nil where there is none.
    package var redis: RedisState?
    /// When that was, in milliseconds since 1970.
    package var time: Int

    /// A report of these.
    package init(domainID: String, version: String, view: DomainSnapshot, redis: RedisState?, time: Int) {
        self.domainID = domainID
        self.version = version
        self.view = view
        self.redis = redis
        self.time = time
    }

    /// How a domain's mirror in Redis fares.
    package struct RedisState: Hashable, Sendable {
        /// Whether there is a connection.
        package var isConnected: Bool
        /// When Redis last had all there was to show, in milliseconds since 1970; nil for never.
        package var lastSync: Int?

        /// A state of these.
        package init(isConnected: Bool, lastSync: Int?) {
            self.isConnected = isConnected
            self.lastSync = lastSync
        }
    }

    /// A node as it is shown.
    struct Node {
        let id: NodeID
        let description: NodeDescription
        let isReady: Bool
        let isCordoned: Bool
        let instances: Int

        /// The first label `hostname=…`, without that; empty where there is none.
        var hostname: String {
            let prefix = "hostname="
            return description.capabilities.labels.first { $0.hasPrefix(prefix) }.map {
                String($0.dropFirst(prefix.count))
            }
                ?? ""
        }
    }

    /// The nodes by their ids.
    var nodes: [Node] {
        var counts: [NodeID: Int] = [:]
        for instance in view.records.instances.values {
            if let node = instance.physical?.node { counts[node, default: 0] += 1 }
        }
        return view.records.nodes.values.sorted { $0.id < $1.id }.map { node in
            Node(
                id: node.id, description: node.description, isReady: node.isReset,
                isCordoned: view.records.cordoned.contains(node.id), instances: counts[node.id] ?? 0)
        }
    }

    /// The functions and resources in the order in which they were asked for.
    var instances: [InstanceRecord] { view.records.instances.values.sorted { $0.created < $1.created } }

    /// How much there is of what.
    var figures: DomainFigures { DomainFigures(view) }
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
