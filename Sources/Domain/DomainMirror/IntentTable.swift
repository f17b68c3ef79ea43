import Domain
import Redis

/// An intent that was read from Redis and is not removed yet.
package struct OpenIntent: Hashable, Sendable {
    /// Its place in the order in which intents were read.
    package let number: Int
    /// Its value.
    package let value: String
    /// The outcome that was written when it was read. It contains the time, so that no other intent has the same.
    package let mark: String
    /// How often it is in the list.
    package var copies: Int
    /// Its outcome; nil until it is finished.
    var outcome: String?
    /// Whether the outcome is written, and only the removal is missing; only in a cluster.
    var isPublished = false

    package init(number: Int, value: String, mark: String, copies: Int) {
        (self.number, self.value, self.mark, self.copies) = (number, value, mark, copies)
    }
}

/// The intents that are being carried out, and those that are finished and not removed from Redis yet. An intent is
/// known from when its value has arrived until Redis has confirmed its removal, so that none is carried out twice.
struct IntentTable: Sendable {
    /// What came of reading the list.
    struct Batch {
        /// The intents to carry out, in order.
        var intents: [(name: String, intent: Intent)] = []
        /// The invalid entries.
        var dropped: [(name: String, problem: IntentKey.Problem)] = []
        /// Why the next intent stays in the list.
        var refusal: String?
        /// The domain that the database contains; nil for none.
        var domain: String?
    }

    private var open: [String: OpenIntent] = [:]
    private var lastNumber = 0
    /// The names of intents that were marked as taken, but whose values did not arrive.
    private var marked: Set<String> = []

    /// How many entries are read at once. Further ones wait until these are finished.
    private static let windowSize = 4_096
    /// How many values are read at once.
    private static let batchSize = 64
    /// How many bytes of values are held; further intents wait.
    private static let byteLimit = 64 << 20
    /// How many outcomes are written at once.
    private static let finishBatchSize = 512

    /// The intents that are not finished.
    var unfinished: Set<String> { Set(open.filter { $0.value.outcome == nil }.keys) }

    /// Whether the intent with this outcome key is known.
    func isKnown(result key: String) -> Bool {
        let name = IntentKey.name(ofResult: key)
        return open[name] != nil || marked.contains(name)
    }

    /// Records the outcome of an intent.
    mutating func finish(_ name: String, declined reason: String?, at time: Int) {
        guard open[name]?.outcome == nil else { return }
        open[name]?.outcome = IntentKey.finished(declined: reason, at: time)
    }

    // MARK: - Outcomes

    /// Writes the outcomes of finished intents and removes these intents.
    ///
    /// - Returns: why the next one stays; nil if none does.
    mutating func remove(over connection: inout some MirrorConnection) throws(RedisError) -> String? {
        let finished = open.filter { $0.value.outcome != nil }.sorted { $0.value.number < $1.value.number }
        guard !finished.isEmpty else { return nil }
        var refusal: String?
        if connection.isCluster {
            for (name, intent) in finished where refusal == nil {
                refusal = try removeSingly(name, intent, over: &connection)
            }
            return refusal
        }
        for start in stride(from: 0, to: finished.count, by: Self.finishBatchSize) where refusal == nil {
            let batch = finished[start..<min(start + Self.finishBatchSize, finished.count)]
            let commands = batch.map { IntentCommand.finish($0.key, $0.value, outcome: $0.value.outcome ?? "") }
            for ((command, reply), intent) in zip(zip(commands, try connection.send(commands)), batch) {
                if let reason = reply.refusal(of: command) {
                    refusal = refusal ?? reason
                } else {
                    open[intent.key] = nil
                }
            }
        }
        return refusal
    }

    /// Removes an intent with commands that have one key each, as a cluster needs them.
    private mutating func removeSingly(
        _ name: String, _ intent: OpenIntent, over connection: inout some MirrorConnection
    ) throws(RedisError) -> String? {
        if !intent.isPublished {
            let publish = IntentCommand.publish(name, intent, outcome: intent.outcome ?? "")
            let reply = try connection.send([publish])[0]
            if let refusal = reply.refusal(of: publish) { return refusal }
            guard reply.integer != 0 else {
                open[name] = nil
                return nil
            }
        }
        // If the answers are lost, the commands are not repeated: they could remove an intent that was submitted
        // meanwhile. What is left is read again.
        open[name] = nil
        var kept = intent
        kept.isPublished = true
        let removeValue = IntentCommand.removeValue(of: name, intent)
        let removed = try connection.send([removeValue])[0]
        if let refusal = removed.refusal(of: removeValue) {
            open[name] = kept
            return refusal
        }
        let removeEntries = IntentCommand.removeEntries(removed.integer == 1 ? intent.copies : 1, of: name)
        let refusal = try connection.send([removeEntries])[0].refusal(of: removeEntries)
        if refusal != nil { open[name] = kept }
        return refusal
    }

    // MARK: - Reading

