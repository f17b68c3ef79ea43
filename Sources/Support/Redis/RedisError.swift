/// Why Redis could not be asked.
package enum RedisError: Error, Hashable, Sendable, CustomStringConvertible {
    /// This is no address of a Redis.
    case badAddress(String)
    /// It cannot be reached, or did not answer in time; the connection is of no further use.
    case disconnected(String)
    /// It does not do what it was asked; the connection goes on.
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
