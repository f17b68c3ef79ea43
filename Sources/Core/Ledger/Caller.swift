/// Who asks for a change, as the kernel and the access policy say.
package struct Caller: Equatable, Sendable {
    /// The user id of the peer.
    package let uid: UInt32
    /// The group id of the peer.
    package let gid: UInt32
    /// The process id of the peer, for the records only; 0 where the kernel gives none.
    package let pid: Int32
    /// The security label of the peer, where a security module is active.
    package let label: String?
    /// Whether the access policy makes the peer an administrator, who may change everything.
    package let isAdministrator: Bool
    /// The frontend that it came through: `epa` or `http`.
    package let frontend: String
    /// How many exclusive CPUs the claims of its user may have together; nil for any number. Administrators have no limit.
    package let cpuLimit: Int?

    /// A caller with these credentials.
    package init(
        uid: UInt32, gid: UInt32, pid: Int32 = 0, label: String? = nil, isAdministrator: Bool, frontend: String,
        cpuLimit: Int? = nil
    ) {
        self.uid = uid
        self.gid = gid
        self.pid = pid
        self.label = label
        self.isAdministrator = isAdministrator
        self.frontend = frontend
        self.cpuLimit = cpuLimit
    }
}

/// Who may change a claim, besides administrators: the uid and security label that created it.
package enum Owner: Equatable, Sendable {
    /// Only administrators: imported claims.
    case administrators
    /// The user, under this label where the kernel gave one.
    case user(uid: UInt32, label: String?)

    /// The owner of what `caller` creates.
    package init(_ caller: Caller) {
        self = .user(uid: caller.uid, label: caller.label)
    }

    /// Whether `caller` may change what this owner owns.
    package func admits(_ caller: Caller) -> Bool {
        switch self {
        case _ where caller.isAdministrator: true
        case .administrators: false
        case .user(let uid, let label): uid == caller.uid && label == caller.label
        }
    }
}

extension Owner: CustomStringConvertible {
    /// `administrators`, `uid 1000` or `uid 1000 (LABEL)`.
    package var description: String {
        switch self {
        case .administrators: "administrators"
        case .user(let uid, nil): "uid \(uid)"
        case .user(let uid, let label?): "uid \(uid) (\(label))"
        }
    }
}
