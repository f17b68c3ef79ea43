/// Decides how a copy of a server's objects is kept: when to list, when to watch and from where, when to wait.
///
/// It does nothing itself: whoever has it does what ``step(now:)`` says, and reports what came of it. Times are those of one
/// monotonic clock.
///
/// - A list comes first, then a watch from its version; a watch that ends goes on from the last version that was seen.
/// - A version that the server does not know any more (410, as a status or within the watch) means a new list, of the
///   newest state.
/// - Whatever fails is tried again after a while, longer each time; only what a watch says makes that short again.
/// - A watch that says nothing for too long is dropped: the connection may be dead without anybody saying so.
public struct Reflector: Sendable {
    /// How lists are made.
    public enum Listing: Equatable, Sendable {
        /// The newest state, in pages of so many objects.
        case latest(pageSize: Int)
        /// What the server has in memory, which is cheap for the server and may be older; the newest state after a 410.
        case cached
    }

    /// How a reflector is tuned.
    public struct Settings: Equatable, Sendable {
        /// How lists are made.
        public var listing = Listing.latest(pageSize: 500)
        /// After how long without a word a watch is dropped. A server may say nothing, and send no bookmark, while no
        /// object of the kind changes, so this is longer than a watch lasts.
        public var silence = Duration.seconds(210)
        /// How long the server is asked to keep a watch; up to the half of it more is left to chance.
        public var watchTime = Duration.seconds(120)
        /// How long to wait after failures.
        public var backoff = Backoff()

        /// The usual tuning.
        public init() {}
    }

    /// What is to be done.
    public enum Step: Equatable, Sendable {
        /// List everything, then report ``Reflector/listed(version:now:)`` or ``Reflector/failed(_:now:random:)``.
        case list(ListKind)
        /// Watch from a version; report each event, and how it ends.
        case watch(from: String, seconds: Int)
        /// Wait until then.
        case wait(until: Duration)
    }

    /// What is to be listed.
    public enum ListKind: Equatable, Sendable {
        /// The newest state, in pages of so many objects.
        case latest(pageSize: Int)
        /// What the server has in memory, of this version or newer; `0` for any.
        case cached(notOlderThan: String)
    }

    /// What to do with an event.
    public enum Verdict: Equatable, Sendable {
        /// It changes the copy.
        case apply
        /// It changes nothing.
        case ignore
        /// The watch is of no use any more: end it, and take the next step.
        case end
    }

    /// The last version that was seen; nil before the first list, and where a new one is needed.
    public private(set) var version: String?

    private let settings: Settings
    private var backoff: Backoff
    private var waitsUntil: Duration?
    private var isVersionLost = false
    private var lastVersion = "0"
    private var watchBegan = Duration.zero
    private var hasHeard = false

    /// A reflector that has seen nothing yet.
    public init(_ settings: Settings = Settings()) {
        self.settings = settings
        backoff = settings.backoff
    }

    /// What is to be done now.
    public mutating func step(now: Duration, random: inout some RandomNumberGenerator) -> Step {
        if let until = waitsUntil {
            if now < until { return .wait(until: until) }
            waitsUntil = nil
        }
        guard let version else {
            switch settings.listing {
            case .latest(let pageSize): return .list(.latest(pageSize: pageSize))
            case .cached where isVersionLost: return .list(.latest(pageSize: 500))
            case .cached: return .list(.cached(notOlderThan: lastVersion))
            }
        }
        watchBegan = now
        hasHeard = false
        let seconds = max(1, Int(settings.watchTime.components.seconds))
        return .watch(from: version, seconds: seconds + Int.random(in: 0...(seconds / 2), using: &random))
    }

    /// A list was made, of this version.
    public mutating func listed(version: String, now: Duration) {
        self.version = version
        lastVersion = version
        isVersionLost = false
    }

    /// The watch has said something.
    public mutating func heard<Object>(
        _ event: WatchEvent<Object>, now: Duration, random: inout some RandomNumberGenerator
    ) -> Verdict {
        if case .error(let status) = event {
            failed(.status(status), now: now, random: &random)
            return .end
        }
        hasHeard = true
        backoff.reset()
        if let seen = event.resourceVersion {
            version = seen
            lastVersion = seen
        }
        if case .bookmark = event { return .ignore }
        return .apply
    }

    /// The server has ended the watch.
    public mutating func ended(now: Duration, random: inout some RandomNumberGenerator) {
        // One that said nothing and ended at once would be asked for again and again.
        guard !hasHeard, now - watchBegan < .seconds(1) else { return }
        waitsUntil = now + backoff.next(&random)
    }

    /// The list or the watch has failed.
    public mutating func failed(
        _ error: KubernetesError, now: Duration, random: inout some RandomNumberGenerator
    ) {
        var delay = backoff.next(&random)
        switch error {
        case .status(let status):
            if status.reason == .gone || status.reason == .expired || status.code == 410 {
                version = nil
                isVersionLost = true
                // The first time that is no failure.
                if backoff.failures == 1 { delay = .zero }
            } else if status.code == 504, status.message.contains("Too large resource version") {
                // The server's memory is behind what was seen before, perhaps restored from a backup.
                isVersionLost = true
            }
            delay = max(delay, status.retryAfter ?? .zero)
        case .malformed, .tooLong:
            // The same watch would come to the same line.
            version = nil
        case .unreachable, .timedOut, .interrupted, .credentials, .invalidRequest, .cancelled: break
        }
        waitsUntil = now + delay
    }
}
