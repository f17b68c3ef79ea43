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
    /// The figures of the request, as the frontend calls them.
    package let parameters: [Parameter]
    /// Whose claim it is about.
    package let holder: Holder
    /// What was decided.
    package let outcome: Outcome
    /// The CPUs that were given.
    package let granted: CPUSet
    /// The CPUs that the holder gave back.
    package let released: CPUSet
    /// Who lost CPUs to the request, and which.
    package let preempted: [Decision.Preempted]
    /// The new state of the claims involved.
    package let change: LedgerChange

    /// What a decision comes to, in one word.
    package enum Outcome: String, Sendable {
        /// The holder was given something.
        case granted
        /// The holder gave something back.
        case released
        /// The claim ended with its lease.
        case expired
        /// The kernel refused the claim, or drifted from it.
        case failed
        /// Nothing changed.
        case unchanged
    }

    /// One figure of a request.
    package struct Parameter: Equatable, Sendable {
        /// Its name.
        package let name: String
        /// Its value.
        package let value: Int

        /// A figure.
        package init(_ name: String, _ value: Int) {
            self.name = name
            self.value = value
        }
    }

    /// A record of these parts.
    package init(
        time: Int, caller: Caller?, action: String, parameters: [Parameter] = [], holder: Holder, outcome: Outcome,
        granted: CPUSet = CPUSet(), released: CPUSet = CPUSet(), preempted: [Decision.Preempted] = [],
        change: LedgerChange
    ) {
        self.time = time
        self.caller = caller
        self.action = action
        self.parameters = parameters
        self.holder = holder
        self.outcome = outcome
        self.granted = granted
        self.released = released
        self.preempted = preempted
        self.change = change
    }

    /// The record of `decision`.
    package init(
        _ decision: Decision, time: Int, caller: Caller?, action: String, parameters: [Parameter] = [], holder: Holder
    ) {
        let outcome: Outcome =
            if decision.change.isEmpty {
                .unchanged
            } else if decision.events.contains(where: { if case .expired = $0 { true } else { false } }) {
                .expired
            } else if decision.events.contains(where: { if case .enforcementFailed = $0 { true } else { false } }) {
                .failed
            } else {
                decision.found ? .released : .granted
            }
        self.init(
            time: time, caller: caller, action: action, parameters: parameters, holder: holder, outcome: outcome,
            granted: decision.granted, released: decision.released, preempted: decision.preempted,
            change: decision.change)
    }
}
