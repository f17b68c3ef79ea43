/// How long a claim lives.
package enum Lease: Equatable, Sendable {
    /// Until it is released.
    case forever
    /// Until a time in milliseconds since 1970 UTC, unless it is renewed.
    case until(Int)
    /// While a process lives.
    case process(ProcessIdentity)
    /// While any process is in the cgroup of this path, relative to the root of the cgroup hierarchy, since the boot of
    /// this id.
    case cgroup(path: String, bootID: String)

    /// Whether something but the clock ends it.
    package var isWatched: Bool {
        switch self {
        case .process, .cgroup: true
        case .forever, .until: false
        }
    }

    /// Whether the lease is over at `now`, in milliseconds since 1970 UTC, by the clock alone.
    package func isOver(at now: Int) -> Bool {
        if case .until(let end) = self { return end <= now }
        return false
    }
}

/// A process, told from a later one of the same id by its start time and the boot.
package struct ProcessIdentity: Hashable, Sendable {
    /// The process id.
    package let id: Int
    /// When it started, in clock ticks since the boot (`/proc/PID/stat`, field 22).
    package let startTime: Int
    /// The boot (`/proc/sys/kernel/random/boot_id`).
    package let bootID: String

    /// The process of this id that started then.
    package init(id: Int, startTime: Int, bootID: String) {
        self.id = id
        self.startTime = startTime
        self.bootID = bootID
    }
}
