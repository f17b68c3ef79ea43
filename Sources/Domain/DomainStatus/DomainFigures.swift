import Domain
import DomainRuntime

/// How much there is of what in a domain, counted anew from its records each time, so that no figure can drift.
package struct DomainFigures: Sendable {
    /// What a node can be; each is one of these.
    enum NodeState: String, CaseIterable, Hashable, Sendable {
        /// It is given functions and resources.
        case ready
        /// It has not confirmed yet that it has forgotten what it ran before.
        case joining
        /// It is given nothing new, as an operator wants.
        case cordoned
    }

    /// Where an instance can be; each is one of these.
    enum InstanceState: String, CaseIterable, Hashable, Sendable {
        /// On a node.
        case placed
        /// Nowhere, until a node can take it.
        case waiting
    }

    struct InstanceGroup: Hashable, Sendable {
        let kind: ComponentKind
        let state: InstanceState
    }

    private(set) var nodes: [NodeState: Int] = [:]
    private(set) var instances: [InstanceGroup: Int] = [:]
    /// What runs and should not, until it has been stopped.
    let leftovers: Int
    /// Instances whose node has still to be told where their outputs lead.
    let patchesDue: Int
    /// Starts of which nobody knows whether they were carried out, those that are on their way among them.
    let doubts: Int
    /// Instances whose outputs lead somewhere.
    let rows: Int
    /// Nodes that have left and that others may still know.
    let departed: Int
    let counters: DomainCounters
    let canStore: Bool

    /// Counts.
    package init(_ view: DomainSnapshot) {
        let records = view.records
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
        leftovers = records.leftovers.count
        patchesDue = records.patchesDue.count { records.instances[$0]?.physical != nil }
        doubts = records.doubts.values.reduce(0, +)
        rows = records.rows.count
        departed = records.departed.count
        counters = view.counters
        canStore = view.failure == nil
    }

    func nodes(_ state: NodeState) -> Int { nodes[state] ?? 0 }

    func instances(_ kind: ComponentKind, _ state: InstanceState) -> Int {
        instances[InstanceGroup(kind: kind, state: state)] ?? 0
    }

    /// Instances that run nowhere.
    var waiting: Int { instances(.function, .waiting) + instances(.resource, .waiting) }
}
