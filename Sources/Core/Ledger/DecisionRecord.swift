import Machine

/// One decision as it is committed: the change, and who asked for what, when. The audit log and the stream of events are
/// read from these.
package struct DecisionRecord: Equatable, Sendable {
    /// Its number; 0 until it is committed, and for what changed nothing.
    package var seq: Int64 = 0
    /// When it was decided, in milliseconds since 1970 UTC.
    package let time: Int
    /// Who asked; nil for what Berth decided by itself, such as the end of a lease.
    package let caller: Caller?
    /// What was asked, as the frontend calls it: `allocate_cores`, `expire`.
    package let action: String
    /// The parameters of the request, as the frontend calls them.
    package let parameters: [Parameter]
    /// Whose claim it is about.
    package let holder: Holder
    /// What was decided.
    package let outcome: Outcome
    /// The CPUs that were given.
    package let granted: CPUSet
    /// The CPUs that the holder gave back.
    package let released: CPUSet
    /// The huge pages that the holder gave back.
    package let releasedPages: [PageReservation]
    /// Who lost CPUs to the request, and which.
    package let preempted: [Decision.Preempted]
    /// The new state of the claims involved.
    package let change: LedgerChange

    /// What a decision comes to, in one word.
    package enum Outcome: String, CaseIterable, Sendable {
        /// The holder was given something.
        case granted
        /// The holder is to be given something as soon as the kernel enforces it.
        case preparing
        /// The claim lives longer.
        case renewed
        /// The claim ends as soon as the kernel has undone it.
        case releasing
        /// The holder gave something back.
        case released
        /// The claim ended with its lease.
        case expired
        /// The kernel refused the claim, or drifted from it.
        case failed
        /// The kernel follows the claim again.
        case recovered
        /// The containers of the holder's pod are not what they were.
        case observed
        /// Nothing changed.
        case unchanged
    }

    /// One parameter of a request.
    package struct Parameter: Equatable, Sendable {
        /// Its name.
        package let name: String
        /// Its value.
        package let value: Value

        /// A number or a text.
        package enum Value: Equatable, Sendable {
            case number(Int)
            case text(String)
        }

        /// A number.
        package init(_ name: String, _ value: Int) {
            self.name = name
            self.value = .number(value)
        }

        /// A text.
        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = .text(value)
        }
    }

    /// A record of these parts.
    package init(
        time: Int, caller: Caller?, action: String, parameters: [Parameter] = [], holder: Holder, outcome: Outcome,
        granted: CPUSet = CPUSet(), released: CPUSet = CPUSet(), releasedPages: [PageReservation] = [],
        preempted: [Decision.Preempted] = [], change: LedgerChange
    ) {
        self.time = time
        self.caller = caller
        self.action = action
        self.parameters = parameters
        self.holder = holder
        self.outcome = outcome
        self.granted = granted
        self.released = released
        self.releasedPages = releasedPages
        self.preempted = preempted
        self.change = change
    }

    /// The record of `decision`.
    package init(
        _ decision: Decision, time: Int, caller: Caller?, action: String, parameters: [Parameter] = [], holder: Holder
    ) {
        self.init(
            time: time, caller: caller, action: action, parameters: parameters, holder: holder,
            outcome: Outcome(decision, of: holder),
            granted: decision.granted, released: decision.released, releasedPages: decision.releasedPages,
            preempted: decision.preempted, change: decision.change)
    }
}

extension DecisionRecord.Outcome {
    /// What `decision` on a claim of `holder` comes to.
    fileprivate init(_ decision: Decision, of holder: Holder) {
        guard !decision.change.isEmpty else {
            self = .unchanged
            return
        }
        for event in decision.events {
            switch event {
            case .expired: self = .expired
            case .enforcementFailed: self = .failed
            case .renewed: self = .renewed
            case .recovered: self = .recovered
            case .containersChanged: self = .observed
            default: continue
            }
            return
        }
        switch decision.change.claims.first(where: { $0.holder == holder })?.enforcement?.phase {
        case .preparing: self = .preparing
        case .releasing: self = .releasing
        case .active, nil: self = decision.found ? .released : .granted
        }
    }
}
