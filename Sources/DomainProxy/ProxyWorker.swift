import Domain
import DomainMirror
import DomainShell
import Logging
import Redis

/// What the proxy's thread does and knows.
struct ProxyWorker {
    private let settings: DomainProxy.Settings
    private let logger: Logger
    private let carryOut: (String, Intent) -> Void
    private var mirror: Mirror
    private var link: RedisLink
    private var dataset: DatasetFiles?
    /// Outcomes of intents that are still to be published.
    private var outcomes: [RedisCommand] = []
    private var nextIntents = 0
    private var nextRetirement: Int?
    private var toldIntentFailure: String?
    /// Intents that were handed on and have not come to an end.
    private var handed: Set<String> = []

    /// How often intents are looked for, in milliseconds.
    private static let intentInterval = 500
    /// How long the database is left to another domain that has taken it, in milliseconds.
    private static let courtesy = 60_000
    /// How many are taken at once.
    private static let intentLimit = 256
    /// How often the age of series is looked at where none is too old, in seconds.
    private static let idleRetirement = 360
    /// How many commands are sent in one go.
    private static let goLimit = 5_000
    /// How many outcomes are kept for a Redis that is away.
    private static let outcomeLimit = 10_000

    init(
        _ settings: DomainProxy.Settings, _ records: DomainRecords, _ logger: Logger,
        carryOut: @escaping (String, Intent) -> Void
    ) {
        self.settings = settings
        self.logger = logger
        self.carryOut = carryOut
        mirror = Mirror(domainID: settings.domainID, schema: settings.schema)
        // Nothing is sent yet; the mirror only learns what there is.
        _ = mirror.begin(with: records, at: 0)
        link = RedisLink(to: settings.address, timeout: settings.timeout, logger: logger)
        dataset = settings.dataset.map { DatasetFiles($0, from: records, at: Moment.current.wall, logger: logger) }
    }

    /// Whether there is a connection, which then has taken all there was to show.
    var isConnected: Bool { link.connection != nil }

    /// How long nothing needs to be done unless something happens, in milliseconds.
    func patience(at now: Moment) -> Int {
        max(1, min(nextIntents, nextRetirement ?? .max) - now.monotonic)
    }

    /// Shows what has happened, and does what is due.
    ///
    /// - Parameter isLast: whether nothing comes after this, so that no intent may be taken any more.
    mutating func work(_ news: [DomainProxy.News], isLast: Bool, at now: Moment) {
        if link.connection == nil { open(at: now) }
        var steps: [[RedisCommand]] = []
        for item in news {
            switch item {
            case .changes(let changes):
                steps.append(mirror.take(changes, at: now.wall))
                dataset?.take(changes, at: now.wall)
            case .report(let update, let time):
                if link.connection != nil { steps.append(mirror.report(update, at: time)) }
                dataset?.report(update, at: time)
            case .outcome(let name, let reason):
                handed.remove(name)
                outcomes.append(IntentKey.publish(name, declined: reason, at: now.wall))
            }
        }
        dataset?.write()
        if outcomes.count > Self.outcomeLimit { outcomes.removeFirst(outcomes.count - Self.outcomeLimit) }

        link.use(at: now.monotonic) { connection throws(RedisError) in try connection.show(steps, Self.goLimit) }
        publish(at: now)
        if isLast { return }
        if now.monotonic >= nextIntents {
            nextIntents = now.monotonic + Self.intentInterval
            takeIntents(at: now)
        }
        retire(at: now)
    }

    // MARK: - The mirror

    private mutating func open(at now: Moment) {
        let (settings, logger) = (settings, logger)
        let known = handed.map(IntentKey.result(of:)) + outcomes.map { $0.words[1] }
        var mirror = mirror
        link.open(at: now.monotonic) { connection throws(RedisError) in
            try Self.prepare(connection, &mirror, settings, Set(known), logger, at: now.wall)
        }
        self.mirror = mirror
    }

    /// Has a Redis show all there is and nothing else of the mirror's.
    ///
    /// - Parameter known: the keys of outcomes that are still to come; what else was taken is lost.
    private static func prepare(
        _ connection: RedisConnection, _ mirror: inout Mirror, _ settings: DomainProxy.Settings, _ known: Set<String>,
        _ logger: Logger, at time: Int
    ) throws(RedisError) {
        // What is of another type says nothing, and is written over.
        if let other = try connection.send(all: [["GET", Mirror.identity]])[0].text, other != settings.domainID {
            logger.warning(
                "the database showed another domain, which this one replaces", metadata: ["domain": "\(other)"])
        }
        let found = try connection.keys(beginning: Mirror.prefixes + [IntentKey.resultPrefix])
        // Of another schema, or somebody else's: no command on it would do.
        let series = found.filter { key in Mirror.seriesPrefixes.contains { key.hasPrefix($0) } }
        let types = try connection.send(all: series.map { ["TYPE", $0] })
        let strange = zip(series, types).filter { key, type in
            mirror.type(ofSeries: key).map { $0 != type.text } ?? false
        }.map(\.0)
        _ = try connection.send(all: strange.map { ["DEL", $0] })
        let results = found.filter { $0.hasPrefix(IntentKey.resultPrefix) && !known.contains($0) }
        let texts = try connection.send(all: results.map { ["GET", $0] })
        let lost = zip(results, texts).filter { $1.text.map(IntentKey.isUnfinished) ?? false }.map(\.0)
        _ = try connection.send(
            all: lost.map { key in
                IntentKey.publish(
                    result: key,
                    declined: "it was lost, or the orchestrator ended before it came to its end: ask again",
                    at: time
                ).words
            })
        let commands = mirror.begin(with: mirror.records, over: found, at: time)
        let groups = stride(from: 0, to: commands.count, by: 1000).map {
            Array(commands[$0..<min($0 + 1000, commands.count)])
        }
        try connection.show(groups, goLimit)
    }

