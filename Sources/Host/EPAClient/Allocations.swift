import Machine
import WireJSON

/// `list_allocations`: who holds which CPUs (EPA specification, section 3.4).
package struct ListAllocations: EPAAction {
    /// The value of `action`.
    package static let name = "list_allocations"

    /// The request.
    package init() {}

    /// The request has no further members.
    package func write(to writer: inout JSONWriter) {}

    /// Reads the list.
    package static func reply(_ object: ReplyObject) throws(ReplyError) -> AllocationList {
        AllocationList(
            allocations: try object.allocations("allocations"), allocated: try object.count("total_allocated_cpus"),
            available: try object.count("total_available_cpus"),
            remaining: try object.count("remaining_available_cpus"))
    }
}

/// All claims to CPUs.
package struct AllocationList: Sendable, Equatable {
    /// The holders, sorted by name.
    package let allocations: [Allocation]
    /// Isolated CPUs that somebody holds.
    package let allocated: Int
    /// Isolated CPUs.
    package let available: Int
    /// Isolated CPUs that nobody holds.
    package let remaining: Int

    /// A list.
    package init(allocations: [Allocation], allocated: Int, available: Int, remaining: Int) {
        self.allocations = allocations
        self.allocated = allocated
        self.available = available
        self.remaining = remaining
    }
}

/// The CPUs of one holder.
package struct Allocation: Sendable, Equatable {
    /// The holder's name: any text, escape it before a person sees it.
    package let service: String
    /// Its CPUs.
    package let cpus: CPUSet
    /// Whether at least some of them are protected: no other service's request takes them.
    package let isExplicit: Bool

    /// An allocation.
    package init(service: String, cpus: CPUSet, isExplicit: Bool) {
        self.service = service
        self.cpus = cpus
        self.isExplicit = isExplicit
    }
}
