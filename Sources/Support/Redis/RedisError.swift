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
        case .refused(let reason): "Redis refuses: \(reason)"
        }
    }
}
