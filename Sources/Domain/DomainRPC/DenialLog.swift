import Logging
internal import NIOCore
import Synchronization

/// Logs denied calls, once for each caller and reason, because callers retry.
final class DenialLog: Sendable {
    private struct Denial: Hashable {
        /// Each connection has another port.
        let host: Substring
        let call: String
        let reason: String
    }

    private let logged = Mutex<Set<Denial>>([])
    private let logger: Logger
    /// The maximum number of remembered denials.
    private static let limit = 1_024

    init(logger: Logger) { self.logger = logger }

    /// Logs a denied call, or a connection that failed before its first call.
    func log(_ caller: CallerIdentity, _ call: String, _ reason: String) {
        // Each connection comes from a port of its own.
        let host = caller.address[..<(caller.address.lastIndex(of: ":") ?? caller.address.endIndex)]
        let isNew = logged.withLock { logged in
            if logged.count >= Self.limit { logged = [] }
            return logged.insert(Denial(host: host, call: call, reason: reason)).inserted
        }
        guard isNew else { return }
        let names = (caller.names ?? []).joined(separator: ",")
        logger.warning(
            "a call was denied",
            metadata: [
                "caller": "\(caller.address)", "certificate": "\(names)", "method": "\(call)", "reason": "\(reason)",
            ])
    }
}

extension CallerIdentity {
    /// The caller at the other end of a connection, in the transport's notation.
    init(_ channel: any Channel) {
        let address = channel.remoteAddress
        let port = address?.port.map { ":\($0)" } ?? ""
        switch address {
        case .v4: self.init(address: "ipv4:\(address?.ipAddress ?? "")\(port)")
        case .v6: self.init(address: "ipv6:[\(address?.ipAddress ?? "")]\(port)")
        case .unixDomainSocket, nil: self.init(address: "unknown")
        }
    }
}
