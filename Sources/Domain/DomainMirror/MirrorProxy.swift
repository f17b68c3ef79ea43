import Domain

/// What a domain's proxy knows and decides (domain specification, section 5): which commands follow what happens, when all is
/// written anew, what becomes of intents. It has no connection, no clock and no thread of its own: the caller lends them.
package struct MirrorProxy: Sendable {
    /// What happened to the domain, in order.
    package enum News: Sendable {
        /// What is kept has changed.
        case changes([DomainChange])
        /// A node has reported; when that came, in milliseconds since 1970.
        case report(NodeUpdate, at: Int)
        /// What became of an intent, by its name: why it was declined; nil where it was carried out.
        case outcome(String, declined: String?)
    }

    /// Something that an operator should know.
    package enum Note: Hashable, Sendable {
        /// The database showed this other domain, which was replaced.
        case replaced(String)
        /// This other domain has taken the database, which is left to it for a while.
        case taken(by: String)
        /// Somebody has removed the domain from the database; it is written anew.
        case removed
        /// Intents cannot be taken; why.
        case intentsRefused(String)
        /// An entry of the list of intents is dropped; why.
        case dropped(String, IntentKey.Problem)
    }

    /// What the caller has to do.
    package struct Orders: Sendable {
        /// The intents to be carried out, in order; their outcomes are to come back under these names.
        package fileprivate(set) var intents: [(name: String, intent: Intent)] = []
        /// What is to be logged.
        package fileprivate(set) var notes: [Note] = []
    }

    private let domainID: String
    /// How old figures may be, in milliseconds; 0 for as old as they like.
    private let retention: Int
    private var mirror: Mirror
    /// Outcomes of intents that are still to be published.
    private var outcomes: [RedisCommand] = []
    /// Intents that were handed on and have not come to an end.
    private var handed: Set<String> = []
    private var nextIntents = 0
    private var nextRetirement: Int?
    private var toldIntentFailure: String?

    /// How often intents are looked for, in milliseconds.
    private static let intentInterval = 500
    /// How long the database is left to another domain that has taken it, in milliseconds.
    private static let courtesy = 60_000
    /// How many are taken at once.
    private static let intentLimit = 256
    /// How often the age of series is looked at where none is too old, in milliseconds.
    private static let idleRetirement = 360_000
    /// How many outcomes are kept for a database that is away.
    private static let outcomeLimit = 10_000

    /// A proxy of a domain that goes on from `records`, of which nothing is shown yet.
    ///
    /// - Parameter retention: how old figures may be, in milliseconds; 0 for as old as they like.
    package init(domainID: String, schema: Mirror.Schema, retention: Int, from records: DomainRecords) {
        self.domainID = domainID
        self.retention = retention
        mirror = Mirror(domainID: domainID, schema: schema)
        // Nothing is sent yet; the mirror only learns what there is.
        _ = mirror.begin(with: records, at: 0)
    }

    /// The intents that were handed on and have not come to an end.
    package var unfinished: Set<String> { handed }

    /// How long nothing needs to be done unless something happens, in milliseconds.
    package func patience(at now: Moment) -> Int {
        max(1, min(nextIntents, nextRetirement ?? .max) - now.monotonic)
    }

    /// Shows what has happened, and does what is due.
    ///
    /// - Parameter isLast: whether nothing comes after this, so that no intent may be taken any more.
    package mutating func work(
        _ news: [News], isLast: Bool = false, over link: inout some MirrorLink, at now: Moment
    ) -> Orders {
        var orders = Orders()
        if !link.isOpen { open(&link, &orders, at: now) }
        let steps = news.map { take($0, isOpen: link.isOpen, at: now.wall) }
        if outcomes.count > Self.outcomeLimit { outcomes.removeFirst(outcomes.count - Self.outcomeLimit) }
        link.use(at: now.monotonic) { link throws(MirrorFailure) in try link.show(steps) }
        publish(over: &link, at: now)
        if isLast { return orders }
        if now.monotonic >= nextIntents {
            nextIntents = now.monotonic + Self.intentInterval
            takeIntents(over: &link, &orders, at: now)
        }
        retire(over: &link, at: now)
        return orders
    }

    // MARK: - The mirror

    private mutating func take(_ news: News, isOpen: Bool, at time: Int) -> [RedisCommand] {
        switch news {
        case .changes(let changes): return mirror.take(changes, at: time)
        case .report(let update, let time): return isOpen ? mirror.report(update, at: time) : []
        case .outcome(let name, let reason):
            handed.remove(name)
            outcomes.append(IntentKey.publish(name, declined: reason, at: time))
            return []
        }
    }

    private mutating func open(_ link: inout some MirrorLink, _ orders: inout Orders, at now: Moment) {
        link.open(at: now.monotonic)
        link.use(at: now.monotonic) { link throws(MirrorFailure) in
            try prepare(&link, &orders, at: now.wall)
            link.confirm()
        }
    }

    /// Has the database show all there is and nothing else of the mirror's.
    private mutating func prepare(
        _ link: inout some MirrorLink, _ orders: inout Orders, at time: Int
    ) throws(MirrorFailure) {
        // What is of another type says nothing, and is written over.
        if let other = try link.send([RedisCommand("GET", Mirror.identity)])[0].text, other != domainID {
            orders.notes.append(.replaced(other))
        }
        let found = try link.keys(beginning: Mirror.prefixes + [IntentKey.resultPrefix])
        // Of another schema, or somebody else's: no command on it would do.
        let series = found.filter { key in Mirror.seriesPrefixes.contains { key.hasPrefix($0) } }
        let types = try link.send(series.map { RedisCommand("TYPE", $0) })
        let strange = zip(series, types).filter { key, type in
            mirror.type(ofSeries: key).map { $0 != type.text } ?? false
        }.map(\.0)
        _ = try link.send(strange.map { .delete($0) })
        // What was taken and is not to come to an end any more is lost.
        let known = Set(handed.map(IntentKey.result(of:)) + outcomes.map { $0.words[1] })
        let results = found.filter { $0.hasPrefix(IntentKey.resultPrefix) && !known.contains($0) }
        let texts = try link.send(results.map { RedisCommand("GET", $0) })
        let lost = zip(results, texts).filter { $1.text.map(IntentKey.isUnfinished) ?? false }.map(\.0)
        let reason = "it was lost, or the orchestrator ended before it came to its end: ask again"
        _ = try link.send(lost.map { IntentKey.publish(result: $0, declined: reason, at: time) })
        let commands = mirror.begin(with: mirror.records, over: found, at: time)
        let groups = stride(from: 0, to: commands.count, by: 1000).map {
            Array(commands[$0..<min($0 + 1000, commands.count)])
        }
        try link.show(groups)
    }

    // MARK: - Intents

    private mutating func publish(over link: inout some MirrorLink, at now: Moment) {
        guard !outcomes.isEmpty else { return }
        link.use(at: now.monotonic) { link throws(MirrorFailure) in
            try link.show([outcomes])
            outcomes = []
        }
    }

    private mutating func takeIntents(over link: inout some MirrorLink, _ orders: inout Orders, at now: Moment) {
        var taken: [RedisAnswer] = []
        var shown: String?
        var failure: String?
        link.use(at: now.monotonic) { link throws(MirrorFailure) in
            var count = 0
            repeat {
                let answers = try link.send([
                    RedisCommand("GET", Mirror.identity),
                    IntentKey.take(Self.intentLimit, for: domainID, at: now.wall),
                ])
                shown = answers[0].text
                failure = answers[1].failure
                count = (answers[1].array ?? []).count / 2
                taken += answers[1].array ?? []
            } while count == Self.intentLimit && taken.count < Self.outcomeLimit
        }
        if let failure, failure != toldIntentFailure { orders.notes.append(.intentsRefused(failure)) }
        toldIntentFailure = failure
        for place in stride(from: 0, to: taken.count - 1, by: 2) {
            if let name = taken[place].text { take(name, taken[place + 1].text, &orders, at: now) }
        }
        guard link.isOpen, shown != domainID else { return }
        if let shown {
            // Two that write over each other without end would show nothing to anybody.
            orders.notes.append(.taken(by: shown))
            link.close(until: now.monotonic + Self.courtesy)
        } else {
            orders.notes.append(.removed)
            link.close(until: now.monotonic)
            open(&link, &orders, at: now)
        }
    }

    private mutating func take(_ name: String, _ value: String?, _ orders: inout Orders, at now: Moment) {
        do throws(IntentKey.Problem) {
            let intent = try IntentKey.intent(name, value)
            handed.insert(name)
            orders.intents.append((name, intent))
        } catch {
            orders.notes.append(.dropped(name, error))
            if case .badValue(let reason) = error {
                outcomes.append(IntentKey.publish(name, declined: reason, at: now.wall))
            }
        }
    }

    // MARK: - Old figures

    private mutating func retire(over link: inout some MirrorLink, at now: Moment) {
        let interval = retention > 0 ? retention : Self.idleRetirement
        guard let due = nextRetirement else {
            nextRetirement = now.monotonic + interval
            return
        }
        guard now.monotonic >= due else { return }
        nextRetirement = now.monotonic + interval
        link.use(at: now.monotonic) { link throws(MirrorFailure) in
            let keys = try link.keys(beginning: Mirror.seriesPrefixes)
            // A series that somebody has put something else in place of is left to the next time all is written.
            try link.sendLeniently(mirror.retire(keys, at: now.wall, retention: retention))
        }
    }
}
