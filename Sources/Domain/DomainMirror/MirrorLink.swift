/// The way to a database that shows a domain: a connection to Redis, or to a model of it.
package protocol MirrorLink {
    /// Whether there is a connection.
    var isOpen: Bool { get }

    /// Makes a connection where there is none and it is time to try; what has to be done over it first is the caller's.
    ///
    /// - Parameter now: a clock that nobody sets, in milliseconds.
    mutating func open(at now: Int)

    /// What had to be done first has been done.
    mutating func confirm()

    /// Has commands carried out one after the other.
    ///
    /// - Returns: what each answers, errors included.
    /// - Throws: what ends the connection; what was sent may then have been done or not.
    mutating func send(_ commands: [RedisCommand]) throws(MirrorFailure) -> [RedisAnswer]

    /// Gives the connection up, because of this, for a while of the link's choice.
    mutating func fail(_ failure: MirrorFailure, at now: Int)

    /// Gives the connection up until a time of the clock that nobody sets, in milliseconds.
    mutating func close(until time: Int)
}

/// Why a database could not be asked.
package enum MirrorFailure: Error, Hashable, Sendable {
    /// It cannot be reached, or did not answer in time; why.
    case disconnected(String)
    /// It does not do what it was asked; why.
    case refused(String)
}

/// What Redis answers to a command.
package enum RedisAnswer: Hashable, Sendable {
    /// Nothing is there.
    case null
    /// A number.
    case integer(Int)
    /// A value or a word such as `OK`.
    case text(String)
    /// Several answers.
    case array([RedisAnswer])
    /// The command was refused, and why.
    case error(String)

    var text: String? { if case .text(let text) = self { text } else { nil } }

    var array: [RedisAnswer]? { if case .array(let answers) = self { answers } else { nil } }

    /// The first error in it; nil where there is none.
    var failure: String? {
        switch self {
        case .error(let reason): reason
        case .array(let answers): answers.lazy.compactMap(\.failure).first
        case .null, .integer, .text: nil
        }
    }
}

extension MirrorLink {
    /// How many commands are sent in one go.
    private static var goLimit: Int { 5_000 }

    /// Uses the connection; where that fails it is given up. Does nothing without one.
    mutating func use(at now: Int, _ body: (inout Self) throws(MirrorFailure) -> Void) {
        guard isOpen else { return }
        do throws(MirrorFailure) { try body(&self) } catch { fail(error, at: now) }
    }

    /// Carries each group of commands out in a transaction, many in one go.
    mutating func show(_ groups: [[RedisCommand]]) throws(MirrorFailure) {
        var waiting: [RedisCommand] = []
        for (place, group) in groups.enumerated() {
            if group.count == 1 {
                waiting.append(group[0])
            } else if !group.isEmpty {
                waiting.append(RedisCommand("MULTI"))
                waiting += group
                waiting.append(RedisCommand("EXEC"))
            }
            guard waiting.count >= Self.goLimit || place == groups.count - 1, !waiting.isEmpty else { continue }
            for answer in try send(waiting) { if let reason = answer.failure { throw .refused(reason) } }
            waiting = []
        }
    }

    /// Carries commands out in many goes; one that is refused harms no other.
    mutating func sendLeniently(_ commands: [RedisCommand]) throws(MirrorFailure) {
        for start in stride(from: 0, to: commands.count, by: Self.goLimit) {
            _ = try send(Array(commands[start..<min(start + Self.goLimit, commands.count)]))
        }
    }

    /// The keys that begin with one of these.
    mutating func keys(beginning prefixes: [String]) throws(MirrorFailure) -> [String] {
        let letters = Set(prefixes.compactMap(\.first)).sorted().map(String.init).joined()
        var found: Set<String> = []
        var cursor = "0"
        repeat {
            let answer = try send([RedisCommand("SCAN", cursor, "MATCH", "[\(letters)]*", "COUNT", "1000")])[0]
            if let reason = answer.failure { throw .refused(reason) }
            guard let parts = answer.array, parts.count == 2, let next = parts[0].text else {
                throw .refused("SCAN has an answer of another form")
            }
            cursor = next
            let names = (parts[1].array ?? []).compactMap(\.text)
            found.formUnion(names.filter { key in prefixes.contains { key.hasPrefix($0) } })
        } while cursor != "0"
        return found.sorted()
    }
}
