import KubernetesClient
import Synchronization
import TestSupport

/// A system whose time passes only where a test says so, with files of its own.
final class ManualSystem: Sendable {
    private struct State {
        var now = Duration.zero
        var sleepers: [Int: (until: Duration, continuation: CheckedContinuation<Void, any Error>)] = [:]
        var next = 0
        var files: [String: String] = [:]
        var variables: [String: String] = [:]
        var reads = 0
        var random = SeededRandom(seed: 1)
        var calls: [ProgramCall] = []
    }

    private let state = Mutex(State())
    /// What programs come to.
    let program: @Sendable (ProgramCall) throws -> ProgramResult

    init(
        files: [String: String] = [:], variables: [String: String] = [:],
        program: @escaping @Sendable (ProgramCall) throws -> ProgramResult = { _ in
            throw SystemFailure(description: "no programs here")
        }
    ) {
        self.program = program
        state.withLock {
            $0.files = files
            $0.variables = variables
        }
    }

    var now: Duration { state.withLock { $0.now } }
    var reads: Int { state.withLock { $0.reads } }
    var calls: [ProgramCall] { state.withLock { $0.calls } }
    var sleepers: Int { state.withLock { $0.sleepers.count } }
    /// Until when they sleep.
    var wakings: [Duration] { state.withLock { $0.sleepers.values.map(\.until).sorted() } }

    func write(_ file: String, _ text: String?) { state.withLock { $0.files[file] = text } }

    /// Lets time pass, and wakes who has slept long enough.
    func advance(by duration: Duration) {
        let woken = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
            state.now += duration
            let due = state.sleepers.filter { $0.value.until <= state.now }
            for (id, _) in due { state.sleepers[id] = nil }
            return due.sorted { ($0.value.until, $0.key) < ($1.value.until, $1.key) }.map(\.value.continuation)
        }
        for continuation in woken { continuation.resume() }
    }

    var access: SystemAccess {
        SystemAccess(
            now: { self.now },
            wallClock: { Timestamp(microseconds: 1_700_000_000_000_000 + Int(self.now / .microseconds(1))) },
            sleep: { try await self.sleep($0) },
            random: { self.state.withLock { $0.random.next() } },
            readFile: { path in
                try self.state.withLock { state in
                    state.reads += 1
                    guard let text = state.files[path] else { throw SystemFailure.noSuchFile }
                    return Array(text.utf8)
                }
            },
            variable: { name in self.state.withLock { $0.variables[name] } },
            run: { call in
                self.state.withLock { $0.calls.append(call) }
                return try self.program(call)
            })
    }

    private func sleep(_ duration: Duration) async throws {
        let id = state.withLock { state -> Int in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let isOver = state.withLock { state -> Bool in
                    guard duration > .zero else { return true }
                    state.sleepers[id] = (state.now + duration, continuation)
                    return false
                }
                if isOver { continuation.resume() }
                if Task.isCancelled { wake(id) }
            }
        } onCancel: {
            wake(id)
        }
    }

    private func wake(_ id: Int) {
        let continuation = state.withLock { $0.sleepers.removeValue(forKey: id)?.continuation }
        continuation?.resume(throwing: CancellationError())
    }
}
