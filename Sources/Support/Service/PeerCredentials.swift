import CLinux
import Glibc

/// Who is at the other end of a Unix socket, as the kernel says.
package struct PeerCredentials: Equatable, Sendable {
    /// The user id.
    package let uid: UInt32
    /// The group id.
    package let gid: UInt32
    /// The process id; 0 where it is of another namespace.
    package let pid: Int32
    /// The supplementary groups.
    package let groups: [UInt32]
    /// The security label, where a security module is active.
    package let label: String?

    /// Credentials of these parts.
    package init(uid: UInt32, gid: UInt32, pid: Int32 = 0, groups: [UInt32] = [], label: String? = nil) {
        self.uid = uid
        self.gid = gid
        self.pid = pid
        self.groups = groups
        self.label = label
    }

    /// Reads the peer of a connected Unix socket: `SO_PEERCRED`, `SO_PEERGROUPS`, `SO_PEERSEC` (unix(7), socket(7)).
    ///
    /// - Throws: ``SystemError`` where the kernel gives no credentials. Groups and label are optional: without them the
    ///   peer has none.
    package init(descriptor: Int32) throws(SystemError) {
        var credentials = clinux_peer()
        guard clinux_peer_credentials(descriptor, &credentials) == 0 else {
            throw SystemError("read the credentials of a client", errno: errno)
        }
        // Nobody asks for the groups of root.
        self.init(
            uid: credentials.uid, gid: credentials.gid, pid: credentials.pid,
            groups: credentials.uid == 0 ? [] : Self.groups(descriptor), label: Self.label(descriptor))
    }

    private static func groups(_ descriptor: Int32) -> [UInt32] {
        var capacity = 32
        // NGROUPS_MAX is 65,536.
        while capacity <= 65_536 {
            var groups = [UInt32](repeating: 0, count: capacity)
            let count = Int(clinux_peer_groups(descriptor, &groups, Int32(capacity)))
            if count < 0 { return [] }
            if count <= capacity { return Array(groups.prefix(count)) }
            capacity = count
        }
        return []
    }

    private static func label(_ descriptor: Int32) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { bytes in
            let length = Int(clinux_peer_label(descriptor, bytes.baseAddress, Int32(bytes.count)))
            guard length > 0 else { return nil }
            return String(decoding: bytes.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}
