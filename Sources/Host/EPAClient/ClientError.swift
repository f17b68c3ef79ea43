/// Why the daemon sent no reply, or none that can be used.
package enum ClientError: Error, Equatable, Sendable {
    /// The daemon cannot be reached at the socket.
    case unreachable(socket: String, Unreachable)
    /// The socket is there and this user may not connect to it.
    case notPermitted(socket: String)
    /// The reply took longer than the limit in seconds.
    case timeout(socket: String, seconds: Double)
    /// The reply is cut off, is not JSON, or lacks a member.
    case malformedReply(socket: String, reason: String)
    /// The daemon replied with an error: its text, and the reply as it came.
    case refused(message: String, reply: [UInt8])

    /// Why the daemon cannot be reached.
    package enum Unreachable: Equatable, Sendable {
        /// There is no such file.
        case noSocket
        /// The file exists, and nobody listens on it.
        case nobodyListens
        /// The path does not fit a socket address (107 bytes; Linux `sun_path`).
        case pathTooLong
        /// Any other failure: the system's text.
        case failed(String)
    }
}

extension ClientError: CustomStringConvertible {
    /// What went wrong and what to do. Texts of the daemon are as they came: escape them before a person sees them.
    package var description: String {
        switch self {
        case .unreachable(let socket, .noSocket):
            "no socket at \(socket): is berthd running? (start it, or name its socket with --socket or BERTH_SOCKET)"
        case .unreachable(let socket, .nobodyListens):
            "nobody listens at \(socket): berthd has stopped and left the file behind, or the file is not a socket"
        case .unreachable(let socket, .pathTooLong):
            "\(socket): not a path for a socket (expected 1 to 107 bytes)"
        case .unreachable(let socket, .failed(let reason)): "cannot reach berthd at \(socket): \(reason)"
        case .notPermitted(let socket):
            "not permitted to connect to \(socket): run berth with sudo, or as a member of a group that berthd admits "
                + "(access-group in its configuration; berth in the package: sudo usermod -aG berth USER, then log in again)"
        case .timeout(let socket, let seconds):
            "no reply from \(socket) within \(Self.text(seconds)) s: is the daemon stuck? (--timeout sets the limit)"
        case .malformedReply(let socket, let reason): "malformed reply from \(socket): \(reason)"
        case .refused(let message, _): message
        }
    }

    private static func text(_ seconds: Double) -> String {
        Int(exactly: seconds).map(String.init) ?? String(seconds)
    }
}
