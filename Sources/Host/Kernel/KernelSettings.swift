import Machine

/// How the kernel is made to follow claims.
package struct KernelSettings: Sendable {
    /// CPUs that are never taken away from the rest of the machine; nil for the machine's first core.
    package var housekeeping: CPUSet?
    /// Where the cgroup hierarchy is mounted; nil to find it.
    package var mount: String?
    /// Whether systemd runs this machine: it then owns Berth's slice, and the cgroup of all claims is a unit that it delegates.
    package var hasSystemd: Bool
    /// Whether interrupts and unbound kernel work are kept away from exclusive CPUs.
    package var movesInterrupts: Bool

    /// Settings.
    package init(
        housekeeping: CPUSet? = nil, mount: String? = nil, hasSystemd: Bool = false, movesInterrupts: Bool = true
    ) {
        self.housekeeping = housekeeping
        self.mount = mount
        self.hasSystemd = hasSystemd
        self.movesInterrupts = movesInterrupts
    }

    /// The cgroup of Berth.
    package var slice: String { "/berth.slice" }

    /// The cgroup in which the claims' cgroups are.
    package var claims: String { hasSystemd ? "/berth.slice/berth-claims.service" : "/berth.slice/claims" }
}
