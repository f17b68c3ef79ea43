/// The current time on two clocks.
package struct Timestamp: Hashable, Sendable {
    /// A monotonic clock, in milliseconds.
    package var monotonic: Int
    /// The wall clock, in milliseconds since 1970.
    package var wall: Int

    /// Creates a timestamp.
    package init(monotonic: Int, wall: Int) {
        self.monotonic = monotonic
        self.wall = wall
    }
}

/// An event that a domain handles.
package enum DomainEvent: Hashable, Sendable {
    /// A node registers or refreshes. `problem` is set if its URLs cannot be used; the node is then refused with it.
    case update(NodeUpdate, problem: DomainRefusal?, RequestID)
    /// The controller requests a function or resource.
    case start(Specification, RequestID)
    /// The controller stops an instance.
    case stop(LogicalID)
    /// The controller sets the wiring of an instance.
    case patch(LogicalID, [String: LogicalID])
    /// A call to a node ended.
    case answered(CallID, CallOutcome)
    /// The controller answered the update with this number.
    case controllerAnswered(UInt64, DomainUpdateOutcome)
    /// An operator submitted an intent.
    case intent(Intent, RequestID)
    /// Time passed; sent at least once a second.
    case tick
}

/// What an operator can request.
package enum Intent: Hashable, Sendable {
    /// Move an instance to one of these nodes.
    case migrate(LogicalID, to: [NodeID])
    /// Stop giving a node new instances, or allow it again.
    case cordon(NodeID, Bool)
}

/// What the caller must do after a step. Effects of a step are carried out only after its changes, and all earlier
/// ones, are durable.
package enum DomainEffect: Hashable, Sendable {
    /// Call a node. The calls of one node keep this order, except that peer updates do not delay others.
    case call(NodeCall)
    /// Do not make a call that still waits for its turn. A Start that is not made is answered with
    /// ``CallOutcome/dropped``; nobody waits for the answer to another call.
    case drop(CallID, of: NodeID)
    /// Drop the queued calls of a node.
    case abandon(NodeID)
    /// The answer to a Start.
    case started(RequestID, Result<LogicalID, DomainRefusal>)
    /// The answer to a node's update; nil if it is accepted.
    case updated(RequestID, DomainRefusal?)
    /// A known node has reported. Observers receive it after the changes before it.
    case reported(NodeUpdate)
    /// Send the controller an update.
    case updateController(UInt64, DomainUpdate)
    /// The outcome of an intent; nil if it was carried out.
    case intentFinished(RequestID, DomainRefusal?)
    /// So many missing nodes keep their instances for now, because most nodes are missing.
    case evictionsDelayed(Int)
    /// Write a log message.
    case log(LogMessage)
}

/// A log message for the operator.
package struct LogMessage: Hashable, Sendable {
    /// The severity of the message.
    package enum Level: Hashable, Sendable {
        /// Details that an operator may want to see.
        case info
        /// The domain changed.
        case notice
        /// An operator should look into this.
        case warning
    }

    /// The severity.
    package var level: Level
    /// What happened.
    package var text: String
    /// The nodes, instances and reasons involved.
    package var fields: [String: String]

    init(_ level: Level, _ text: String, _ fields: [String: String] = [:]) {
        self.level = level
        self.text = text
        self.fields = fields
    }
}

/// The result of a step.
package struct DomainStep: Hashable, Sendable {
    /// Starts that may be sent before the commit, because it is stored that their node is starting something.
    package var callsBeforeCommit: [NodeCall] = []
    /// The changes to commit first.
    package var changes: [DomainChange] = []
    /// The effects to carry out afterwards, in order.
    package var effects: [DomainEffect] = []
}

extension DomainStep {
    /// The calls that are made only after the commit.
    package var callsAfterCommit: [CallID] {
        effects.compactMap { if case .call(let call) = $0 { call.id } else { nil } }
    }

    /// Whether the step can be carried out without a commit: it changes nothing and calls no node.
    package var needsNoCommit: Bool {
        changes.isEmpty
            && effects.allSatisfy { effect in
                if case .call = effect { false } else { true }
            }
    }
}

extension DomainRecords {
    /// Which steps of a failed commit are carried out all the same: those that need no commit, and say nothing that
    /// rests on what is lost. A refresh of a node as it is stored rests on nothing else.
    ///
    /// - Parameter steps: the steps in order; the records have none of their changes.
    package func bearsOut(_ steps: [DomainStep]) -> [Bool] {
        let firstLost = steps.firstIndex { !$0.changes.isEmpty } ?? steps.endIndex
        return steps.indices.map { index in
            steps[index].needsNoCommit && (index < firstLost || isRefreshOfStoredNode(steps[index]))
        }
    }

    private func isRefreshOfStoredNode(_ step: DomainStep) -> Bool {
        step.effects.contains { effect in
            guard case .reported(let update) = effect, let node = nodes[update.node] else { return false }
            return node.nonce == update.nonce && node.description == update.description
        }
    }
}

/// The configuration of a domain.
package struct DomainOptions: Hashable, Sendable {
    /// How functions are distributed over nodes.
    package enum Strategy: String, Hashable, Sendable {
        /// By weight.
        case random = "Random"
        /// One node after the other.
        case roundRobin = "RoundRobin"
        /// The least busy node with room for the function; an extension of Berth.
        case loadAware = "LoadAware"
    }

    /// The name of the domain at its controller.
    package var domainID = "domain-7000"
    /// Where the controller reaches the domain.
    package var orchestratorURL = ""
    /// The interval of controller updates, in seconds.
    package var refreshInterval = 2
    /// How functions are distributed over nodes.
    package var strategy = Strategy.random
    /// Whether a Start that one node fails is tried on the others before it is answered.
    package var triesNextCandidate = true
    /// The shortest lease of a node, in seconds.
    package var leaseMinimum = 1
    /// The longest lease of a node, in seconds.
    package var leaseMaximum = 86_400
    /// How long nodes have to refresh after a restart of the orchestrator, in seconds.
    package var recoveryGrace = 30
    /// How long after its lease a node may return without a reset, in seconds; 0 for never, as EDGELESS.
    package var disconnectGrace = 0
    /// How many nodes may lose their instances every ten seconds while most nodes are missing.
    package var evictionsPerInterval = 5
    /// The maximum number of nodes.
    package var nodeLimit = 20_000
    /// How many unknown nodes may register from one address in ten minutes.
    package var newNodesPerClient = 5_000
    /// The maximum size of the stored state, in bytes: texts and the code of functions.
    package var stateLimit = 4 << 30
    /// Whether a migration starts the new instance before it stops the old one.
    package var makesBeforeBreaking = false

    /// The defaults of EDGELESS.
    package init() {}
}
