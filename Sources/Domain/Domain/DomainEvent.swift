/// What time it is.
package struct Moment: Hashable, Sendable {
    /// A clock that nobody sets, in milliseconds.
    package var monotonic: Int
    /// The wall clock, in milliseconds since 1970.
    package var wall: Int

    /// A time.
    package init(monotonic: Int, wall: Int) {
        self.monotonic = monotonic
        self.wall = wall
    }
}

/// What happens to a domain.
package enum DomainEvent: Hashable, Sendable {
    /// A node registers or refreshes. Where its URLs cannot be used, `problem` is the answer.
    case update(NodeUpdate, problem: DomainRefusal?, RequestID)
    /// The controller asks for a function or resource.
    case start(Specification, RequestID)
    /// The controller wants one stopped.
    case stop(LogicalID)
    /// The controller says where the outputs of one lead.
    case patch(LogicalID, [String: LogicalID])
    /// A call to a node ended.
    case answered(CallID, CallOutcome)
    /// The controller answered the update that was sent with this number.
    case controllerAnswered(UInt64, DomainUpdateOutcome)
    /// An operator wants something.
    case intent(Intent, RequestID)
    /// Some time has passed; at least once a second.
    case tick
}

/// What an operator can ask for.
package enum Intent: Hashable, Sendable {
    /// To move an instance to one of these nodes.
    case migrate(LogicalID, to: [NodeID])
    /// To give a node nothing new, or to give it things again.
    case cordon(NodeID, Bool)
}

/// What a domain wants done. None of it may be done before the changes of the same step, and of all before it, are durable.
package enum DomainEffect: Hashable, Sendable {
    /// A node's agent is to be called; calls of one node in this order.
    case call(NodeCall)
    /// Nothing more is to be asked of a node: what waits is dropped.
    case abandon(NodeID)
    /// The answer to a Start.
    case started(RequestID, Result<LogicalID, DomainRefusal>)
    /// The answer to a node's update; nil where it is accepted.
    case updated(RequestID, DomainRefusal?)
    /// A node that the domain knows has reported: who follows the domain is to be told, after the changes before it.
    case reported(NodeUpdate)
    /// The controller is to be sent an update.
    case updateController(UInt64, DomainUpdate)
    /// What an intent came to; nil where it was carried out.
    case settled(RequestID, DomainRefusal?)
    /// Something that an operator should know.
    case note(DomainNote)
}

/// Something that an operator should know.
package struct DomainNote: Hashable, Sendable {
    /// How much it matters.
    package enum Level: Hashable, Sendable {
        /// What an operator may like to know.
        case info
        /// What has changed in the domain.
        case notice
        /// What an operator should look at.
        case warning
    }

    /// How much it matters.
    package var level: Level
    /// What happened.
    package var text: String
    /// To what.
    package var fields: [String: String]

    init(_ level: Level, _ text: String, _ fields: [String: String] = [:]) {
        self.level = level
        self.text = text
        self.fields = fields
    }
}

/// What a step of a domain came to.
package struct DomainStep: Hashable, Sendable {
    /// Starts that may be sent before anything is kept: that so many may be under way is kept already.
    package var ahead: [NodeCall] = []
    /// What is to be kept first.
    package var changes: [DomainChange] = []
    /// What is to be done then, in order.
    package var effects: [DomainEffect] = []
}

/// The choices of an operator.
package struct DomainOptions: Hashable, Sendable {
    /// How functions are spread.
    package enum Strategy: String, Hashable, Sendable {
        /// By weight.
        case random = "Random"
        /// One node after the other.
        case roundRobin = "RoundRobin"
        /// To the least busy, with room for what the function asks for; not part of the reference.
        case loadAware = "LoadAware"
    }

    /// The domain's name for its controller.
    package var domainID = "domain-7000"
    /// Where the controller reaches it.
    package var orchestratorURL = ""
    /// How often the controller is updated, in seconds.
    package var refreshInterval = 2
    /// How functions are spread.
    package var strategy = Strategy.random
    /// Whether a Start that one node fails is tried on the others before it is answered.
    package var triesNextCandidate = true
    /// The shortest lease of a node, in seconds.
    package var leaseMinimum = 1
    /// The longest, in seconds.
    package var leaseMaximum = 86_400
    /// How long nodes known from before a restart have for their first refresh, in seconds.
    package var recoveryGrace = 30
    /// The most nodes that the domain takes.
    package var nodeLimit = 20_000
    /// Whether an instance that moves is started at its new place before it is stopped at the old one.
    package var makesBeforeBreaking = false

    /// The reference's choices.
    package init() {}
}
