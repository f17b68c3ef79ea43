import Domain

/// Event counters since the process started.
package struct DomainCounters: Hashable, Sendable {
    /// The kinds of requests.
    package enum Request: String, CaseIterable, Hashable, Sendable {
        /// Start a function or resource.
        case start
        /// Stop an instance.
        case stop
        /// Change the wiring of an instance.
        case patch
        /// Register or refresh a node.
        case update
        /// Carry out an operator's intent.
        case intent
    }

    /// The outcome of a request.
    package enum Outcome: String, CaseIterable, Hashable, Sendable {
        /// It was carried out, or is committed and will be.
        case accepted
        /// The domain refused it.
        case refused
        /// The state could not be stored, or too many requests were waiting.
        case failed
    }

    /// The outcome of a call to a node.
    package enum CallEnd: String, CaseIterable, Hashable, Sendable {
        /// The node did what it was asked.
        case done
        /// The node refused to start an instance.
        case refused
        /// The node returned an error.
        case failed
        /// The node was not reached.
        case unreachable
        /// The call may have been carried out.
        case unknown
    }

    /// The outcome of a controller update.
    package enum UpdateEnd: String, CaseIterable, Hashable, Sendable {
        /// The controller accepted it.
        case accepted
        /// The controller refused it.
        case refused
        /// The controller reset the domain.
        case reset
        /// There was no answer, or an error.
        case failed
    }

    private struct RequestEnd: Hashable {
        let request: Request
        let outcome: Outcome
    }

    private var requests: [RequestEnd: Int] = [:]
    private var calls: [CallEnd: Int] = [:]
    private var updates: [UpdateEnd: Int] = [:]
    /// Successful transactions.
    package private(set) var commits = 0
    /// Failed transactions.
    package private(set) var failedCommits = 0

    /// Nodes that left: their leases expired, they said so, or they restarted.
    package private(set) var nodesLeft = 0

    /// Missing nodes that keep their instances for now, because most nodes are missing.
    package var evictionsDelayed = 0

    /// Nodes that refresh but have not answered a call.
    package var nodesSuspect = 0

    /// When counting began, in milliseconds since 1970.
    package let began: Int

    /// Creates counters that are all zero.
    package init(began: Int = 0) { self.began = began }

    /// The number of requests of a kind with this outcome.
    package func requests(_ request: Request, _ outcome: Outcome) -> Int {
        requests[RequestEnd(request: request, outcome: outcome)] ?? 0
    }

    /// The number of calls with this outcome. Calls that were not made, because their node left or nobody needed them any
    /// more, are not counted.
    package func calls(_ end: CallEnd) -> Int { calls[end] ?? 0 }

    /// The number of controller updates with this outcome.
    package func updates(_ end: UpdateEnd) -> Int { updates[end] ?? 0 }

    /// Counts a request.
    package mutating func count(_ request: Request, _ outcome: Outcome) {
        requests[RequestEnd(request: request, outcome: outcome), default: 0] += 1
    }

    /// Counts a call to a node.
    package mutating func count(_ outcome: CallOutcome) {
        let end: CallEnd? =
            switch outcome {
            case .done, .started: .done
            case .refused: .refused
            case .failed: .failed
            case .unreachable: .unreachable
            case .unknown: .unknown
            // The outcome follows.
            case .overdue: nil
            case .dropped: nil
            }
        if let end { calls[end, default: 0] += 1 }
    }

    /// Counts a controller update.
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
    package mutating func countCommit(succeeded: Bool) {
        if succeeded { commits += 1 } else { failedCommits += 1 }
    }
}
