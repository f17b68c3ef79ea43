import Domain
import DomainRuntime

/// The gauges and counters of a domain. Gauges are counted from the records each time, so they cannot drift.
package struct DomainMetrics: Sendable {
    /// The state of a node.
    enum NodeState: String, CaseIterable, Hashable, Sendable {
        /// It receives functions and resources.
        case ready
        /// It has not confirmed its reset yet.
        case joining
        /// It receives nothing new.
        case cordoned
    }

    /// The state of an instance.
    enum InstanceState: String, CaseIterable, Hashable, Sendable {
        /// It runs on a node.
        case placed
        /// It waits for a node.
        case waiting
    }

    struct InstanceGroup: Hashable, Sendable {
        let kind: ComponentKind
        let state: InstanceState
    }

    private(set) var nodes: [NodeState: Int] = [:]
    private(set) var instances: [InstanceGroup: Int] = [:]
    /// Components that run and should not, until they are stopped.
    let orphans: Int
    /// Instances whose node still needs their current wiring.
    let patchesDue: Int
    /// Starts that may have been carried out without an answer, including those in flight.
    let unknownOutcomes: Int
    /// Instances with wired outputs.
    let wirings: Int
    /// Nodes that left and that other nodes may still know.
    let departed: Int
    let counters: DomainCounters
    let canStore: Bool

    /// Counts the records of a snapshot.
    package init(_ snapshot: DomainSnapshot) {
        let records = snapshot.records
        for node in records.nodes.values {
            let state: NodeState =
                records.cordoned.contains(node.id) ? .cordoned : node.isReset ? .ready : .joining
            nodes[state, default: 0] += 1
        }
        for instance in records.instances.values {
            let group = InstanceGroup(
                kind: instance.specification.kind, state: instance.physical == nil ? .waiting : .placed)
            instances[group, default: 0] += 1
        }
        orphans = records.orphans.count
        patchesDue = records.patchesDue.count { records.instances[$0]?.physical != nil }
        unknownOutcomes = records.unknownOutcomes.count
        wirings = records.wirings.count
        departed = records.departed.count
        counters = snapshot.counters
        canStore = snapshot.failure == nil
    }

    func nodes(_ state: NodeState) -> Int { nodes[state] ?? 0 }

    func instances(_ kind: ComponentKind, _ state: InstanceState) -> Int {
        instances[InstanceGroup(kind: kind, state: state)] ?? 0
    }

    /// Instances without a node.
    var waiting: Int { instances(.function, .waiting) + instances(.resource, .waiting) }
}
