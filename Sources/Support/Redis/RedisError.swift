/// Why a command to Redis failed.
package enum RedisError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The address is malformed.
    case badAddress(String)
    /// Redis cannot be reached, or did not reply in time; the connection cannot be used any more.
    case disconnected(String)
    /// Redis refused the command; the connection stays open.
    case refused(String)

    /// One sentence.
    package var description: String {
        switch self {
        case .badAddress(let reason): reason
        case .disconnected(let reason): "Redis cannot be reached: \(reason)"
        case .refused(let reason): "Redis refuses: \(reason)\(Self.remedy(reason).map { " (\($0))" } ?? "")"
        }
    }

    /// What to do about a refusal; nil if that is not known.
    private static func remedy(_ reason: String) -> String? {
        // Redis 7 gives a script no code.
        if reason.contains("The user executing the script can't") { return remedies["NOPERM"] }
        let words = reason.split { !$0.isASCII || !$0.isUppercase }
        return words.lazy.compactMap { remedies[String($0)] }.first
    }

    /// What to do, by the code of the refusal.
    private static let remedies = [
        "NOPERM": "give the user of the URL this right with ACL SETUSER",
        "NOAUTH": "put a user and password in the URL",
        "READONLY": "this is a replica: use the URL of its primary",
        "MASTERDOWN": "this is a replica without its primary: use the URL of the primary",
        "MISCONF": "Redis cannot save to its disk: see its log",
        "OOM": "raise its maxmemory, or let it evict keys",
        "MOVED": "this is a cluster of several shards: use a Redis with one",
        "ASK": "this is a cluster of several shards: use a Redis with one",
        "CROSSSLOT": "this is a cluster: use a Redis that is none, or let the user run INFO",
        "CLUSTERDOWN": "the cluster is down, or some of its slots belong to no shard",
        "LOADING": "Redis is reading its data: wait",
    ]
}
