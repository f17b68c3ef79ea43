import TestSupport
import WireJSON

/// What goes wrong, on purpose. The same seed and the same requests give the same faults.
package struct Faults: Sendable {
    /// What happens to a request.
    package enum Effect: Equatable, Sendable {
        /// It waits so many seconds, between the two, before it is looked at.
        case delay(ClosedRange<Double>)
        /// It is refused with this HTTP status: 403, 409, 410, 429, 500, 503 or 504, in the words of a real server;
        /// `retryAfter` in seconds for 429 and 503.
        case refuse(Int, retryAfter: Int? = nil)
        /// It is accepted and never answered: a partition that drops packets. A rule for all requests of a user holds back
        /// its open watches too, until it is gone.
        case hang
        /// The connection is closed without an answer, and nothing is done. A rule for all requests of a user closes its open
        /// watches too.
        case disconnect
        /// It is carried out, and the connection is closed without an answer.
        case loseAnswer
        /// A list that takes any version (`resourceVersion=0`) shows what was there so many changes ago, as the cache of
        /// another server may.
        case stale(UInt64)
        /// A watch misbehaves.
        case watch(WatchFault)
    }

    /// How a watch misbehaves.
    package struct WatchFault: Equatable, Sendable {
        /// It ends after so many events.
        package var endsAfter: Int?
        /// Whether its end is that of the connection, not of the answer.
        package var resets = false
        /// It says nothing more after so many events, and stays open.
        package var silentAfter: Int?
        /// Seconds between events.
        package var pause = 0.0
        /// Its lines come in pieces of so many bytes.
        package var pieces: Int?
        /// It ends at once with the ERROR event 410.
        package var isGone = false

        package init() {}

        /// Ends after so many events.
        package static func ends(after events: Int, resets: Bool = false) -> WatchFault {
            var fault = WatchFault()
            (fault.endsAfter, fault.resets) = (events, resets)
            return fault
        }

        /// Says nothing after so many events.
        package static func silent(after events: Int) -> WatchFault {
            var fault = WatchFault()
            fault.silentAfter = events
            return fault
        }

        /// Waits between events.
        package static func slow(_ seconds: Double) -> WatchFault {
            var fault = WatchFault()
            fault.pause = seconds
            return fault
        }

        /// 410 at once.
        package static var gone: WatchFault {
            var fault = WatchFault()
            fault.isGone = true
            return fault
        }
    }

    /// Which requests something happens to. What is nil or empty matches all.
    package struct Rule: Equatable, Sendable {
        package var effect: Effect
        /// The users by name.
        package var users: Set<String> = []
        /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; empty for all, those that ask
        /// for no objects included.
        package var verbs: Set<String> = []
        /// `pods`, `pods/status`; empty for all.
        package var resources: Set<String> = []
        package var namespace: String?
        package var name: String?
        /// How many of the requests, from 0 to 1.
        package var probability = 1.0
        /// How often it happens still; nil for ever.
        package var times: Int?

        /// A rule.
        package init(
            _ effect: Effect, users: Set<String> = [], verbs: Set<String> = [], resources: Set<String> = [],
            namespace: String? = nil, name: String? = nil, probability: Double = 1, times: Int? = nil
        ) {
            self.effect = effect
            self.users = users
            self.verbs = verbs
            self.resources = resources
            self.namespace = namespace
            self.name = name
            self.probability = probability
            self.times = times
        }

        /// The verbs that change something.
        package static let writes: Set<String> = ["create", "update", "patch", "delete", "deletecollection"]

        func matches(_ user: StandInUser, _ asked: ResourceRequest?) -> Bool {
            guard times.map({ $0 > 0 }) ?? true, users.isEmpty || users.contains(user.name) else { return false }
            guard let asked else { return verbs.isEmpty && resources.isEmpty && namespace == nil && name == nil }
            return (verbs.isEmpty || verbs.contains(asked.verb))
                && (resources.isEmpty || resources.contains(asked.ruleResource))
                && (namespace == nil || namespace == asked.namespace) && (name == nil || name == asked.name)
        }
    }

    /// The rules; all that match a request apply.
    package var rules: [Rule]
    private var random: SeededRandom

    /// Faults by these rules.
    package init(_ rules: [Rule] = [], seed: UInt64 = 1) {
        self.rules = rules
        random = SeededRandom(seed: seed)
    }

    /// What is decided for a request.
    struct Decision: Equatable, Sendable {
        var delay = 0.0
        var refusal: (code: Int, retryAfter: Int?)?
        var hangs = false
        var disconnects = false
        var losesAnswer = false
        var staleness: UInt64 = 0
        var watch: WatchFault?

        static func == (left: Decision, right: Decision) -> Bool {
            left.delay == right.delay && left.refusal?.code == right.refusal?.code && left.hangs == right.hangs
                && left.disconnects == right.disconnects && left.staleness == right.staleness
                && left.losesAnswer == right.losesAnswer
                && left.watch == right.watch
        }
    }

    /// What happens to the open watches of a user: `hang`, `disconnect`, or nothing.
    func partition(of user: StandInUser) -> Effect? {
        rules.first { rule in
            (rule.effect == .hang || rule.effect == .disconnect) && rule.probability >= 1 && rule.matches(user, nil)
        }?.effect
    }

    /// Decides what happens to a request.
    mutating func decide(_ user: StandInUser, _ asked: ResourceRequest?) -> Decision {
        var decision = Decision()
        for index in rules.indices where rules[index].matches(user, asked) {
            let rule = rules[index]
            if rule.probability < 1, Double.random(in: 0..<1, using: &random) >= rule.probability { continue }
            if case .watch = rule.effect, asked?.verb != "watch" { continue }
            if let times = rule.times { rules[index].times = times - 1 }
            switch rule.effect {
            case .delay(let seconds): decision.delay += Double.random(in: seconds, using: &random)
            case .refuse(let code, let retryAfter): decision.refusal = (code, retryAfter)
            case .hang: decision.hangs = true
            case .disconnect: decision.disconnects = true
            case .loseAnswer: decision.losesAnswer = true
            case .stale(let changes): decision.staleness = changes
            case .watch(let fault): decision.watch = fault
            }
        }
        return decision
    }

    /// The refusal of a decision, in the words of a real server.
    static func refusal(_ code: Int, retryAfter: Int?, _ user: StandInUser, _ asked: ResourceRequest?) -> StatusError {
        switch code {
        case 403:
            guard let asked else {
                return StatusError(403, "Forbidden", "forbidden: User \(FieldError.quote(user.name)) cannot do this")
            }
            return StandInCluster.refusal(user, asked)
        case 409:
            let qualified = asked.map { $0.group.isEmpty ? $0.plural : "\($0.plural).\($0.group)" } ?? ""
            return StatusError(
                409, "Conflict",
                "Operation cannot be fulfilled on \(qualified) \(FieldError.quote(asked?.name ?? "")): "
                    + StatusError.modified,
                details: .map([
                    "name": asked?.name.map { .string($0) }, "group": asked.map { .string($0.group) },
                    "kind": asked.map { .string($0.plural) },
                ]))
        case 410: return .expired("The resourceVersion for the provided list is too old.")
        case 429:
            return .tooManyRequests("too many requests, please try again later", retryAfter: retryAfter)
        case 503: return .unavailable("the server is currently unable to handle the request", retryAfter: retryAfter)
        case 504:
            return StatusError(
                504, "Timeout", "Timeout: request did not complete within the requested timeout", retryAfter: retryAfter
            )
        default: return .internalError("etcdserver: request timed out")
        }
    }
}
