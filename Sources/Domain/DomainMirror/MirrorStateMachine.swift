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
    /// Outcomes of intents that are not published yet.
    private var outcomes: [RedisCommand] = []
    /// Intents that are not finished.
    private var openIntents: Set<String> = []
    private var nextIntents = 0
    private var nextPresence = 0
    /// The domain that was reported to use the database.
    private var reportedUser: String?
    private var nextTrim: Int?
    private var reportedIntentFailure: String?

    /// The interval at which intents are read, in milliseconds.
    private static let intentInterval = 500
    /// How long the database is left to another domain, in milliseconds.
    private static let yieldInterval = 60_000
    /// How often the domain shows that it uses the database, in milliseconds.
    private static let presenceInterval = 5_000
    /// How often a database in use by another domain is tried, in milliseconds.
    private static let retryInterval = 15_000
    /// How many intents are read at once.
    private static let intentLimit = 256
    /// The interval of trimming without a retention, in milliseconds.
    private static let defaultTrimInterval = 360_000
    /// The maximum number of unpublished outcomes.
    private static let outcomeLimit = 10_000

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
    package var unfinished: Set<String> { openIntents }

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
        let steps = events.map { take($0, isOpen: connection.isOpen, at: now.wall) }
        if outcomes.count > Self.outcomeLimit { outcomes.removeFirst(outcomes.count - Self.outcomeLimit) }
        connection.use(at: now.monotonic) { connection throws(RedisError) in try connection.show(steps) }
        publish(over: &connection, at: now)
        if isLast {
            connection.use(at: now.monotonic) { connection throws(RedisError) in
                try connection.sendLeniently([.delete(Mirror.presence(of: domainID))])
            }
            return actions
        }
        if now.monotonic >= nextIntents {
            nextIntents = now.monotonic + Self.intentInterval
            takeIntents(over: &connection, &actions, at: now)
        }
        trim(over: &connection, at: now)
        return actions
    }

    // MARK: - The mirror

    private mutating func take(_ events: Event, isOpen: Bool, at time: Int) -> [RedisCommand] {
        switch events {
        case .changes(let changes): return mirror.take(changes, at: time)
        case .report(let update, let time): return isOpen ? mirror.report(update, at: time) : []
        case .outcome(let name, let reason):
            openIntents.remove(name)
            outcomes.append(IntentKey.publish(name, declined: reason, at: time))
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
            connection.confirm()
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
        // Intents that were read and will not be finished are lost.
        let known = Set(openIntents.map(IntentKey.result(of:)) + outcomes.map { $0.words[1] })
        let results = found.filter { $0.hasPrefix(IntentKey.resultPrefix) && !known.contains($0) }
        let texts = try connection.send(results.map { RedisCommand("GET", $0) })
        let lost = zip(results, texts).filter { $1.text.map(IntentKey.isUnfinished) ?? false }.map(\.0)
        let reason = "it was lost, or the orchestrator ended before it was finished: submit it again"
        _ = try connection.send(lost.map { IntentKey.publish(result: $0, declined: reason, at: time) })
        let commands = mirror.begin(with: mirror.records, over: found, at: time)
        let groups = stride(from: 0, to: commands.count, by: 1000).map {
            Array(commands[$0..<min($0 + 1000, commands.count)])
        }
        try connection.show([[mirror.showPresence(at: time)]] + groups)
    }

    // MARK: - Intents

    private mutating func publish(over connection: inout some MirrorConnection, at now: Timestamp) {
        guard !outcomes.isEmpty else { return }
        connection.use(at: now.monotonic) { connection throws(RedisError) in
            try connection.show([outcomes])
            outcomes = []
        }
    }

    private mutating func takeIntents(
        over connection: inout some MirrorConnection, _ actions: inout Actions, at now: Timestamp
    ) {
        var taken: [RedisReply] = []
        var state: String?
        var failure: String?
        connection.use(at: now.monotonic) { connection throws(RedisError) in
            if connection.isCluster {
                state = try connection.send([RedisCommand("GET", Mirror.identity)])[0].text
                if state == domainID { failure = try takeSingly(&taken, over: &connection, at: now.wall) }
                return
            }
            let take = IntentKey.take(Self.intentLimit, for: domainID, at: now.wall)
            var count = 0
            repeat {
                let answers = try connection.send([RedisCommand("GET", Mirror.identity), take])
                state = answers[0].text
                failure = answers[1].refusal(of: take)
                count = (answers[1].array ?? []).count / 2
                taken += answers[1].array ?? []
            } while count == Self.intentLimit && taken.count < Self.outcomeLimit
        }
        if let failure, failure != reportedIntentFailure { actions.notes.append(.intentsRefused(failure)) }
        reportedIntentFailure = failure
        for index in stride(from: 0, to: taken.count - 1, by: 2) {
            if let name = taken[index].text { take(name, taken[index + 1].text, &actions, at: now) }
        }
        guard connection.isOpen else { return }
        guard state != domainID else { return showPresence(over: &connection, at: now) }
        if let state {
            // Two domains that overwrite each other endlessly would be of no use to anybody.
            actions.notes.append(.taken(by: state))
            connection.close(until: now.monotonic + Self.yieldInterval)
        } else {
            actions.notes.append(.removed)
            connection.close(until: now.monotonic)
            open(&connection, &actions, at: now)
        }
    }

    /// Takes intents with commands that have one key each, as a cluster needs them. The outcome is written before the
    /// intent is removed.
    ///
    /// - Returns: why the next intent stays in the list; nil if none does.
    private func takeSingly(
        _ taken: inout [RedisReply], over connection: inout some MirrorConnection, at time: Int
    ) throws(RedisError) -> String? {
        while taken.count < Self.outcomeLimit {
            let next = RedisCommand("LINDEX", IntentKey.list, "0")
            let entry = try connection.send([next])[0]
            guard let name = entry.text else { return entry.refusal(of: next) }
            let value = try IntentKey.isIntent(name) ? mark(name, over: &connection, at: time) : .null
            if let reason = value.failure { return reason }
            let remove = RedisCommand("LREM", IntentKey.list, "1", name)
            let removed = try connection.send([remove])[0]
            if let refusal = removed.refusal(of: remove) { return refusal }
            guard value.text != nil else {
                taken += [entry, .null]
                continue
            }
            // The operator may have set another value meanwhile.
            let last = try connection.send([IntentKey.removeValue(name)])[0]
            taken += [entry, last.text == nil ? value : last]
        }
        return nil
    }

    /// Reads the value of an intent and writes that it is taken.
    ///
    /// - Returns: the value; null if it is none; the refusal if it could not be read, or the outcome not be written.
    private func mark(
        _ name: String, over connection: inout some MirrorConnection, at time: Int
    ) throws(RedisError) -> RedisReply {
        let get = RedisCommand("GET", name)
        let value = try connection.send([get])[0]
        if let refusal = value.refusal(of: get) {
            // A value of another type is none.
            return value.failure?.hasPrefix("WRONGTYPE") == true ? .null : .error(refusal)
        }
        guard value.text != nil else { return .null }
        let mark = IntentKey.mark(name, at: time)
        let marked = try connection.send([mark])[0]
        return marked.refusal(of: mark).map { .error($0) } ?? value
    }

    private mutating func showPresence(over connection: inout some MirrorConnection, at now: Timestamp) {
        guard now.monotonic >= nextPresence else { return }
        nextPresence = now.monotonic + Self.presenceInterval
        connection.use(at: now.monotonic) { connection throws(RedisError) in
            try connection.sendLeniently([mirror.showPresence(at: now.wall)])
        }
    }

    private mutating func take(_ name: String, _ value: String?, _ actions: inout Actions, at now: Timestamp) {
        do throws(IntentKey.Problem) {
            let intent = try IntentKey.intent(name, value)
            openIntents.insert(name)
            actions.intents.append((name, intent))
        } catch {
            actions.notes.append(.dropped(name, error))
            if case .badValue(let reason) = error {
                outcomes.append(IntentKey.publish(name, declined: reason, at: now.wall))
            }
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

extension RedisReply {
    /// Why Redis refused a command; nil if it did not.
    fileprivate func refusal(of command: RedisCommand) -> String? { failure.map { "\(command.subject): \($0)" } }
}