    /// Reads the intents of the list that are not known yet.
    ///
    /// - Parameters:
    ///   - batch: what came of it, also if the connection fails.
    ///   - records: where instances run.
    ///   - time: the current time, in milliseconds since 1970.
    mutating func take(
        _ batch: inout Batch, for domainID: String, _ records: DomainRecords,
        over connection: inout some MirrorConnection, at time: Int
    ) throws(RedisError) {
        let list = IntentCommand.list(Self.windowSize, for: connection.isCluster ? nil : domainID)
        let get = RedisCommand("GET", Mirror.identity)
        var replies = try connection.send(connection.isCluster ? [get] : [get, list])
        batch.domain = replies[0].text
        guard batch.domain == domainID else { return }
        if connection.isCluster { replies += try connection.send([list]) }
        batch.refusal = replies[1].refusal(of: list)
        guard batch.refusal == nil, let parts = replies[1].array, parts.count == 2 else { return }
        batch.dropped += parts[1].texts.map { ($0, .foreign) }
        let names = newNames(parts[0].texts)
        for start in stride(from: 0, to: names.count, by: Self.batchSize) {
            let some = Array(names[start..<min(start + Self.batchSize, names.count)])
            guard open.values.reduce(0, { $0 + $1.value.utf8.count }) < Self.byteLimit else { return }
            try take(some, &batch, records, over: &connection, at: time)
            guard batch.refusal == nil else { return }
        }
    }

    /// The names that are not known, each once. An intent that was submitted again waits until the first is finished.
    private mutating func newNames(_ names: [String]) -> [(name: String, copies: Int)] {
        let copies = names.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        for name in open.keys { if let count = copies[name] { open[name]?.copies = count } }
        marked.formIntersection(copies.keys)
        var seen: Set<String> = []
        return names.filter { open[$0] == nil && seen.insert($0).inserted }.map { ($0, copies[$0] ?? 1) }
    }

    private mutating func take(
        _ names: [(name: String, copies: Int)], _ batch: inout Batch, _ records: DomainRecords,
        over connection: inout some MirrorConnection, at time: Int
    ) throws(RedisError) {
        let mark = IntentKey.taken(at: time)
        let wereMarked = marked
        marked.formUnion(names.map(\.name))
        let replies: [RedisReply]
        if connection.isCluster {
            replies = try takeSingly(names.map(\.name), mark, over: &connection)
        } else {
            replies = try connection.send(names.map { IntentCommand.take($0.name, marking: mark) })
        }
        for ((name, copies), reply) in zip(names, replies) {
            if let refusal = reply.refusal(of: IntentCommand.take(name, marking: mark)) {
                // The order is kept: later ones wait.
                batch.refusal = try self.refusal(of: name, mark, over: &connection) ?? refusal
                return
            }
            marked.remove(name)
            guard let parts = reply.array, parts.count == 2, let value = parts[0].text else {
                batch.dropped.append((name, .noValue))
                let drop =
                    connection.isCluster
                    ? IntentCommand.removeEntries(copies, of: name) : IntentCommand.drop(name, copies: copies)
                batch.refusal = try connection.send([drop])[0].refusal(of: drop)
                guard batch.refusal == nil else { return }
                continue
            }
            lastNumber += 1
            open[name] = OpenIntent(number: lastNumber, value: value, mark: mark, copies: copies)
            let isResumed = !wereMarked.contains(name) && IntentKey.isUnfinished(parts[1].text ?? "")
            begin(name, value, isResumed: isResumed, &batch, records, at: time)
        }
    }

    private mutating func begin(
        _ name: String, _ value: String, isResumed: Bool, _ batch: inout Batch, _ records: DomainRecords, at time: Int
    ) {
        do throws(IntentKey.Problem) {
            let intent = try IntentKey.intent(name, value)
            // The orchestrator ended before it removed the intent.
            if isResumed, case .migrate(let id, let targets) = intent,
                let node = records.instances[id]?.physical?.node, targets.contains(node)
            {
                finish(name, declined: nil, at: time)
            } else {
                batch.intents.append((name, intent))
            }
        } catch {
            batch.dropped.append((name, error))
            finish(name, declined: error.description, at: time)
        }
    }

    /// Reads and marks intents with commands that have one key each, as a cluster needs them.
    ///
    /// - Returns: the answers of ``IntentCommand/take(_:marking:)``, up to the first refusal.
    private func takeSingly(
        _ names: [String], _ mark: String, over connection: inout some MirrorConnection
    ) throws(RedisError) -> [RedisReply] {
        var replies: [RedisReply] = []
        for name in names {
            let answers = try connection.send([IntentCommand.read(name), IntentCommand.formerOutcome(of: name)])
            guard let value = answers[0].array?.first else {
                replies.append(answers[0])
                if answers[0].failure != nil { break }
                continue
            }
            let write = IntentCommand.write(mark, of: name)
            if let refusal = try connection.send([write])[0].refusal(of: write) {
                replies.append(.error(refusal))
                break
            }
            replies.append(.array([value, .text(answers[1].text ?? "")]))
        }
        return replies
    }

    /// The command and key of which Redis refuses an intent; nil if it is none alone.
    private func refusal(
        of name: String, _ mark: String, over connection: inout some MirrorConnection
    ) throws(RedisError) -> String? {
        for command in [IntentCommand.read(name), IntentCommand.write(mark, of: name)] {
            let reply = try connection.send([command])[0]
            if let refusal = reply.refusal(of: command) { return refusal }
            // Somebody has removed it.
            if reply == .null { return nil }
        }
        return nil
    }
}

extension RedisReply {
    /// Why Redis refused a command; nil if it did not.
    fileprivate func refusal(of command: RedisCommand) -> String? { failure.map { "\(command.subject): \($0)" } }
}
