/// A node as it is stored: its last description, and how far it has joined.
package struct NodeRecord: Hashable, Sendable {
    /// Which node.
    package let id: NodeID
    /// Identifies this run of the node.
    package var nonce: UInt64
    /// What the node reports about itself.
    package var description: NodeDescription
    /// Its claims on provider names, numbered in the order of all claims in the domain.
    package var claims: [String: UInt64]
    /// Whether the node was told to drop what it ran before. Only then does it receive instances.
    package var isReset = false
    /// Whether it and all other nodes know each other as peers.
    package var isMeshed = false
    /// The latest runs that this one has replaced. A nonce that returns soon belongs to another process with the node's id.
    package var formerNonces: [UInt64] = []

    /// Creates a node record.
    package init(
        id: NodeID, nonce: UInt64, description: NodeDescription, claims: [String: UInt64], isReset: Bool = false,
        isMeshed: Bool = false, formerNonces: [UInt64] = []
    ) {
        self.id = id
        self.nonce = nonce
        self.description = description
        self.claims = claims
        self.isReset = isReset
        self.isMeshed = isMeshed
        self.formerNonces = formerNonces
    }
}

/// A function or resource known to the controller, as it is stored.
package struct InstanceRecord: Hashable, Sendable {
    /// Its logical id.
    package let id: LogicalID
    /// The controller's request.
    package let specification: Specification
    /// Its number in the order of all requests.
    package let created: UInt64
    /// Where it runs; nil while no node can take it.
    package var physical: PhysicalID?

    /// Creates an instance record.
    package init(id: LogicalID, specification: Specification, created: UInt64, physical: PhysicalID?) {
        self.id = id
        self.specification = specification
        self.created = created
        self.physical = physical
    }
}

/// A change of the stored state. Changes carry whole values, so applying one twice has no further effect.
package enum DomainChange: Hashable, Sendable {
    /// The nonce and counter of controller updates, and the limit of reserved numbers.
    case identity(nonce: UInt64, counter: UInt64, sequence: UInt64)
    /// The name of the domain that owns this state.
    case domain(String)
    /// A node joined or changed.
    case node(NodeRecord)
    /// A node left, together with its orphans and unknown outcomes.
    case nodeRemoved(NodeID)
    /// Whether a node receives new instances.
    case cordon(NodeID, Bool)
    /// Whether peers must still forget a node that left.
    case departed(NodeID, Bool)
    /// An instance was created.
    case instance(InstanceRecord)
    /// Where an instance runs; nil for nowhere.
    case placed(LogicalID, PhysicalID?)
    /// An instance was removed.
    case instanceRemoved(LogicalID)
    /// Where the outputs of an instance lead.
    case wiring(LogicalID, [String: LogicalID])
    /// A component runs on a node and should not; false once it is stopped.
    case orphan(PhysicalID, ComponentKind, Bool)
    /// A node has answered the Stop of an orphan with an error, and no earlier Stop can have been carried out.
    case stopFailed(PhysicalID)
    /// Whether the node of an instance still needs its current wiring.
    case patchDue(LogicalID, Bool)
    /// Whether Starts may be in flight to a node.
    case starting(NodeID, Bool)
    /// Whether a node may have carried out a Start without an answer reaching the domain.
    case unknownOutcome(NodeID, Bool)
}

