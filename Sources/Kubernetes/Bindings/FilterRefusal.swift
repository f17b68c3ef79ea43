/// Why a pod does not fit a node, in the words of actimanager where it says the same.
package enum FilterRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is counted.
    package enum Unit: String, Sendable, Hashable { case cpus, cores, sockets }

    /// The node has no fresh topology.
    case noTopology
    /// The pod's label names no family.
    case unknownFamily(String)
    /// None of the units is free.
    case allReserved(Unit)
    /// Too few units for the request; both in thousandths.
    case request(Unit, Int, available: Int)
    /// Too few units for the limit; both in thousandths.
    case limit(Unit, Int, available: Int)
    /// Pods without a binding would have too few CPUs.
    case starves(minimum: Int)
    /// An earlier try chose CPUs of this node for the pod, and may still bind it there.
    case chosen(node: String)

    /// The reason for `FailedNodes`.
    package var description: String {
        switch self {
        case .noTopology:
            "node has no fresh topology"
        case .unknownFamily(let label):
            "unknown workload type \"\(label)\", there are memory-bound, cpu-bound, io-bound and best-effort"
        case .allReserved(let unit):
            "all \(unit.rawValue) are reserved for other pods"
        case .request(let unit, let request, let available):
            "not enough \(unit.rawValue), request: \(request)m, available: \(available)m"
        case .limit(let unit, let limit, let available):
            "not enough \(unit.rawValue), limit: \(limit)m, available: \(available)m"
        case .starves(let minimum):
            "fewer than \(minimum) cpus would be left for pods without a binding"
        case .chosen(let node):
            "the pod has cpus of node \(node), where an earlier request may still bind it"
        }
    }
}
