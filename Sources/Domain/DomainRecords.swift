/// A node as it is kept: what it said of itself last, and how far it has come in joining.
public struct NodeRecord: Hashable, Sendable {
    /// Which node.
    public let id: NodeID
    /// The number that tells this run of the node from others.
    public var nonce: UInt64
    /// What it says of itself.
    public var description: NodeDescription
    /// The claims on its providers' names, in the order in which all claims of the domain were made.
    public var claims: [String: UInt64]
    /// Whether it has been told to forget what it ran before: only then is it given anything.
    public var isReset = false
    /// Whether every node knows it as a peer, and it them.
    public var isMeshed = false

    /// A node.
    public init(
        id: NodeID, nonce: UInt64, description: NodeDescription, claims: [String: UInt64], isReset: Bool = false,
        isMeshed: Bool = false
    ) {
        self.id = id
        self.nonce = nonce
        self.description = description
        self.claims = claims
        self.isReset = isReset
        self.isMeshed = isMeshed
    }
}

/// A function or resource that the controller knows, as it is kept.
public struct InstanceRecord: Hashable, Sendable {
    /// Its logical id.
    public let id: LogicalID
    /// What was asked for.
    public let specification: Specification
    /// Its number among all that were ever asked for.
    public let created: UInt64
    /// Where it runs; nil where it is to be started as soon as a node can take it.
    public var physical: PhysicalID?

    /// An instance.
    public init(id: LogicalID, specification: Specification, created: UInt64, physical: PhysicalID?) {
        self.id = id
        self.specification = specification
        self.created = created
        self.physical = physical
    }
}

/// One change of what a domain keeps. Changes carry whole values: to apply one again changes nothing.
public enum DomainChange: Hashable, Sendable {
    /// The nonce and the counter of the updates to the controller, and the number of the next instance or claim.
    case identity(nonce: UInt64, counter: UInt64, sequence: UInt64)
    /// A node joined or changed.
    case node(NodeRecord)
    /// A node left, and with it what ran on it without being wanted or known.
    case nodeRemoved(NodeID)
    /// Whether a node is given nothing new.
    case cordon(NodeID, Bool)
    /// Nodes are to forget a peer that has left; false when all have.
    case departed(NodeID, Bool)
    /// An instance was made.
    case instance(InstanceRecord)
    /// Where an instance runs; nil for nowhere.
    case placed(LogicalID, PhysicalID?)
    /// An instance is no more.
    case instanceRemoved(LogicalID)
    /// Where the outputs of an instance lead.
    case row(LogicalID, [String: LogicalID])
    /// Something runs on a node that should not (false: it does not any more).
    case leftover(PhysicalID, ComponentKind, Bool)
    /// Whether the node of an instance has still to be told where its outputs lead.
    case patchDue(LogicalID, Bool)
    /// How many times a node was asked to start an instance without anybody knowing whether it did; 0 for never.
    case doubt(NodeID, LogicalID, Int)
    /// A node runs nothing that is not known.
    case doubtsCleared(NodeID)
}

/// All that a domain keeps: what survives a restart.
public struct DomainRecords: Hashable, Sendable {
    /// Drawn once, when the state begins.
    public internal(set) var nonce: UInt64 = 0
    /// Rises with each change of the domain's capabilities.
    public internal(set) var counter: UInt64 = 0
    /// The number of the next instance or claim.
    public internal(set) var sequence: UInt64 = 0
    /// The nodes.
    public internal(set) var nodes: [NodeID: NodeRecord] = [:]
    /// The nodes that are given nothing new; some may not be there at present.
    public internal(set) var cordoned: Set<NodeID> = []
    /// Nodes that have left and that others may still know as peers.
    public internal(set) var departed: Set<NodeID> = []
    /// The functions and resources.
    public internal(set) var instances: [LogicalID: InstanceRecord] = [:]
    /// Where outputs lead: channel to target, by origin.
    public internal(set) var rows: [LogicalID: [String: LogicalID]] = [:]
    /// What runs and should not: it is told to stop until it has.
    public internal(set) var leftovers: [PhysicalID: ComponentKind] = [:]
    /// Instances whose node has still to be told where their outputs lead.
    public internal(set) var patchesDue: Set<LogicalID> = []
    /// What may run without anybody knowing its physical id, until its node is next reset: how many of each instance. A Start
    /// that is on its way counts until its answer is here.
    public internal(set) var doubts: [NodeID: [LogicalID: Int]] = [:]

    /// Nothing.
    public init() {}

    /// Carries one change out. Changes that name something unknown change nothing else.
    public mutating func apply(_ change: DomainChange) {
        switch change {
        case .identity(let nonce, let counter, let sequence):
            (self.nonce, self.counter, self.sequence) = (nonce, counter, sequence)
        case .node(let record): nodes[record.id] = record
        case .nodeRemoved(let id):
            nodes[id] = nil
            doubts[id] = nil
            for physical in leftovers.keys where physical.node == id { leftovers[physical] = nil }
        case .cordon(let id, let isCordoned):
            if isCordoned { cordoned.insert(id) } else { cordoned.remove(id) }
        case .departed(let id, let isDeparted):
            if isDeparted { departed.insert(id) } else { departed.remove(id) }
        case .instance(let record): instances[record.id] = record
        case .placed(let id, let physical): instances[id]?.physical = physical
        case .instanceRemoved(let id):
            instances[id] = nil
            rows[id] = nil
            patchesDue.remove(id)
        case .row(let origin, let row): rows[origin] = row
        case .leftover(let physical, let kind, let isThere): leftovers[physical] = isThere ? kind : nil
        case .patchDue(let id, let isDue):
            if isDue { patchesDue.insert(id) } else { patchesDue.remove(id) }
        case .doubt(let node, let id, let count):
            doubts[node, default: [:]][id] = count == 0 ? nil : count
            if doubts[node]?.isEmpty == true { doubts[node] = nil }
        case .doubtsCleared(let node): doubts[node] = nil
        }
    }

    /// The changes that make these records out of nothing, in an order of their own: equal records give equal changes.
    public var snapshot: [DomainChange] {
        var changes = [DomainChange.identity(nonce: nonce, counter: counter, sequence: sequence)]
        changes += nodes.values.sorted { $0.id < $1.id }.map { .node($0) }
        changes += cordoned.sorted().map { .cordon($0, true) }
        changes += departed.sorted().map { .departed($0, true) }
        changes += instances.values.sorted { $0.created < $1.created }.map { .instance($0) }
        changes += rows.sorted { $0.key < $1.key }.map { .row($0.key, $0.value) }
        changes += leftovers.sorted { $0.key < $1.key }.map { .leftover($0.key, $0.value, true) }
        changes += patchesDue.sorted().map { .patchDue($0, true) }
        for (node, doubts) in doubts.sorted(by: { $0.key < $1.key }) {
            changes += doubts.sorted { $0.key < $1.key }.map { .doubt(node, $0.key, $0.value) }
        }
        return changes
    }
}
