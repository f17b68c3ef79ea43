/// How long a claim lives.
package enum Lease: Equatable, Sendable {
    /// Until it is released.
    case forever
    /// Until a time in milliseconds since 1970 UTC, unless it is renewed.
    case until(Int)
    /// While a process lives. The start time (`/proc/PID/stat`, field 22) and the boot id tell it from a later process
    /// of the same id.
    case process(id: Int, startTime: Int, bootID: String)
    /// While any process is in the cgroup of this path, relative to the root of cgroup v2.
    case cgroup(path: String)

    /// Whether the lease is over at `now`, in milliseconds since 1970 UTC, by the clock alone.
    package func isOver(at now: Int) -> Bool {
        if case .until(let end) = self { return end <= now }
        return false
    }
}
