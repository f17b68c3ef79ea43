import DomainMirror
import Redis

/// The scripts of ``IntentCommand``.
extension ModelRedis {
    /// ``IntentCommand/listScript``.
    mutating func listIntents(_ words: [String]) -> RedisReply {
        let (list, identity, domain) = (words[3], words[4], words[7])
        if case .error(let reason) = carryOut(["GET", identity]) { return .error(reason) }
        guard values[identity] == .string(domain) else { return .null }
        guard let count = Int(words[5]), let limit = Int(words[6]) else { return .error("ERR arguments") }
        var names: [RedisReply] = []
        var foreign: [RedisReply] = []
        let answer = changeList(list) { entries in
            for entry in entries.prefix(count) {
                if Self.isIntent(entry), entry.utf8.count <= limit {
                    names.append(.text(entry))
                } else {
                    entries.remove(at: entries.firstIndex(of: entry) ?? 0)
                    foreign.append(.text(entry))
                }
            }
            return .null
        }
        return answer == .null ? .array([.array(names), .array(foreign)]) : answer
    }

    /// ``IntentCommand/takeScript``.
    mutating func takeIntent(_ words: [String]) -> RedisReply {
        let (name, result, mark) = (words[3], words[4], words[7])
        guard case .string(let value)? = values[name] else { return .null }
        var former = ""
        if case .string(let text)? = values[result] { former = text }
        if case .error(let reason) = carryOut(["SET", result, mark]) { return .error(reason) }
        return .array([.text(value), .text(String(former.prefix(65)))])
    }

    /// ``IntentCommand/finishScript``.
    mutating func finishIntent(_ words: [String]) -> RedisReply {
        let (result, name, list) = (words[3], words[4], words[5])
        let (mark, outcome, value) = (words[6], words[7], words[9])
        guard let copies = Int(words[11]) else { return .error("ERR arguments") }
        if values[result] == .string(outcome) { return .integer(1) }
        guard values[result] == .string(mark) else { return .integer(0) }
        if case .error(let reason) = carryOut(["SET", result, outcome]) { return .error(reason) }
        let isSame = values[name] == .string(value)
        if isSame { values[name] = nil }
        let answer = remove(isSame ? copies : 1, name, from: list)
        guard case .error = answer else { return .integer(1) }
        values[result] = .string(mark)
        return answer
    }

    /// ``IntentCommand/dropScript``.
    mutating func dropIntent(_ words: [String]) -> RedisReply {
        guard let copies = Int(words[5]) else { return .error("ERR arguments") }
        if case .string? = values[words[4]] { return .integer(0) }
        return remove(copies, words[4], from: words[3])
    }

    private mutating func remove(_ count: Int, _ entry: String, from list: String) -> RedisReply {
        changeList(list) { entries in
            var removed = 0
            entries.removeAll { found in
                guard found == entry, removed < count else { return false }
                removed += 1
                return true
            }
            return .integer(removed)
        }
    }

    private static func isIntent(_ name: String) -> Bool {
        let parts = name.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "intent" && (parts[1] == "migrate" || parts[1] == "cordon")
    }
}
