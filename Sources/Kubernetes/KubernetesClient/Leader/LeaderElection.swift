/// The rules by which one of several programs leads, by means of a lease. It does nothing itself: whoever has it does what
/// ``step(now:wallClock:)`` says, and reports what came of it.
///
/// Who leads renews the lease; the others leave it alone until it has not changed for its duration, by their own monotonic
/// clocks from when they saw it change: no clock of another machine counts. Who cannot renew it stops to lead before others
/// may begin.
public struct LeaderElection: Sendable {
    /// How an election is tuned.
    public struct Settings: Equatable, Sendable {
        /// The lease's namespace and name.
        public var lease: ObjectKey
        /// Who this is; another one for each process.
        public var identity: String
        /// For how long others leave a lease alone that does not change.
        public var leaseDuration = Duration.seconds(15)
        /// For how long who leads goes on without a renewal; shorter than ``leaseDuration``.
        public var renewDeadline = Duration.seconds(10)
        /// How often a lease is renewed, or looked at; shorter than ``renewDeadline``.
        public var retryPeriod = Duration.seconds(2)

        /// The usual tuning.
        public init(lease: ObjectKey, identity: String) {
            self.lease = lease
            self.identity = identity
        }
    }

    /// What is to be done.
    public enum Step: Equatable, Sendable {
        /// Read the lease, then report ``LeaderElection/read(_:now:wallClock:random:)`` or ``LeaderElection/failed(_:now:random:)``.
        case read
        /// Create the lease, then report ``LeaderElection/written(_:sent:)`` or ``LeaderElection/failed(_:now:random:)``.
        case create(Lease)
        /// Update the lease if it still has its version, then report the same.
        case update(Lease)
        /// Wait until then.
        case wait(until: Duration)
    }

    /// Who holds the lease, as last seen; nil for nobody.
    public private(set) var leader: String?

    private let settings: Settings
    /// The lease as last seen, and since when it is as it is.
    private var seen: (lease: Lease, since: Duration)?
    private var pending: Step?
    private var mustRead = true
    private var nextTry = Duration.zero
    /// Until when this may lead.
    private var leadsUntil: Duration?

    /// An election that has seen nothing yet.
    public init(_ settings: Settings) { self.settings = settings }

    /// Whether this leads, at this time.
    public func leads(now: Duration) -> Bool { leadsUntil.map { now < $0 } ?? false }

    /// How long a request may take that is sent now: what is not renewed in time is lost.
    public func limit(now: Duration) -> Duration {
        guard let leadsUntil, now < leadsUntil else { return settings.renewDeadline }
        return leadsUntil - now
    }

    /// When ``leads(now:)`` ends unless the lease is renewed; nil where this does not lead.
    public var leadershipEnds: Duration? { leadsUntil }

    /// What is to be done now.
    public mutating func step(now: Duration, wallClock: Timestamp) -> Step {
        if let step = pending {
            pending = nil
            return step
        }
        if let until = leadsUntil, now >= until { leadsUntil = nil }
        if now < nextTry { return .wait(until: min(nextTry, leadsUntil ?? nextTry)) }
        if leads(now: now), !mustRead, let seen { return .update(renewed(seen.lease, wallClock)) }
        return .read
    }

    /// Says that a step was not taken: it comes again.
    mutating func putBack(_ step: Step) {
        if case .wait = step { return }
        pending = step
    }

    /// The lease was read; nil where there is none.
    public mutating func read(
        _ lease: Lease?, now: Duration, wallClock: Timestamp, random: inout some RandomNumberGenerator
    ) {
        mustRead = false
        guard let lease else {
            // Somebody has deleted it, so anybody may create it.
            seen = nil
            leader = nil
            leadsUntil = nil
            pending = .create(taken(Lease(name: settings.lease.name, namespace: settings.lease.namespace), wallClock))
            return
        }
        see(lease, now)
        if lease.holderIdentity == settings.identity {
            pending = .update(renewed(lease, wallClock))
            return
        }
        leadsUntil = nil
        if lease.holderIdentity != nil, let seen, now < seen.since + duration(of: lease) {
            nextTry = now + settings.retryPeriod * Double.random(in: 1...1.2, using: &random)
            return
        }
        pending = .update(taken(lease, wallClock))
    }

    /// The lease was written, and is this now.
    ///
    /// - Parameter sent: when the request was sent.
    public mutating func written(_ lease: Lease, sent: Duration) {
        guard lease.holderIdentity == settings.identity else {
            mustRead = true
            return
        }
        see(lease, sent)
        leadsUntil = sent + settings.renewDeadline
        nextTry = sent + settings.retryPeriod
    }

    /// The request has failed.
    public mutating func failed(_ error: KubernetesError, now: Duration, random: inout some RandomNumberGenerator) {
        mustRead = true
        if error.reason == .notFound { leadsUntil = nil }
        let wait = settings.retryPeriod * Double.random(in: 1...1.2, using: &random)
        nextTry = now + max(wait, min(error.status?.retryAfter ?? .zero, settings.renewDeadline))
    }

    /// Stops to lead.
    ///
    /// - Returns: the lease to write, so that others need not wait; nil where it is not held.
    public mutating func release(now: Duration, wallClock: Timestamp) -> Lease? {
        defer {
            leadsUntil = nil
            mustRead = true
        }
        guard leads(now: now), let seen, let lease = released(seen.lease, wallClock) else { return nil }
        leader = nil
        return lease
    }

    /// The lease as nobody's; nil where it is somebody else's.
    func released(_ lease: Lease, _ wallClock: Timestamp) -> Lease? {
        guard lease.holderIdentity == settings.identity else { return nil }
        var lease = lease
        lease.holderIdentity = nil
        lease.leaseDurationSeconds = 1
        lease.renewTime = wallClock
        lease.acquireTime = wallClock
        return lease
    }

    private mutating func see(_ lease: Lease, _ now: Duration) {
        if seen?.lease.json["spec"] != lease.json["spec"] || seen?.lease.metadata.uid != lease.metadata.uid {
            seen = (lease, now)
        } else if let since = seen?.since {
            seen = (lease, since)
        }
        leader = lease.holderIdentity
    }

    /// For how long others leave a lease alone: what its holder says, within bounds.
    private func duration(of lease: Lease) -> Duration {
        guard let seconds = lease.leaseDurationSeconds, seconds > 0 else { return settings.leaseDuration }
        return .seconds(min(seconds, 3600))
    }

    private func renewed(_ lease: Lease, _ wallClock: Timestamp) -> Lease {
        var lease = lease
        lease.renewTime = wallClock
        lease.leaseDurationSeconds = max(1, Int(settings.leaseDuration.components.seconds))
        return lease
    }

    private func taken(_ lease: Lease, _ wallClock: Timestamp) -> Lease {
        var lease = renewed(lease, wallClock)
        if lease.metadata.resourceVersion.isEmpty {
            lease.leaseTransitions = 0
        } else {
            lease.leaseTransitions = min(max(lease.leaseTransitions, 0), Int(Int32.max) - 1) + 1
        }
        lease.holderIdentity = settings.identity
        lease.acquireTime = wallClock
        return lease
    }
}
