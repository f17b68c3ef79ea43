import Domain

/// Decides how a node is emptied: which of its instances are moved where, and when to give up. What counts is where
/// an instance runs, not how its intent ended. Pure: the caller reads the mirror, submits intents and has a clock.
package struct NodeDrain: Sendable {
    /// Where an instance runs, according to the mirror.
    package enum Place: Hashable, Sendable {
        /// On this node.
        case node(NodeID)
        /// It waits for a node.
        case nowhere
        /// It has been stopped.
        case ended
    }

    /// Why an instance was not moved.
    package enum Remainder: Hashable, Sendable {
        /// It stays on the node.
        case stays(String)
        /// It left the node, and runs nowhere.
        case waits(String)
        /// Its intent is not finished in time.
        case late
    }

    private struct Item {
        let kind: ComponentKind
        let className: String
        /// The nodes that do not take it.
        var refused: Set<NodeID> = []
        var attempts = 0
        /// The targets of its intent.
        var offered: [NodeID] = []
        /// When it is given up, in seconds.
        var deadline = 0.0
        /// When it is tried again, in seconds.
        var due = 0.0
        /// Since when something else moves it, in seconds.
        var busySince: Double?
        /// Why the last intent did not move it.
        var reason = ""
    }

    /// The node.
    package let node: NodeID
    /// How many intents are under way at a time.
    private let atOnce: Int
    /// How long an intent may take, in seconds.
    private let timeout: Double
    private var items: [LogicalID: Item] = [:]
    /// The instances that wait until fewer intents are under way; the next one is the last.
    private var waiting: [LogicalID] = []
    /// The instances whose intents are under way.
    private var submitted: Set<LogicalID> = []
    /// The instances that wait for a node.
    private var settling: Set<LogicalID> = []
    private var targets: [NodeID] = []
    private var providers: [String: Set<NodeID>] = [:]
    /// How many intents were submitted: each begins with another node, so that the instances spread.
    private var turn = 0
    private var lastProgress = 0.0

    /// How many instances have moved to another node.
    package private(set) var moved = 0
    /// The instances that are given up, and why.
    package private(set) var remainders: [LogicalID: Remainder] = [:]

    /// How many intents an instance gets.
    static let attemptLimit = 32
    /// How many targets an intent has.
    static let targetLimit = 256
    /// When an instance that something else moves is tried again, in seconds.
    static let retryInterval = 0.25

    /// Creates a plan for a cordoned node.
    ///
    /// - Parameters:
    ///   - atOnce: how many intents are under way at a time.
    ///   - timeout: how long an intent may take, in seconds.
    package init(of node: NodeID, atOnce: Int, timeout: Double) {
        (self.node, self.atOnce, self.timeout) = (node, atOnce, timeout)
    }

    /// How many instances have not moved.
    package var left: Int { waiting.count + submitted.count + settling.count + remainders.count }

    /// Whether nothing is under way: the mirror should be read again.
    package var isIdle: Bool { waiting.isEmpty && submitted.isEmpty && settling.isEmpty }

    /// The instances whose intents are under way, and those that are moved by something else: the caller asks where
    /// they run.
    package var observed: (submitted: [LogicalID], settling: [LogicalID]) { (submitted.sorted(), settling.sorted()) }

    /// The intent of an instance that is under way.
    package func intent(of id: LogicalID) -> IntentRequest? {
        submitted.contains(id) ? items[id].map { .migrate(id, to: $0.offered) } : nil
    }

    /// Whether no intent was finished for as long as one may take.
    ///
    /// - Parameter now: a monotonic clock, in seconds.
    package func isStalled(at now: Double) -> Bool { !submitted.isEmpty && now - lastProgress > timeout }

    // MARK: - Events

    /// Learns what the mirror contains: nodes, providers and instances.
    ///
    /// - Returns: whether the node runs instances that were not known.
    package mutating func read(_ view: DomainView) -> Bool {
        targets = view.status.filter { $0.key != node && $0.value.isReady && !$0.value.isCordoned }.keys.sorted()
        providers = view.providers.values.reduce(into: [:]) { $0[$1.provider.classType, default: []].insert($1.node) }
        for (id, _) in remainders {
            guard let instance = view.instances[id] else {
                remainders[id] = nil
                continue
            }
            guard !instance.physical.isEmpty, !instance.physical.contains(where: { $0.node == node }) else { continue }
            remainders[id] = nil
            moved += 1
        }
        let known = Set(waiting).union(submitted).union(settling).union(remainders.keys)
        let found = view.instances.values.filter { instance in
            instance.physical.contains { $0.node == node } && !known.contains(instance.id)
        }
        for instance in found where items[instance.id] == nil {
            items[instance.id] = Item(kind: instance.kind, className: instance.className)
        }
        waiting += found.map(\.id).sorted(by: >)
        return !found.isEmpty
    }

    /// The intents to submit now.
    package mutating func next(at now: Double) -> [IntentRequest] {
        if submitted.isEmpty { lastProgress = now }
        var requests: [IntentRequest] = []
        var later: [LogicalID] = []
        while submitted.count < atOnce, let id = waiting.popLast(), var item = items[id] {
            guard item.due <= now else {
                later.append(id)
                continue
            }
            item.offered = offer(item)
            guard !item.offered.isEmpty, item.attempts < Self.attemptLimit else {
                remainders[id] = .stays(reason(item))
                continue
            }
            turn += 1
            item.attempts += 1
            item.deadline = now + timeout
            items[id] = item
            submitted.insert(id)
            requests.append(.migrate(id, to: item.offered))
        }
        waiting += later
        return requests
    }

    /// The intent of an instance has ended, or the instance was looked at.
    ///
    /// - Parameters:
    ///   - outcome: the outcome of its intent; nil if that is under way, or if there is none.
    ///   - place: where it runs.
    package mutating func take(_ id: LogicalID, _ outcome: IntentOutcome?, _ place: Place, at now: Double) {
        guard var item = items[id] else { return }
        if submitted.contains(id) {
            guard let outcome else {
                if now > item.deadline { end(id, .late) }
                return
            }
            lastProgress = now
            item.reason = outcome.reason
        } else if !settling.contains(id) {
            return
        }
        submitted.remove(id)
        settling.remove(id)
        switch place {
        case .node(let other) where other != node:
            moved += 1
            items[id] = nil
        case .ended: items[id] = nil
        case .nowhere:
            if now > item.deadline { return end(id, .waits(item.reason)) }
            items[id] = item
            settling.insert(id)
        case .node:
            if item.reason.hasPrefix("already moving") {
                let since = item.busySince ?? now
                guard now - since <= timeout else { return end(id, .stays(item.reason)) }
                // It is no attempt: nothing was tried.
                item.attempts -= 1
                (item.busySince, item.due) = (since, now + Self.retryInterval)
            } else {
                item.busySince = nil
                item.refused.formUnion(refusing(item))
            }
            items[id] = item
            waiting.append(id)
        }
    }

    private mutating func end(_ id: LogicalID, _ remainder: Remainder) {
        submitted.remove(id)
        settling.remove(id)
        remainders[id] = remainder
    }

    // MARK: - Targets

    /// The targets of the next intent. The domain considers only the first target of a resource.
    private func offer(_ item: Item) -> [NodeID] {
        guard !targets.isEmpty else { return [] }
        let first = turn % targets.count
        let order = [targets[first...], targets[..<first]].joined().lazy.filter { !item.refused.contains($0) }
        switch item.kind {
        case .function: return Array(order.prefix(Self.targetLimit))
        case .resource:
            let able = providers[item.className] ?? []
            return Array(order.filter { able.contains($0) }.prefix(1))
        }
    }

    /// The offered nodes that did not take an instance: all if none can; otherwise the one that the outcome names, or the
    /// first.
    private func refusing(_ item: Item) -> [NodeID] {
        if item.reason.hasPrefix("no valid node found") { return item.offered }
        if let named = item.offered.first(where: { item.reason.contains(" to \($0)") }) { return [named] }
        return Array(item.offered.prefix(1))
    }

    private func reason(_ item: Item) -> String {
        if !item.reason.isEmpty { return item.reason }
        if targets.isEmpty { return "no other node is ready and not cordoned" }
        return "no other node that is ready and not cordoned has a provider of the class \(item.className)"
    }
}

extension NodeDrain.Place {
    /// Where an instance of the mirror runs; nil for one that is not there.
    package init(_ instance: InstanceView?) {
        guard let instance else { self = .ended; return }
        self = instance.physical.first.map { .node($0.node) } ?? .nowhere
    }
}

extension NodeDrain.Remainder: CustomStringConvertible {
    /// The remainder as the end of a sentence about the instance.
    package var description: String {
        switch self {
        case .stays(let reason): "stays: \(reason)"
        case .waits(let reason): "runs on no node: \(reason)"
        case .late: "stays: its intent is not finished in time"
        }
    }
}
