/// A node as it is kept: what it said of itself last, and how far it has come in joining.
package struct NodeRecord: Hashable, Sendable {
    /// Which node.
    package let id: NodeID
    /// The number that tells this run of the node from others.
    package var nonce: UInt64
    /// What it says of itself.
    package var description: NodeDescription
    /// The claims on its providers' names, in the order in which all claims of the domain were made.
    package var claims: [String: UInt64]
    /// Whether it has been told to forget what it ran before: only then is it given anything.
    package var isReset = false
    /// Whether every node knows it as a peer, and it them.
    package var isMeshed = false

    /// A node.
    package init(
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
package struct InstanceRecord: Hashable, Sendable {
    /// Its logical id.
    package let id: LogicalID
    /// What was asked for.
    package let specification: Specification
    /// Its number among all that were ever asked for.
    package let created: UInt64
    /// Where it runs; nil where it is to be started as soon as a node can take it.
    package var physical: PhysicalID?

    /// An instance.
    package init(id: LogicalID, specification: Specification, created: UInt64, physical: PhysicalID?) {
        self.id = id
        self.specification = specification
        self.created = created
        self.physical = physical
    }
}

/// One change of what a domain keeps. Changes carry whole values: to apply one again changes nothing.
package enum DomainChange: Hashable, Sendable {
    /// The nonce and the counter of the updates to the controller, and which numbers instances and claims may have.
    case identity(nonce: UInt64, counter: UInt64, sequence: UInt64)
    /// Whose state this is: the domain's name.
    case domain(String)
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
    /// How many Starts may be under way to a node.
    case allowance(NodeID, Int)
    /// How many Starts a node may have carried out without anybody knowing.
    case doubts(NodeID, Int)
}

/// All that a domain keeps: what survives a restart.
package struct DomainRecords: Hashable, Sendable {
    /// The domain's name; empty where nothing was kept yet.
    package internal(set) var domainID = ""
    /// Drawn once, when the state begins.
    package internal(set) var nonce: UInt64 = 0
    /// Rises with each change of the domain's capabilities.
    package internal(set) var counter: UInt64 = 0
    /// Instances and claims have numbers below this.
    package internal(set) var sequence: UInt64 = 0
    /// The nodes.
    package internal(set) var nodes: [NodeID: NodeRecord] = [:]
    /// The nodes that are given nothing new; some may not be there at present.
    package internal(set) var cordoned: Set<NodeID> = []
    /// Nodes that have left and that others may still know as peers.
    package internal(set) var departed: Set<NodeID> = []
    /// The functions and resources.
    package internal(set) var instances: [LogicalID: InstanceRecord] = [:]
    /// Where outputs lead: channel to target, by origin.
    package internal(set) var rows: [LogicalID: [String: LogicalID]] = [:]
    /// What runs and should not: it is told to stop until it has.
    package internal(set) var leftovers: [PhysicalID: ComponentKind] = [:]
    /// Instances whose node has still to be told where their outputs lead.
    package internal(set) var patchesDue: Set<LogicalID> = []
    /// How many Starts may be under way to each node: what a restart finds here may run without anybody knowing.
    package internal(set) var allowances: [NodeID: Int] = [:]
    /// How many instances may run without anybody knowing their physical ids, until their node is next reset.
    package internal(set) var doubts: [NodeID: Int] = [:]

    /// Nothing.
    package init() {}

    /// Carries one change out. Changes that name something unknown change nothing else.
    package mutating func apply(_ change: DomainChange) {
        switch change {
        case .identity(let nonce, let counter, let sequence):
            (self.nonce, self.counter, self.sequence) = (nonce, counter, sequence)
        case .domain(let name): domainID = name
        case .node(let record): nodes[record.id] = record
        case .nodeRemoved(let id):
            nodes[id] = nil
            allowances[id] = nil
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
        case .allowance(let node, let count): allowances[node] = count == 0 ? nil : count
        case .doubts(let node, let count): doubts[node] = count == 0 ? nil : count
        }
    }

    /// The changes that make these records out of nothing, in an order of their own: equal records give equal changes.
    package var snapshot: [DomainChange] {
        var changes = [DomainChange.identity(nonce: nonce, counter: counter, sequence: sequence)]
        if !domainID.isEmpty { changes.append(.domain(domainID)) }
        changes += nodes.values.sorted { $0.id < $1.id }.map { .node($0) }
        changes += cordoned.sorted().map { .cordon($0, true) }
        changes += departed.sorted().map { .departed($0, true) }
        changes += instances.values.sorted { $0.created < $1.created }.map { .instance($0) }
        changes += rows.sorted { $0.key < $1.key }.map { .row($0.key, $0.value) }
        changes += leftovers.sorted { $0.key < $1.key }.map { .leftover($0.key, $0.value, true) }
        changes += patchesDue.sorted().map { .patchDue($0, true) }
        changes += allowances.sorted { $0.key < $1.key }.map { .allowance($0.key, $0.value) }
        changes += doubts.sorted { $0.key < $1.key }.map { .doubts($0.key, $0.value) }
        return changes
    }
}
