import Domain
import Redis

/// The logic of the mirror (domain specification, section 5): which commands follow an event, when everything is
/// rewritten, and the life of intents. It has no connection, clock or thread; the caller supplies them.
package struct MirrorStateMachine: Sendable {
    /// An event of the domain.
    package enum Event: Sendable {
        /// Changes were committed.
        case changes([DomainChange])
        /// A node has reported; with the time of arrival in milliseconds since 1970.
        case report(NodeUpdate, at: Int)
        /// An intent is finished: why it was declined; nil if it was carried out.
        case outcome(String, declined: String?)
    }

    /// Something to log.
    package enum Note: Hashable, Sendable {
        /// The database contained another domain, which was replaced.
        case replaced(String)
        /// The database is in use by another domain, and is left to it.
        case inUse(by: String)
        /// Another domain has taken the database, which is left to it for a while.
        case taken(by: String)
        /// The domain was removed from the database and is written again.
        case removed
        /// Intents cannot be read.
        case intentsRefused(String)
        /// An entry of the intent list is invalid.
        case dropped(String, IntentKey.Problem)
    }

    /// What the caller must do.
    package struct Actions: Sendable {
        /// The intents to carry out, in order, and the names under which to report their outcomes.
        package fileprivate(set) var intents: [(name: String, intent: Intent)] = []
        /// What to log.
        package fileprivate(set) var notes: [Note] = []
    }

    private let domainID: String
    /// The maximum age of samples in milliseconds; 0 for no limit.
    private let retention: Int
    private var mirror: Mirror
    private var intents = IntentTable()
    private var nextIntents = 0
    private var nextPresence = 0
    /// The domain that was reported to use the database.
    private var reportedUser: String?
    private var nextTrim: Int?
    private var reportedIntentFailure: String?

    /// The interval at which intents are read, in milliseconds.
    private static let intentInterval = 100
    /// When they are read again if some have been read or finished, in milliseconds.
    private static let shortIntentInterval = 5
    /// When they are read again if Redis refuses, in milliseconds.
    private static let refusedIntentInterval = 500
    /// How long the database is left to another domain, in milliseconds.
    private static let yieldInterval = 60_000
    /// How often the domain shows that it uses the database, in milliseconds.
    private static let presenceInterval = 5_000
    /// How often a database in use by another domain is tried, in milliseconds.
    private static let retryInterval = 15_000
    /// The interval of trimming without a retention, in milliseconds.
    private static let defaultTrimInterval = 360_000

    /// Creates a state machine for a domain with these records, nothing of which is mirrored yet.
    ///
    /// - Parameter retention: the maximum age of samples in milliseconds; 0 for no limit.
    package init(domainID: String, schema: Mirror.Schema, retention: Int, from records: DomainRecords) {
        self.domainID = domainID
        self.retention = retention
        mirror = Mirror(domainID: domainID, schema: schema)
        // The mirror only learns the records; nothing is sent.
        _ = mirror.begin(with: records, at: 0)
    }

    /// The intents that are not finished.
    package var unfinished: Set<String> { intents.unfinished }

    /// How long nothing needs to be done unless an event arrives, in milliseconds.
    package func idleTime(at now: Timestamp) -> Int {
        max(1, min(nextIntents, nextTrim ?? .max) - now.monotonic)
    }

    /// Mirrors events, and does what is due.
    ///
    /// - Parameter isLast: whether this is the last call, so that no more intents may be read.
    package mutating func work(
        _ events: [Event], isLast: Bool = false, over connection: inout some MirrorConnection, at now: Timestamp
    ) -> Actions {
        var actions = Actions()
        if !connection.isOpen { open(&connection, &actions, at: now) }
        let steps = events.map { take($0, isOpen: connection.isOpen, at: now) }
        connection.use(at: now.monotonic) { connection throws(RedisError) in try connection.show(steps) }
        if isLast {
            connection.use(at: now.monotonic) { connection throws(RedisError) in
                _ = try intents.remove(over: &connection)
                try connection.sendLeniently([.delete(Mirror.presence(of: domainID))])
            }
            return actions
        }
        if now.monotonic >= nextIntents {
            nextIntents = now.monotonic + Self.intentInterval
            exchangeIntents(over: &connection, &actions, at: now)
        }
        trim(over: &connection, at: now)
        if connection.isOpen { connection.confirm(at: now.monotonic) }
        return actions
    }

    // MARK: - The mirror

    private mutating func take(_ event: Event, isOpen: Bool, at now: Timestamp) -> [RedisCommand] {
        switch event {
        case .changes(let changes): return mirror.take(changes, at: now.wall)
        case .report(let update, let time): return isOpen ? mirror.report(update, at: time) : []
        case .outcome(let name, let reason):
            intents.finish(name, declined: reason, at: now.wall)
            if reportedIntentFailure == nil {
                nextIntents = min(nextIntents, now.monotonic + Self.shortIntentInterval)
            }
            return []
        }
    }

    private mutating func open(_ connection: inout some MirrorConnection, _ actions: inout Actions, at now: Timestamp) {
        connection.open(at: now.monotonic)
        guard connection.isOpen else { return }
        var user: String?
        connection.use(at: now.monotonic) { connection throws(RedisError) in
            user = try otherUser(&connection)
            guard user == nil else { return }
            try prepare(&connection, &actions, at: now.wall)
            connection.confirm(at: now.monotonic)
        }
        if let user {
            if user != reportedUser { actions.notes.append(.inUse(by: user)) }
            connection.close(until: now.monotonic + Self.retryInterval)
        }
        reportedUser = user
    }

    /// The other domain that uses the database at present; nil if there is none.
    private func otherUser(_ connection: inout some MirrorConnection) throws(RedisError) -> String? {
        guard let other = try connection.send([RedisCommand("GET", Mirror.identity)])[0].text, other != domainID,
            try connection.send([RedisCommand("GET", Mirror.presence(of: other))])[0].text != nil
        else { return nil }
        return other
    }

    /// Rewrites the database completely and removes stale keys.
    private mutating func prepare(
        _ connection: inout some MirrorConnection, _ actions: inout Actions, at time: Int
    ) throws(RedisError) {
        // A value of another type is overwritten.
        if let other = try connection.send([RedisCommand("GET", Mirror.identity)])[0].text, other != domainID {
            actions.notes.append(.replaced(other))
        }
        let found = try connection.keys(beginning: Mirror.prefixes + [IntentKey.resultPrefix])
        // Keys of another schema or type would make commands fail.
        let series = found.filter { key in Mirror.seriesPrefixes.contains { key.hasPrefix($0) } }
        let types = try connection.send(series.map { RedisCommand("TYPE", $0) })
        let strange = zip(series, types).filter { key, type in
            mirror.type(ofSeries: key).map { $0 != type.text } ?? false
        }.map(\.0)
        _ = try connection.send(strange.map { .delete($0) })
        // An intent without a value that is not finished cannot be read again.
        let results = found.filter { $0.hasPrefix(IntentKey.resultPrefix) && !intents.isKnown(result: $0) }
        let texts = try connection.send(results.map { RedisCommand("GET", $0) })
        let unfinished = zip(results, texts).filter { $1.text.map(IntentKey.isUnfinished) ?? false }.map(\.0)
        let values = try connection.send(unfinished.map { RedisCommand("EXISTS", IntentKey.name(ofResult: $0)) })
        let lost = zip(unfinished, values).filter { $1.integer == 0 }.map(\.0)
        let reason = "it was lost, or the orchestrator ended before it was finished: submit it again"
        let outcome = IntentKey.finished(declined: reason, at: time)
        _ = try connection.send(lost.map { IntentCommand.write(outcome, to: $0) })
        let commands = mirror.begin(with: mirror.records, over: found, at: time)
        let groups = stride(from: 0, to: commands.count, by: 1000).map {
            Array(commands[$0..<min($0 + 1000, commands.count)])
        }
        try connection.show([[mirror.showPresence(at: time)]] + groups)
    }

    // MARK: - Intents

    /// Writes the outcomes of finished intents, and reads new ones.
    private mutating func exchangeIntents(
        over connection: inout some MirrorConnection, _ actions: inout Actions, at now: Timestamp
    ) {
        var batch = IntentTable.Batch()
        var failure: String?
        connection.use(at: now.monotonic) { connection throws(RedisError) in
            failure = try intents.remove(over: &connection)
            try intents.take(&batch, for: domainID, mirror.records, over: &connection, at: now.wall)
        }
        actions.intents += batch.intents
        actions.notes += batch.dropped.map { .dropped($0.name, $0.problem) }
        failure = failure ?? batch.refusal
        if let failure {
            if failure != reportedIntentFailure { actions.notes.append(.intentsRefused(failure)) }
            nextIntents = now.monotonic + Self.refusedIntentInterval
        } else if !batch.intents.isEmpty || !batch.dropped.isEmpty {
            nextIntents = now.monotonic + Self.shortIntentInterval
        }
        guard connection.isOpen else { return }
        reportedIntentFailure = failure
        guard batch.domain != domainID else { return showPresence(over: &connection, at: now) }
        if let domain = batch.domain {
            // Two domains that overwrite each other endlessly would be of no use to anybody.
            actions.notes.append(.taken(by: domain))
            connection.close(until: now.monotonic + Self.yieldInterval)
        } else {
            actions.notes.append(.removed)
            connection.close(until: now.monotonic)
            open(&connection, &actions, at: now)
        }
    }

    private mutating func showPresence(over connection: inout some MirrorConnection, at now: Timestamp) {
        guard now.monotonic >= nextPresence else { return }
        nextPresence = now.monotonic + Self.presenceInterval
        connection.use(at: now.monotonic) { connection throws(RedisError) in
            try connection.sendLeniently([mirror.showPresence(at: now.wall)])
        }
    }

    // MARK: - Old samples

    private mutating func trim(over connection: inout some MirrorConnection, at now: Timestamp) {
        let interval = retention > 0 ? retention : Self.defaultTrimInterval
        guard let due = nextTrim else {
            nextTrim = now.monotonic + interval
            return
        }
        guard now.monotonic >= due else { return }
        nextTrim = now.monotonic + interval
        connection.use(at: now.monotonic) { connection throws(RedisError) in
            let keys = try connection.keys(beginning: Mirror.seriesPrefixes)
            // A series that was replaced with another type stays until the next rewrite.
            try connection.sendLeniently(mirror.trim(keys, at: now.wall, retention: retention))
        }
    }
}
