import Synchronization

/// Lets one of several programs lead, by means of a lease.
///
/// ```swift
/// let elector = LeaderElector(client, .init(lease: ObjectKey(namespace: "berth", name: "controller"), identity: podName))
/// try await elector.run { await controller.run() }
/// ```
public final class LeaderElector: Sendable {
    /// The lease could not be renewed, or somebody else has it.
    public struct Lost: Error, Equatable, Sendable {}

    private let leases: ResourceClient<Lease>
    private let settings: LeaderElection.Settings
    private let election: Mutex<LeaderElection>
    private let onLeader: @Sendable (String?) -> Void
    private let onFailure: @Sendable (KubernetesError) -> Void

    /// An elector, which does nothing before ``run(_:)``.
    ///
    /// - Parameters:
    ///   - onLeader: is told who leads whenever that changes; nil for nobody.
    ///   - onFailure: is told why the lease could not be read or written; that is tried again.
    public init(
        _ client: ClusterClient, _ settings: LeaderElection.Settings,
        onLeader: @escaping @Sendable (String?) -> Void = { _ in },
        onFailure: @escaping @Sendable (KubernetesError) -> Void = { _ in }
    ) {
        leases = client.resources(Lease.self)
        self.settings = settings
        self.onLeader = onLeader
        self.onFailure = onFailure
        election = Mutex(LeaderElection(settings))
    }

    /// Whether this leads now.
    public var leads: Bool { election.withLock { $0.leads(now: leases.client.system.now()) } }

    /// Waits until this leads, then runs `lead`. The lease is renewed until that has ended, and given back then.
    ///
    /// Where the lease is lost, `lead` is cancelled: it must end at once, because another may begin.
    ///
    /// - Throws: ``Lost``, after `lead` has ended.
    public func run(_ lead: @escaping @Sendable () async -> Void) async throws(Lost) {
        guard await turn(until: { $0 }) else { return }
        let work = Task { await lead() }
        let renewal = Task { () -> Bool in
            let isLost = await turn(until: { !$0 })
            if isLost { work.cancel() }
            return isLost
        }
        await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            work.cancel()
        }
        renewal.cancel()
        guard await !renewal.value else { throw Lost() }
        await release()
    }

    /// Takes steps until it is as wanted whether this leads.
    ///
    /// - Returns: whether that is so; false where the task is cancelled before.
    private func turn(until isWanted: (Bool) -> Bool) async -> Bool {
        let system = leases.client.system
        var leader = election.withLock { $0.leader }
        while !Task.isCancelled {
            let now = system.now()
            let (leads, step, limit) = election.withLock { election in
                let step = election.step(now: now, wallClock: system.wallClock())
                return (election.leads(now: now), step, election.limit(now: now))
            }
            if isWanted(leads) {
                // Nothing was sent: the step is taken by who goes on.
                election.withLock { $0.putBack(step) }
                return true
            }
            switch step {
            case .wait(let until): try? await system.sleep(until - now)
            default: await take(step, sent: now, within: limit, system)
            }
            let known = election.withLock { $0.leader }
            if known != leader { onLeader(known) }
            leader = known
        }
        return false
    }

    private func take(
        _ step: LeaderElection.Step, sent: Duration, within limit: Duration, _ system: SystemAccess
    ) async {
        do throws(KubernetesError) {
            let answer = try await withDeadline(
                limit, system,
                throwing: { [self] () async throws(KubernetesError) in
                    try await exchange(step)
                })
            var random = system.generator
            election.withLock { election in
                if case .read = step {
                    election.read(answer, now: system.now(), wallClock: system.wallClock(), random: &random)
                } else if let answer {
                    election.written(answer, sent: sent)
                }
            }
        } catch {
            guard error != .cancelled else { return }
            var random = system.generator
            election.withLock { $0.failed(error, now: system.now(), random: &random) }
            onFailure(error)
        }
    }

    /// The lease that a request comes to; nil where there is none.
    private func exchange(_ step: LeaderElection.Step) async throws(KubernetesError) -> Lease? {
        switch step {
        case .create(let lease): return try await leases.create(lease)
        case .update(let lease): return try await leases.update(lease)
        case .read, .wait:
            do { return try await leases.get(settings.lease.name, namespace: settings.lease.namespace) } catch {
                guard error.reason == .notFound else { throw error }
                return nil
            }
        }
    }

    /// Gives the lease back, whether or not the task is cancelled.
    private func release() async {
        let system = leases.client.system
        guard let lease = election.withLock({ $0.release(now: system.now(), wallClock: system.wallClock()) }) else {
            return
        }
        let task = Task {
            try? await withDeadline(settings.renewDeadline, system) { [self] in try await write(released: lease) }
        }
        await task.value
        onLeader(nil)
    }

    private func write(released lease: Lease) async throws(KubernetesError) {
        do { _ = try await leases.update(lease) } catch {
            guard error.reason == .conflict else { throw error }
            // A renewal may have been on its way when the work ended, and have come before.
            let current = try await leases.get(settings.lease.name, namespace: settings.lease.namespace)
            let wallClock = leases.client.system.wallClock()
            guard let lease = election.withLock({ $0.released(current, wallClock) }) else { return }
            _ = try await leases.update(lease)
        }
    }
}
