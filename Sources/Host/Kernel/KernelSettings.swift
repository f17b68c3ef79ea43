import Machine

/// How the kernel is made to follow claims.
package struct KernelSettings: Sendable {
    /// CPUs that are never taken away from the rest of the machine; nil for the machine's first core.
    package var housekeeping: CPUSet?
    /// Where the cgroup hierarchy is mounted; nil to find it.
    package var mount: String?

    /// Settings.
    package init(housekeeping: CPUSet? = nil, mount: String? = nil) {
        self.housekeeping = housekeeping
        self.mount = mount
    }

    /// The cgroup of Berth.
    package var slice: String { "/berth.slice" }

    /// The cgroup in which the claims' cgroups are.
    package var claims: String { "/berth.slice/claims" }
}
