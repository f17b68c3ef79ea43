import Domain

/// How often what has happened to a domain since its process began.
package struct DomainCounters: Hashable, Sendable {
    /// What a domain is asked for.
    package enum Request: String, CaseIterable, Hashable, Sendable {
        /// To start a function or resource.
        case start
        /// To stop one.
        case stop
        /// To lead the outputs of one elsewhere.
        case patch
        /// To take what a node says of itself.
        case update
        /// To do what an operator wants.
        case intent
    }

    /// What became of a request.
    package enum Outcome: String, CaseIterable, Hashable, Sendable {
        /// It was done, or is kept and will be.
        case accepted
        /// The domain declined it.
        case refused
        /// It could not be taken: the state could not be stored, or too much waited already.
        case failed
    }

    /// How a call to a node ended.
    package enum CallEnd: String, CaseIterable, Hashable, Sendable {
        /// The node did what it was asked.
        case done
        /// It refuses to start something.
        case refused
        /// It answered with an error.
        case failed
        /// It was never reached.
        case unreachable
        /// Nobody knows.
        case unknown
    }

    /// What the controller answered to an update.
    package enum UpdateEnd: String, CaseIterable, Hashable, Sendable {
        /// That it is accepted.
        case accepted
        /// That it is refused.
        case refused
        /// That all functions and resources are to be stopped.
        case reset
        /// Nothing, or an error.
        case failed
    }

    private struct RequestEnd: Hashable {
        let request: Request
        let outcome: Outcome
    }

    private var requests: [RequestEnd: Int] = [:]
    private var calls: [CallEnd: Int] = [:]
    private var updates: [UpdateEnd: Int] = [:]
    /// Transactions that were kept.
    package private(set) var commits = 0
    /// Transactions that could not be kept.
    package private(set) var failedCommits = 0

    /// Nodes that have left: their leases ended, or they restarted.
    package private(set) var nodesLeft = 0

    /// Since when, in milliseconds since 1970.
    package let began: Int

    /// Nothing has happened yet.
    package init(began: Int = 0) { self.began = began }

    /// How many requests of a kind have ended like this.
    package func requests(_ request: Request, _ outcome: Outcome) -> Int {
        requests[RequestEnd(request: request, outcome: outcome)] ?? 0
    }

    /// How many calls to nodes have ended like this. Calls that were given up because their node left are not counted.
    package func calls(_ end: CallEnd) -> Int { calls[end] ?? 0 }

    /// How many updates to the controller have ended like this.
    package func updates(_ end: UpdateEnd) -> Int { updates[end] ?? 0 }

    /// Counts the end of a request.
    package mutating func count(_ request: Request, _ outcome: Outcome) {
        requests[RequestEnd(request: request, outcome: outcome), default: 0] += 1
    }

    /// Counts the end of a call to a node.
    package mutating func count(_ outcome: CallOutcome) {
        let end: CallEnd =
            switch outcome {
            case .done, .started: .done
            case .refused: .refused
            case .failed: .failed
            case .unreachable: .unreachable
            case .unknown: .unknown
            }
        calls[end, default: 0] += 1
    }

    /// Counts the end of an update to the controller.
    package mutating func count(_ outcome: DomainUpdateOutcome) {
        let end: UpdateEnd =
            switch outcome {
            case .accepted: .accepted
            case .reset: .reset
            case .refused: .refused
            case .failed: .failed
            }
        updates[end, default: 0] += 1
    }

    /// Counts a node that has left.
    package mutating func countNodeLeft() { nodesLeft += 1 }

    /// Counts a transaction.
    package mutating func countCommit(isKept: Bool) {
        if isKept { commits += 1 } else { failedCommits += 1 }
    }
}
