import KubernetesClient
import Synchronization

/// What is asked for over gRPC: calls that wait for the worker of their pod, and what they have come to.
final class Pinnings: Sendable {
    /// What a call asks for.
    enum Demand: Equatable, Sendable {
        case apply(PodSituation.Pinning)
        case remove

        var state: PodSituation.PinningState {
            switch self {
            case .apply(let pinning): .wanted(pinning)
            case .remove: .removed
            }
        }
    }

    /// A call that waits for its outcome.
    final class Call: Sendable {
        let pod: ObjectKey
        let demand: Demand
        fileprivate let continuation: CheckedContinuation<String?, Never>

        fileprivate init(_ pod: ObjectKey, _ demand: Demand, _ continuation: CheckedContinuation<String?, Never>) {
            self.pod = pod
            self.demand = demand
            self.continuation = continuation
        }
    }

    private struct State {
        var known: [ObjectKey: PodSituation.PinningState] = [:]
        var calls: [ObjectKey: [Call]] = [:]
        /// Why no call is taken; nil while the workers run.
        var closed: String? = "the agent has not read the cluster's objects yet"
    }

    private let state = Mutex(State())
    private let add: @Sendable (ObjectKey) -> Void

    /// - Parameter add: has a worker look at a pod.
    init(add: @escaping @Sendable (ObjectKey) -> Void) { self.add = add }

    /// Takes calls from now on.
    func open() { state.withLock { $0.closed = nil } }

    /// Whether calls are taken.
    var isOpen: Bool { state.withLock { $0.closed == nil } }

    /// Takes none any more, and ends those that wait.
    func close(_ reason: String) {
        let calls = state.withLock { state in
            state.closed = reason
            defer { state.calls = [:] }
            return state.calls.values.joined().map(\.self)
        }
        for call in calls { call.continuation.resume(returning: reason) }
    }

    /// Has the demand carried out.
    ///
    /// - Returns: why it was not; nil where it was.
    func ask(_ demand: Demand, for pod: ObjectKey) async -> String? {
        await withCheckedContinuation { continuation in
            let closed = state.withLock { state in
                if state.closed == nil { state.calls[pod, default: []].append(Call(pod, demand, continuation)) }
                return state.closed
            }
            if let closed { continuation.resume(returning: closed) } else { add(pod) }
        }
    }

    /// The call that is to be carried out now, for the one worker of the pod.
    func begin(_ pod: ObjectKey) -> Call? {
        state.withLock { state in
            guard let call = state.calls[pod]?.first else { return nil }
            state.calls[pod]?.removeFirst()
            if state.calls[pod]?.isEmpty == true { state.calls[pod] = nil }
            return call
        }
    }

    /// Says what a call has come to.
    ///
    /// - Parameters:
    ///   - failure: why nothing was done for it; nil where it was carried out.
    ///   - counts: whether it is what is known for the pod from now on; else what was known before still is.
    func finish(_ call: Call, failure: String?, counts: Bool) {
        let pod = call.pod
        let isMore = state.withLock { state in
            if counts { state.known[pod] = call.demand.state }
            return state.calls[pod] != nil
        }
        call.continuation.resume(returning: failure)
        if isMore { add(pod) }
    }

    /// What is known for a pod.
    subscript(pod: ObjectKey) -> PodSituation.PinningState { state.withLock { $0.known[pod] ?? .unknown } }

    /// Forgets what was asked for a pod that has nothing any more.
    func forget(_ pod: ObjectKey) { state.withLock { _ = $0.known.removeValue(forKey: pod) } }
}
