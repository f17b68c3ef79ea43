/// Something that happens to a claim without a caller's request.
package enum Transition: Equatable, Sendable {
    /// Its lease is over: the time has come, the process has ended, the cgroup is empty.
    case leaseOver(Holder, Lease)
    /// The kernel does what the claim says, as reading it back has shown.
    case enforced(Holder, id: Int, containers: [ContainerState] = [])
    /// The containers of an active claim's pod are not what they were.
    case seen(Holder, id: Int, [ContainerState])
    /// The kernel does not do what an active claim says, and why; nil once it does again.
    case drifted(Holder, id: Int, String?)
    /// Every step was undone; the failure that led to it, where one did.
    case undone(Holder, id: Int, String?)
    /// A step could not be undone, and why.
    case notUndone(Holder, id: Int, String)

    /// Whose claim it is about.
    package var holder: Holder {
        switch self {
        case .leaseOver(let holder, _), .enforced(let holder, _, _), .seen(let holder, _, _),
            .drifted(let holder, _, _),
            .undone(let holder, _, _), .notUndone(let holder, _, _):
            holder
        }
    }

    /// Which enforcement it is about; nil where it is about none. An event of an earlier enforcement changes nothing.
    var enforcement: Int? {
        switch self {
        case .leaseOver: nil
        case .enforced(_, let id, _), .seen(_, let id, _), .drifted(_, let id, _), .undone(_, let id, _),
            .notUndone(_, let id, _):
            id
        }
    }
}
