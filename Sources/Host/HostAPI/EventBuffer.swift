import Ledger
import Synchronization

/// Decisions on their way from the writer's thread to one stream of events. Bounded: a stream that does not keep up ends.
final class EventBuffer: Sendable {
    /// What a stream is woken for.
    enum Wake: Sendable {
        case records([DecisionRecord])
        /// CPUs went offline or came back.
        case machine
        /// Nothing has happened for a while.
        case silence
        /// The stream is over.
        case end
    }

    private struct State {
        var records: [DecisionRecord] = []
        var isMachineNew = false
        var isSilent = false
        var isOver = false
        var waiting: CheckedContinuation<Wake, Never>?

        /// What there is to be woken for.
        mutating func take() -> Wake? {
            if !records.isEmpty {
                defer { records = [] }
                return .records(records)
            }
            if isOver { return .end }
            if isMachineNew {
                isMachineNew = false
                return .machine
            }
            guard isSilent else { return nil }
            isSilent = false
            return .silence
        }
    }

    private let state = Mutex(State())
    /// The most decisions that wait.
    private static let limit = 1_024

    /// Adds decisions; none say that the machine is another one. Returns whether there was room for them; the stream is over
    /// where there was not.
    func add(_ records: [DecisionRecord]) -> Bool {
        change { state in
            guard !state.isOver else { return true }
            if records.isEmpty { state.isMachineNew = true }
            guard state.records.count + records.count <= Self.limit else {
                state.isOver = true
                return false
            }
            state.records += records
            return true
        }
    }

    /// Says that it is time for a sign of life.
    func tick() { change { $0.isSilent = true } }

    /// Ends the stream.
    func end() { change { $0.isOver = true } }

    /// Waits for the next decisions.
    func next() async -> Wake {
        await withCheckedContinuation { continuation in
            let wake: Wake? = state.withLock { state in
                if let wake = state.take() { return wake }
                state.waiting = continuation
                return nil
            }
            if let wake { continuation.resume(returning: wake) }
        }
    }

    private func change<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
        let (result, waiting, wake) = state.withLock { state -> (Result, CheckedContinuation<Wake, Never>?, Wake?) in
            let result = body(&state)
            guard state.waiting != nil, let wake = state.take() else { return (result, nil, nil) }
            defer { state.waiting = nil }
            return (result, state.waiting, wake)
        }
        if let waiting, let wake { waiting.resume(returning: wake) }
        return result
    }
}
