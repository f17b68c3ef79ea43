import DomainMirror
import Redis

/// A model of Redis, as far as the mirror uses it. Nothing expires, because a history is shorter than a day.
struct ModelRedis {
    enum Value: Hashable {
        case string(String)
        case list([String])
        /// The score of each member.
        case sorted([String: Double])
    }

    var values: [String: Value] = [:]
    /// Whether it is out of memory: commands that need more are refused.
    var isFull = false
    /// Whether it has become a replica, which refuses to write.
    var isReadOnly = false
    /// For tests of the checks: commands that are answered but not carried out.
    var ignores: (@Sendable ([String]) -> Bool)?
    /// The unknown commands that were received.
    private(set) var unknown: Set<String> = []

    static let wrongType = RedisReply.error(
        "WRONGTYPE Operation against a key holding the wrong kind of value")
    private static let full = RedisReply.error("OOM command not allowed when used memory > 'maxmemory'.")
    private static let growing: Set<String> = ["SET", "RPUSH", "LPUSH", "ZADD"]
    private static let readOnly = RedisReply.error("READONLY You can't write against a read only replica.")
    private static let reading: Set<String> = ["GET", "EXISTS", "TYPE", "SCAN"]

    /// Why a command is refused at present; nil if it is not.
    private func refusal(of command: String) -> RedisReply? {
        if isFull && Self.growing.contains(command) { return Self.full }
        return isReadOnly && !Self.reading.contains(command) ? Self.readOnly : nil
    }

    /// Carries out the commands of a connection; a transaction without EXEC has no effect.
    mutating func carryOut(_ commands: some Collection<RedisCommand>) -> [RedisReply] {
        var answers: [RedisReply] = []
        answers.reserveCapacity(commands.count)
        var queued: [[String]]?
        var isBroken = false
        for command in commands {
            let words = command.words
            switch words[0] {
            case "MULTI":
                queued = []
                isBroken = false
                answers.append(.text("OK"))
            case "EXEC":
                answers.append(
                    isBroken
                        ? .error("EXECABORT Transaction discarded because of previous errors.")
                        : .array((queued ?? []).map { carryOut($0) }))
                queued = nil
            default:
                if queued == nil {
                    answers.append(carryOut(words))
                } else if let refusal = refusal(of: words[0]) {
                    isBroken = true
                    answers.append(refusal)
                } else {
                    queued?.append(words)
                    answers.append(.text("QUEUED"))
                }
            }
        }
        return answers
    }

    /// Carries out a command.
    @discardableResult mutating func carryOut(_ words: [String]) -> RedisReply {
        guard words.count > 1 else { return unknown(words) }
        if let refusal = refusal(of: words[0]) { return refusal }
        if ignores?(words) == true { return .text("OK") }
        let key = words[1]
        switch (words[0], words.count) {
        case ("GET", 2):
            switch values[key] {
            case .string(let text): return .text(text)
            case nil: return .null
            default: return Self.wrongType
            }
        case ("SET", 3...):
            values[key] = .string(words[2])
            return .text("OK")
        case ("DEL", 2): return .integer(values.removeValue(forKey: key) == nil ? 0 : 1)
        case ("EXISTS", 2): return .integer(values[key] == nil ? 0 : 1)
        case ("TYPE", 2): return .text(values[key]?.type ?? "none")
        case ("SCAN", 4...): return .array([.text("0"), .array(matching(words[3]).map { .text($0) })])
        case ("RPUSH", 3), ("LPUSH", 3):
            return changeList(key) { list in
                if words[0] == "RPUSH" { list.append(words[2]) } else { list.insert(words[2], at: 0) }
                return .integer(list.count)
            }
        case ("ZADD", 4):
            guard let score = Double(words[2]) else { return .error("ERR value is not a valid float") }
            return changeSorted(key) { .integer($0.updateValue(score, forKey: words[3]) == nil ? 1 : 0) }
        case ("ZREMRANGEBYSCORE", 4):
            guard words[2] == "-inf", words[3].hasPrefix("("), let limit = Double(words[3].dropFirst()) else {
                return unknown(words)
            }
            return changeSorted(key) { members in
                let count = members.count
                members = members.filter { $0.value >= limit }
                return .integer(count - members.count)
            }
        case ("ZREMRANGEBYRANK", 4):
            guard words[2] == "0", let last = Int(words[3]), last < 0 else { return unknown(words) }
            return changeSorted(key) { members in
                let gone = max(0, members.count + last + 1)
                for member in members.sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) }).prefix(gone) {
                    members[member.key] = nil
                }
                return .integer(gone)
            }
        case ("EVAL", 8) where key == IntentCommand.listScript: return listIntents(words)
        case ("EVAL", 9) where key == IntentCommand.takeScript: return takeIntent(words)
        case ("EVAL", 5) where key == IntentCommand.takeScript:
            guard case .string(let value)? = values[words[3]] else { return .null }
            return .array([.text(value), .text("")])
        case ("EVAL", 12) where key == IntentCommand.finishScript: return finishIntent(words)
        case ("EVAL", 6) where key == IntentCommand.dropScript: return dropIntent(words)
        case ("EVAL", 6) where key == Mirror.trimScript: return trim(words)
        default: return unknown(words)
        }
    }

    private mutating func unknown(_ words: [String]) -> RedisReply {
        unknown.insert(words.first ?? "")
        return .error("ERR unknown command")
    }

    /// The keys that begin with one of the letters of a pattern such as `[abc]*`.
    private func matching(_ pattern: String) -> [String] {
        let letters = Set(pattern.dropFirst().prefix { $0 != "]" })
        return values.keys.filter { key in key.first.map { letters.contains($0) } ?? false }
    }

    mutating func changeList(_ key: String, _ body: (inout [String]) -> RedisReply) -> RedisReply {
        var list: [String] = []
        switch values[key] {
        case nil: break
        case .list(let found): list = found
        default: return Self.wrongType
        }
        let answer = body(&list)
        values[key] = list.isEmpty ? nil : .list(list)
        return answer
    }

    private mutating func changeSorted(_ key: String, _ body: (inout [String: Double]) -> RedisReply) -> RedisReply {
        var members: [String: Double] = [:]
        switch values[key] {
        case nil: break
        case .sorted(let found): members = found
        default: return Self.wrongType
        }
        values[key] = nil
        let answer = body(&members)
        values[key] = members.isEmpty ? nil : .sorted(members)
        return answer
    }

    // MARK: - Scripts

    /// ``Mirror/trimScript``.
    private mutating func trim(_ words: [String]) -> RedisReply {
        guard let oldest = Double(words[4]), let limit = Int(words[5]), limit < 0 else {
            return .error("ERR arguments")
        }
        return changeList(words[3]) { list in
            let remaining = list.drop { entry in
                guard let time = entry.split(separator: ",").last.flatMap({ Double($0) }) else { return true }
                return time < oldest
            }
            list = remaining.suffix(-limit)
            return .null
        }
    }
}

extension ModelRedis.Value {
    fileprivate var type: String {
        switch self {
        case .string: "string"
        case .list: "list"
        case .sorted: "zset"
        }
    }
}
