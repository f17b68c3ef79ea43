import Dispatch
import Ledger
import LedgerStore
import Synchronization

/// A store in memory that a test can make fail or hang.
final class MemoryStore: DecisionStore, Sendable {
    struct State {
        /// The transactions, each with its records.
        var transactions: [[DecisionRecord]] = []
        var isFailing = false
        var isHanging = false
        /// How many commits have begun.
        var begun = 0
    }

    let state = Mutex(State())
    private let released = DispatchSemaphore(value: 0)
    private let sequence = Atomic<Int64>(0)

    var corruption: CommitError? { nil }
    var failure: String? { state.withLock { $0.isFailing ? "no room" : nil } }

    var transactions: [[DecisionRecord]] { state.withLock { $0.transactions } }
    var records: [DecisionRecord] { transactions.flatMap(\.self) }

    /// Holds every commit up until ``release()``.
    func hang() { state.withLock { $0.isHanging = true } }

    func release() {
        state.withLock { $0.isHanging = false }
        released.signal()
    }

    func commit(_ records: [DecisionRecord], before: Ledger) throws(CommitError) -> Int64 {
        let hangs = state.withLock { state in
            state.begun += 1
            return state.isHanging
        }
        if hangs { released.wait() }
        guard !state.withLock({ $0.isFailing }) else { throw .failed("no room") }
        guard !records.isEmpty else { return sequence.load(ordering: .relaxed) }
        let last = sequence.add(Int64(records.count), ordering: .relaxed).newValue
        let first = last - Int64(records.count) + 1
        state.withLock { state in
            state.transactions.append(
                records.enumerated().map { offset, record in
                    var record = record
                    record.seq = first + Int64(offset)
                    return record
                })
        }
        return first
    }

    func decisions(from start: HistoryStart, limit: Int) throws(CommitError) -> [DecisionRecord] {
        switch start {
        case .after(let seq): Array(records.filter { $0.seq > seq }.prefix(limit))
        case .newest(let count): Array(records.suffix(count).prefix(limit))
        }
    }

    var oldest: Int64 { records.first?.seq ?? 0 }

    func maintain(_ ledger: Ledger, isIdle: Bool) {}
    func close(_ ledger: Ledger) {}
}
