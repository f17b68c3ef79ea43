import Machine
import WireJSON

/// `allocate_cores`: a number of CPUs from the pool; or gives the service's CPUs back (EPA specification, section 3.1).
package struct AllocateCores: EPAAction {
    /// The value of `action`.
    package static let name = "allocate_cores"
    let service: String
    let count: Int

    /// - Parameter count: how many CPUs; nil for the daemon's default policy.
    package init(service: String, count: Int? = nil) {
        self.service = service
        self.count = count ?? 0
    }

    /// Gives all CPUs of the service back.
    package static func release(service: String) -> AllocateCores { AllocateCores(service: service, count: -1) }

    /// Name and count.
    package func write(to writer: inout JSONWriter) {
        writer.member("service_name", service)
        writer.member("num_of_cores", count)
    }

    /// Reads the grant.
    package static func reply(_ object: ReplyObject) throws(ReplyError) -> CoreGrant {
        CoreGrant(
            service: try object.text("service_name"), count: try object.count("cores_allocated"),
            cpus: try object.cpus("allocated_cores"), shared: try object.cpus("shared_cpus"),
            available: try object.count("total_available_cpus"),
            remaining: try object.count("remaining_available_cpus"))
    }
}

/// The reply to ``AllocateCores``.
package struct CoreGrant: Sendable, Equatable {
    /// The holder.
    package let service: String
    /// How many CPUs it holds now.
    package let count: Int
    /// These CPUs.
    package let cpus: CPUSet
    /// Isolated CPUs that nobody held at that moment.
    package let shared: CPUSet
    /// Isolated CPUs.
    package let available: Int
    /// Isolated CPUs that nobody holds.
    package let remaining: Int
}

/// `allocate_cores_percent`: a share of all isolated CPUs (EPA specification, section 3.2).
package struct AllocatePercent: EPAAction {
    /// The value of `action`.
    package static let name = "allocate_cores_percent"
    let service: String
    let percent: Int

    /// - Parameter percent: 1 to 100; 0 and -1 give the service's CPUs back.
    package init(service: String, percent: Int) {
        self.service = service
        self.percent = percent
    }

    /// Name and share.
    package func write(to writer: inout JSONWriter) {
        writer.member("service_name", service)
        writer.member("percent", percent)
    }

    /// Reads the grant.
    package static func reply(_ object: ReplyObject) throws(ReplyError) -> PercentGrant {
        PercentGrant(
            service: try object.text("service_name"), count: try object.count("cores_allocated_count"),
            cpus: try object.cpus("allocated_cores"), available: try object.count("total_available_cpus"),
            remaining: try object.count("remaining_available_cpus"))
    }
}

/// The reply to ``AllocatePercent``.
package struct PercentGrant: Sendable, Equatable {
    /// The holder.
    package let service: String
    /// How many CPUs it holds now.
    package let count: Int
    /// These CPUs.
    package let cpus: CPUSet
    /// Isolated CPUs.
    package let available: Int
    /// Isolated CPUs that nobody holds.
    package let remaining: Int
}

/// `allocate_numa_cores`: protected CPUs of one NUMA node; or gives those of a node back (EPA specification, section 3.3).
package struct AllocateNodeCores: EPAAction {
    /// The value of `action`.
    package static let name = "allocate_numa_cores"
    let service: String
    let node: Int
    let count: Int

    /// - Parameter count: how many CPUs, at least 1.
    package init(service: String, node: Int, count: Int) {
        self.service = service
        self.node = node
        self.count = count
    }

    /// Gives the service's CPUs of a node back.
    package static func release(service: String, node: Int) -> AllocateNodeCores {
        AllocateNodeCores(service: service, node: node, count: -1)
    }

    /// Name, node and count.
    package func write(to writer: inout JSONWriter) {
        writer.member("service_name", service)
        writer.member("numa_node", node)
        writer.member("num_of_cores", count)
    }

    /// Reads the grant.
    package static func reply(_ object: ReplyObject) throws(ReplyError) -> NodeGrant {
        NodeGrant(
            service: try object.text("service_name"), node: try object.count("numa_node"),
            cpus: try object.cpus("cores_allocated"), available: try object.count("total_available_cpus"),
            remaining: try object.count("remaining_available_cpus"))
    }
}

/// The reply to ``AllocateNodeCores``.
package struct NodeGrant: Sendable, Equatable {
    /// The holder.
    package let service: String
    /// The node.
    package let node: Int
    /// The CPUs of this node that the holder has now; empty after a release.
    package let cpus: CPUSet
    /// Isolated CPUs.
    package let available: Int
    /// Isolated CPUs that nobody holds.
    package let remaining: Int
}
