import WireJSON

extension Faults {
    /// Rules that make no sense.
    package struct FormError: Error, CustomStringConvertible {
        package let description: String
    }

    /// Reads `{"seed": 1, "rules": [{"effect": "refuse", "code": 429, "retryAfter": 1, "verbs": ["update"], "times": 3}]}`.
    ///
    /// The effects are `delay` (`seconds` or `from` and `to`), `refuse` (`code`, `retryAfter`), `hang`, `disconnect`,
    /// `loseAnswer`, `stale` (`changes`), `watch` (`endsAfter`, `resets`, `silentAfter`, `pause`, `pieces`, `isGone`).
    ///
    /// - Throws: ``FormError`` that names what is wrong.
    package init(json: JSONValue) throws(FormError) {
        try Self.check(json, ["seed", "rules"], "the faults")
        var rules: [Rule] = []
        for rule in json["rules"]?.array ?? [] { rules.append(try Self.rule(rule)) }
        self.init(rules, seed: UInt64(max(json["seed"]?.integer ?? 1, 0)))
    }

    private static func check(_ value: JSONValue, _ names: Set<String>, _ what: String) throws(FormError) {
        guard let members = value.members else { throw FormError(description: "\(what): an object is wanted") }
        for member in members where !names.contains(member.name) {
            let known = names.sorted().joined(separator: ", ")
            throw FormError(description: "\(what): there is no member \(member.name); there are \(known)")
        }
    }

    private static func rule(_ value: JSONValue) throws(FormError) -> Rule {
        try check(
            value,
            [
                "effect", "users", "verbs", "resources", "namespace", "name", "probability", "times", "seconds", "from",
                "to", "code", "retryAfter", "endsAfter", "resets", "silentAfter", "pause", "pieces", "isGone",
                "changes",
            ], "a rule")
        func set(_ name: String) -> Set<String> { Set(value[name]?.array?.compactMap(\.string) ?? []) }
        return Rule(
            try effect(value), users: set("users"), verbs: set("verbs"), resources: set("resources"),
            namespace: value["namespace"]?.string, name: value["name"]?.string,
            probability: try number(value, "probability") ?? 1, times: value["times"]?.integer)
    }

    private static func number(_ value: JSONValue, _ name: String) throws(FormError) -> Double? {
        switch value[name] {
        case nil: return nil
        case .number(let text)?:
            guard let number = Double(text), number >= 0, number < 1e6 else { fallthrough }
            return number
        default: throw FormError(description: "\(name) takes a number from 0 to 1000000")
        }
    }

    private static func effect(_ value: JSONValue) throws(FormError) -> Effect {
        switch value["effect"]?.string {
        case "delay":
            let seconds = try number(value, "seconds")
            let from = try number(value, "from") ?? seconds ?? 0
            return .delay(from...max(from, try number(value, "to") ?? seconds ?? from))
        case "refuse":
            guard let code = value["code"]?.integer, [403, 409, 410, 429, 500, 503, 504].contains(code) else {
                throw FormError(description: "code takes 403, 409, 410, 429, 500, 503 or 504")
            }
            return .refuse(code, retryAfter: value["retryAfter"]?.integer)
        case "hang": return .hang
        case "disconnect": return .disconnect
        case "loseAnswer": return .loseAnswer
        case "stale": return .stale(UInt64(max(value["changes"]?.integer ?? 0, 0)))
        case "watch":
            var fault = WatchFault()
            fault.endsAfter = value["endsAfter"]?.integer
            fault.resets = value["resets"]?.boolean ?? false
            fault.silentAfter = value["silentAfter"]?.integer
            fault.pause = try number(value, "pause") ?? 0
            fault.pieces = value["pieces"]?.integer.map { max($0, 1) }
            fault.isGone = value["isGone"]?.boolean ?? false
            return .watch(fault)
        default:
            throw FormError(description: "effect takes delay, refuse, hang, disconnect, loseAnswer, stale or watch")
        }
    }
}
