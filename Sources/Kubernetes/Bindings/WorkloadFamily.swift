/// What kind of work a pod does, as its label says.
package enum WorkloadFamily: String, Sendable, Hashable, CaseIterable {
    /// Spread over sockets, for memory bandwidth.
    case memoryBound = "memory-bound"
    /// Cores of its own, one CPU of each.
    case cpuBound = "cpu-bound"
    /// Packed on siblings.
    case ioBound = "io-bound"
    /// One CPU, whatever it asks for.
    case bestEffort = "best-effort"

    /// The label of pods that says their family.
    package static let label = "cslab.ece.ntua.gr/workload-type"

    /// The family that a pod's label says; cpu-bound where there is no label, nil where it says something else.
    package init?(label: String?) {
        guard let label else {
            self = .cpuBound
            return
        }
        self.init(rawValue: label)
    }
}
