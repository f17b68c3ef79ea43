import Machine
import WireJSON

/// `list_allocations`: who holds which CPUs (EPA specification, section 3.4).
public struct ListAllocations: EPAAction {
    /// The value of `action`.
    public static let name = "list_allocations"

    /// The request.
    public init() {}

    /// Nothing more is asked.
    public func write(to writer: inout JSONWriter) {}

    /// Reads the list.
    public static func reply(_ object: ReplyObject) throws(ReplyError) -> AllocationList {
        var allocations: [Allocation] = []
        for entry in try object.objects("allocations") {
            allocations.append(
                Allocation(
                    service: try entry.text("service_name"), cpus: try entry.cpus("allocated_cores"),
                    isExplicit: try entry.truth("is_explicit")))
        }
        return AllocationList(
            allocations: allocations, allocated: try object.count("total_allocated_cpus"),
            available: try object.count("total_available_cpus"),
            remaining: try object.count("remaining_available_cpus"))
    }
}

/// All allocations of CPUs.
public struct AllocationList: Sendable, Equatable {
    /// The holders, sorted by name.
    public let allocations: [Allocation]
    /// CPUs that somebody holds.
    public let allocated: Int
    /// Isolated CPUs.
    public let available: Int
    /// Isolated CPUs that nobody holds.
    public let remaining: Int

    /// A list.
    public init(allocations: [Allocation], allocated: Int, available: Int, remaining: Int) {
        self.allocations = allocations
        self.allocated = allocated
        self.available = available
        self.remaining = remaining
    }
}

/// What one holder holds.
public struct Allocation: Sendable, Equatable {
    /// The holder's name: any text, escape it before a person sees it.
    public let service: String
    /// Its CPUs.
    public let cpus: CPUSet
    /// Whether at least some of them are protected from being taken.
    public let isExplicit: Bool

    /// An allocation.
    public init(service: String, cpus: CPUSet, isExplicit: Bool) {
        self.service = service
        self.cpus = cpus
        self.isExplicit = isExplicit
    }
}