/// Everything a domain stores: the state that survives a restart.
package struct DomainRecords: Hashable, Sendable {
    /// The name of the domain; empty before the first commit.
    package internal(set) var domainID = ""
    /// Drawn once, when the state is created.
    package internal(set) var nonce: UInt64 = 0
    /// Incremented when the capabilities of the domain change.
    package internal(set) var counter: UInt64 = 0
    /// Numbers of instances and claims are below this.
    package internal(set) var sequence: UInt64 = 0
    /// The nodes.
    package internal(set) var nodes: [NodeID: NodeRecord] = [:]
    /// Nodes that receive no new instances; some may be absent.
    package internal(set) var cordoned: Set<NodeID> = []
    /// Nodes that left and that other nodes may still know as peers.
    package internal(set) var departed: Set<NodeID> = []
    /// The functions and resources.
    package internal(set) var instances: [LogicalID: InstanceRecord] = [:]
    /// The wiring of each instance: output channel to target.
    package internal(set) var wirings: [LogicalID: [String: LogicalID]] = [:]
    /// Components that run and should not; each is told to stop until it has stopped.
    package internal(set) var orphans: [PhysicalID: ComponentKind] = [:]
    /// The orphans whose Stop the node has answered with an error when none could have been carried out yet: further errors
    /// do not mean that they have stopped.
    package internal(set) var failedStops: Set<PhysicalID> = []
    /// Instances whose node still needs their current wiring.
    package internal(set) var patchesDue: Set<LogicalID> = []
    /// The nodes to which Starts may be in flight. After a restart, their outcomes are unknown.
    package internal(set) var starting: Set<NodeID> = []
    /// The nodes that may have carried out a Start without an answer, until their next reset.
    package internal(set) var unknownOutcomes: Set<NodeID> = []

    /// Creates empty records.
    package init() {}

    /// Applies a change. A change that names an unknown instance or node has no effect on others.
    package mutating func apply(_ change: DomainChange) {
        switch change {
        case .identity(let nonce, let counter, let sequence):
            (self.nonce, self.counter, self.sequence) = (nonce, counter, sequence)
        case .domain(let name): domainID = name
        case .node(let record): nodes[record.id] = record
        case .nodeRemoved(let id):
            nodes[id] = nil
            starting.remove(id)
            unknownOutcomes.remove(id)
            for physical in orphans.keys where physical.node == id { orphans[physical] = nil }
            failedStops = failedStops.filter { $0.node != id }
        case .cordon(let id, let isCordoned):
            if isCordoned { cordoned.insert(id) } else { cordoned.remove(id) }
        case .departed(let id, let isDeparted):
            if isDeparted { departed.insert(id) } else { departed.remove(id) }
        case .instance(let record): instances[record.id] = record
        case .placed(let id, let physical): instances[id]?.physical = physical
        case .instanceRemoved(let id):
            instances[id] = nil
            wirings[id] = nil
            patchesDue.remove(id)
        case .wiring(let origin, let wiring): wirings[origin] = wiring
        case .orphan(let physical, let kind, let isThere):
            orphans[physical] = isThere ? kind : nil
            if !isThere { failedStops.remove(physical) }
        case .stopFailed(let physical): failedStops.insert(physical)
        case .patchDue(let id, let isDue):
            if isDue { patchesDue.insert(id) } else { patchesDue.remove(id) }
        case .starting(let id, let isStarting):
            if isStarting { starting.insert(id) } else { starting.remove(id) }
        case .unknownOutcome(let id, let isThere):
            if isThere { unknownOutcomes.insert(id) } else { unknownOutcomes.remove(id) }
        }
    }

    /// The changes that recreate these records, in a deterministic order.
    package var snapshot: [DomainChange] {
        var changes = [DomainChange.identity(nonce: nonce, counter: counter, sequence: sequence)]
        if !domainID.isEmpty { changes.append(.domain(domainID)) }
        changes += nodes.values.sorted { $0.id < $1.id }.map { .node($0) }
        changes += cordoned.sorted().map { .cordon($0, true) }
        changes += departed.sorted().map { .departed($0, true) }
        changes += instances.values.sorted { $0.created < $1.created }.map { .instance($0) }
        changes += wirings.sorted { $0.key < $1.key }.map { .wiring($0.key, $0.value) }
        changes += orphans.sorted { $0.key < $1.key }.map { .orphan($0.key, $0.value, true) }
        changes += failedStops.sorted().map { .stopFailed($0) }
        changes += patchesDue.sorted().map { .patchDue($0, true) }
        changes += starting.sorted().map { .starting($0, true) }
        changes += unknownOutcomes.sorted().map { .unknownOutcome($0, true) }
        return changes
    }
}