    // MARK: - Intents

    private mutating func publish(at now: Moment) {
        guard link.connection != nil, !outcomes.isEmpty else { return }
        let commands = outcomes
        link.use(at: now.monotonic) { connection throws(RedisError) in try connection.show([commands], Self.goLimit) }
        if link.connection != nil { outcomes = [] }
    }

    private mutating func takeIntents(at now: Moment) {
        let domainID = settings.domainID
        var taken: [RedisReply] = []
        var shown: String?
        var failure: String?
        link.use(at: now.monotonic) { connection throws(RedisError) in
            var count = 0
            repeat {
                let replies = try connection.send(all: [
                    ["GET", Mirror.identity], IntentKey.take(Self.intentLimit, for: domainID, at: now.wall).words,
                ])
                shown = replies[0].text
                failure = replies[1].failure
                count = (replies[1].array ?? []).count / 2
                taken += replies[1].array ?? []
            } while count == Self.intentLimit && taken.count < Self.outcomeLimit
        }
        if let failure, failure != toldIntentFailure {
            logger.warning("intents cannot be taken from Redis", metadata: ["reason": "\(failure)"])
        }
        toldIntentFailure = failure
        for place in stride(from: 0, to: taken.count - 1, by: 2) {
            if let name = taken[place].text { take(name, taken[place + 1].text, at: now) }
        }
        guard link.connection != nil, shown != domainID else { return }
        if let shown {
            // Two that write over each other without end would show nothing to anybody.
            logger.warning(
                "another domain has taken the database: give each its own", metadata: ["domain": "\(shown)"])
            link.close(until: now.monotonic + Self.courtesy)
        } else {
            logger.warning("somebody has removed the domain from Redis: it is written anew")
            link.close(until: now.monotonic)
            open(at: now)
        }
    }

    private mutating func take(_ name: String, _ value: String?, at now: Moment) {
        do throws(IntentKey.Problem) {
            let intent = try IntentKey.intent(name, value)
            handed.insert(name)
            carryOut(name, intent)
        } catch {
            logger.warning("an intent is dropped", metadata: ["intent": "\(name)", "reason": "\(error)"])
            if case .badValue(let reason) = error {
                outcomes.append(IntentKey.publish(name, declined: reason, at: now.wall))
            }
        }
    }

    // MARK: - Old figures

    private mutating func retire(at now: Moment) {
        let interval = (settings.retention > 0 ? settings.retention : Self.idleRetirement) * 1000
        guard let due = nextRetirement else {
            nextRetirement = now.monotonic + interval
            return
        }
        guard now.monotonic >= due else { return }
        nextRetirement = now.monotonic + interval
        let retention = settings.retention * 1000
        var mirror = mirror
        link.use(at: now.monotonic) { connection throws(RedisError) in
            let keys = try connection.keys(beginning: Mirror.seriesPrefixes)
            let commands = mirror.retire(keys, at: now.wall, retention: retention)
            for start in stride(from: 0, to: commands.count, by: Self.goLimit) {
                // A series that somebody has put something else in place of is left to the next time all is written.
                _ = try connection.send(all: commands[start..<min(start + Self.goLimit, commands.count)].map(\.words))
            }
        }
        self.mirror = mirror
    }
}

extension RedisConnection {
    /// Carries out each group of commands in a transaction, many in one go.
    fileprivate func show(_ groups: [[RedisCommand]], _ limit: Int) throws(RedisError) {
        var waiting: [[String]] = []
        for (place, group) in groups.enumerated() {
            if group.count == 1 {
                waiting.append(group[0].words)
            } else if !group.isEmpty {
                waiting.append(["MULTI"])
                for command in group { waiting.append(command.words) }
                waiting.append(["EXEC"])
            }
            guard waiting.count >= limit || place == groups.count - 1, !waiting.isEmpty else { continue }
            for reply in try send(all: waiting) { if let reason = reply.failure { throw .refused(reason) } }
            waiting = []
        }
    }

    /// The keys that begin with one of these.
    fileprivate func keys(beginning prefixes: [String]) throws(RedisError) -> [String] {
        let letters = Set(prefixes.compactMap(\.first)).sorted().map(String.init).joined()
        var found: Set<String> = []
        var cursor = "0"
        repeat {
            let reply = try send(["SCAN", cursor, "MATCH", "[\(letters)]*", "COUNT", "1000"])
            guard let parts = reply.array, parts.count == 2, let next = parts[0].text else {
                throw .refused("SCAN has an answer of another form")
            }
            cursor = next
            found.formUnion(parts[1].texts.filter { key in prefixes.contains { key.hasPrefix($0) } })
        } while cursor != "0"
        return found.sorted()
    }
}
