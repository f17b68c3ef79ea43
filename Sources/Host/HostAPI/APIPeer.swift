import Glibc
import Ledger
import Service

/// Who is at the other end of a connection.
struct APIPeer: Sendable {
    /// What the kernel says of it.
    let credentials: PeerCredentials
    /// What it may do.
    let role: AccessPolicy.Role
    /// When it connected, in clock ticks since the boot: a process that started later is not the one that connected.
    let since: Int
    /// How many exclusive CPUs the claims of its user may have together; nil for any number.
    let cpuLimit: Int?

    /// The caller for the ledger.
    var caller: Caller {
        Caller(
            uid: credentials.uid, gid: credentials.gid, pid: credentials.pid, label: credentials.label,
            isAdministrator: role == .administrator, frontend: "http", cpuLimit: cpuLimit)
    }

    /// The clock ticks since the boot.
    static func ticks() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        let rate = max(sysconf(Int32(_SC_CLK_TCK)), 1)
        return time.tv_sec * rate + time.tv_nsec / (1_000_000_000 / rate)
    }
}
