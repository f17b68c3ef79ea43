import Host
import Kernel
import Ledger
import LedgerStore
import Machine
import Synchronization
import TestSupport

/// A host on a store in memory, with a clock that only the test moves.
final class TestHost: Sendable {
    let store: MemoryStore
    let host: Host
    let files: ChangingFiles
    let clock = Clock()

    final class Clock: Sendable {
        let now = Atomic(1_000)
    }

    static let root = Caller(uid: 0, gid: 0, isAdministrator: true, frontend: "test")

    /// 8 CPUs in 4 cores, all isolated.
    init(
        ledger: Ledger = Ledger(), store: MemoryStore = MemoryStore(), enforcer: (any Enforcer)? = nil,
        unenforced: String? = nil, watcher: FakeWatcher? = nil, enforcement: EnforcementPolicy = EnforcementPolicy(),
        isolated: CPUSet = CPUSet(0...7)
    ) throws {
        self.store = store
        let files = ChangingFiles(
            CapturedFiles(CapturedFiles.Shape(coresPerNode: 4, threadsPerCore: 2, isolated: isolated)))
        self.files = files
        let reports = ReportBox()
        host = try Host(
            ledger: ledger, store: store, machine: HostMachine(files: files), enforcer: enforcer,
            unenforced: unenforced, watcher: watcher, enforcement: enforcement,
            clock: { [clock] in clock.now.load(ordering: .relaxed) },
            onDecisions: { reports.add($0) })
        box = reports
    }

    private let box: ReportBox

    /// What was reported so far.
    var reported: [Host.Report] { box.all }

    private final class ReportBox: Sendable {
        private let reports = Mutex<[Host.Report]>([])
        func add(_ new: [Host.Report]) { reports.withLock { $0 += new } }
        var all: [Host.Report] { reports.withLock { $0 } }
    }

    /// Submits a request; the result is in the returned box when it is there.
    func submit(_ request: Request, action: String = "test") -> Pending {
        let pending = Pending()
        host.submit(Submission(request, by: Self.root, action: action)) { pending.set($0) }
        return pending
    }

    func cores(_ name: String, _ count: Int, lease: Lease? = nil, isEnforced: Bool = false) -> Pending {
        submit(
            .claim(
                ClaimRequest(
                    holder: Holder(kind: .run, name: name), cpus: CPURequest(.count(count)), lease: lease,
                    enforcement: isEnforced ? EnforcementRequest() : nil)))
    }

    func move(to now: Int) {
        clock.now.store(now, ordering: .relaxed)
        host.checkLeases()
    }
}

/// The answer to a request, which comes on another thread.
final class Pending: Sendable {
    private let result = Mutex<Result<Host.Outcome, Host.Failure>?>(nil)

    func set(_ value: Result<Host.Outcome, Host.Failure>) { result.withLock { $0 = value } }

    var isAnswered: Bool { result.withLock { $0 != nil } }

    /// Waits for the answer.
    func answer() async throws -> Result<Host.Outcome, Host.Failure> {
        _ = try await eventually { self.isAnswered }
        guard let value = result.withLock({ $0 }) else { throw NoAnswer() }
        return value
    }

    /// Waits for an answer that grants.
    @discardableResult
    func outcome() async throws -> Host.Outcome { try await answer().get() }

    /// Waits for an answer that refuses.
    func failure() async throws -> Host.Failure? {
        if case .failure(let failure) = try await answer() { failure } else { nil }
    }

    struct NoAnswer: Error {}
}
