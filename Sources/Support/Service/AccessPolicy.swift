/// Who may use a socket (docs/security.md): uid 0, members of the admin group and the admin user are administrators,
/// members of the access group may use it and change what they own, nobody else may connect unless the operator opened
/// it to all.
package struct AccessPolicy: Equatable, Sendable {
    /// The group whose members are administrators, besides uid 0.
    package var adminGroup: UInt32?
    /// A user who is an administrator, besides uid 0.
    package var adminUser: UInt32?
    /// The group whose members may use the socket.
    package var accessGroup: UInt32?
    /// Whether everybody may use it, as the EPA Orchestrator lets them (socket mode 0666).
    package var isOpen: Bool

    /// A policy; without groups and an admin user only uid 0 has access.
    package init(
        adminGroup: UInt32? = nil, adminUser: UInt32? = nil, accessGroup: UInt32? = nil, isOpen: Bool = false
    ) {
        self.adminGroup = adminGroup
        self.adminUser = adminUser
        self.accessGroup = accessGroup
        self.isOpen = isOpen
    }

    /// What a peer may do.
    package enum Role: Equatable, Sendable {
        /// Change everything.
        case administrator
        /// Change what it owns.
        case user
    }

    /// The role of `peer`, or nil where it may not use the socket.
    package func role(of peer: PeerCredentials) -> Role? {
        func isMember(of group: UInt32?) -> Bool {
            guard let group else { return false }
            return peer.gid == group || peer.groups.contains(group)
        }
        if peer.uid == 0 || peer.uid == adminUser || isMember(of: adminGroup) { return .administrator }
        return isOpen || isMember(of: accessGroup) ? .user : nil
    }
}

/// Names and numbers of users and groups from `/etc/passwd` and `/etc/group`, read as text: a static binary cannot ask
/// the name service. Names that only a directory service knows must be given as numbers.
package struct AccountFile: Sendable {
    private let numbers: [String: UInt32]

    /// The accounts of a text in the form of passwd(5) or group(5): `name:password:number:…`.
    package init(text: String) {
        var numbers: [String: UInt32] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 3, let number = UInt32(fields[2]), numbers[String(fields[0])] == nil else { continue }
            numbers[String(fields[0])] = number
        }
        self.numbers = numbers
    }

    /// The accounts of a file; none where it cannot be read.
    package init(path: String) {
        self.init(text: String(decoding: (try? readBytes(path)) ?? [], as: UTF8.self))
    }

    /// The number for a name or a number in decimal, or nil where the name is unknown. 2^32 - 1 is nobody's: chown(2)
    /// takes it for "leave as it is".
    package func number(of nameOrNumber: String) -> UInt32? {
        let number = UInt32(nameOrNumber) ?? numbers[nameOrNumber]
        return number == UInt32.max ? nil : number
    }
}
