import WireJSON

/// `get_memory_info`: pools and bookings of huge pages (EPA specification, section 3.5).
package struct GetMemoryInfo: EPAAction {
    /// The value of `action`.
    package static let name = "get_memory_info"

    /// The request.
    package init() {}

    /// Nothing more is asked.
    package func write(to writer: inout JSONWriter) {}

    /// Reads pools and bookings.
    package static func reply(_ object: ReplyObject) throws(ReplyError) -> MemoryInfo {
        var nodes: [MemoryInfo.Node] = []
        for member in try object.members("numa_hugepages") {
            guard member.name.hasPrefix("node"), let id = Int(member.name.dropFirst(4)), id >= 0 else {
                throw ReplyError("`numa_hugepages`: \(member.name.debugDescription) is not the name of a node")
            }
            nodes.append(try node(id, try ReplyObject.named(member.name, member.value)))
        }
        return MemoryInfo(nodes: nodes)
    }

    private static func node(_ id: Int, _ object: ReplyObject) throws(ReplyError) -> MemoryInfo.Node {
        var pools: [MemoryInfo.Pool] = []
        for pool in try object.objects("capacity") {
            pools.append(
                MemoryInfo.Pool(
                    sizeKB: try pool.count("size"), total: try pool.count("total"), free: try pool.count("free")))
        }
        var bookings: [MemoryInfo.Booking] = []
        for holder in try object.members("allocations") {
            for entry in try ReplyObject.named("allocations", holder.value).value.members ?? [] {
                guard let size = Int(entry.name), let count = entry.value.integer else {
                    throw ReplyError("`allocations`: expected {\"<size in kB>\": <pages>}")
                }
                bookings.append(MemoryInfo.Booking(service: holder.name, sizeKB: size, count: count))
            }
        }
        return MemoryInfo.Node(id: id, pools: pools, bookings: bookings)
    }
}

/// Pools and bookings of huge pages by node.
package struct MemoryInfo: Sendable, Equatable {
    /// The nodes, as the daemon ordered them.
    package let nodes: [Node]

    /// All nodes.
    package init(nodes: [Node]) { self.nodes = nodes }

    /// The pages of one node.
    package struct Node: Sendable, Equatable {
        /// The node's number.
        package let id: Int
        /// Its pools.
        package let pools: [Pool]
        /// Who booked how many of its pages; sizes without a pool may appear.
        package let bookings: [Booking]

        /// A node.
        package init(id: Int, pools: [Pool], bookings: [Booking]) {
            self.id = id
            self.pools = pools
            self.bookings = bookings
        }

        /// The pages of this size that services booked.
        package func booked(sizeKB: Int) -> Int {
            bookings.reduce(0) { sum, booking in
                guard booking.sizeKB == sizeKB else { return sum }
                let (total, isTooLarge) = sum.addingReportingOverflow(booking.count)
                return isTooLarge ? .max : total
            }
        }
    }

    /// The pages of one size on one node.
    package struct Pool: Sendable, Equatable {
        /// The size of a page in kB.
        package let sizeKB: Int
        /// Pages in the pool.
        package let total: Int
        /// Pages that are neither used nor booked.
        package let free: Int

        /// A pool.
        package init(sizeKB: Int, total: Int, free: Int) {
            self.sizeKB = sizeKB
            self.total = total
            self.free = free
        }
    }

    /// Pages of one size that a holder booked on one node.
    package struct Booking: Sendable, Equatable {
        /// The holder's name: any text, escape it before a person sees it.
        package let service: String
        /// The size of a page in kB.
        package let sizeKB: Int
        /// The number of pages.
        package let count: Int

        /// A booking.
        package init(service: String, sizeKB: Int, count: Int) {
            self.service = service
            self.sizeKB = sizeKB
            self.count = count
        }
    }
}

/// `allocate_hugepages`: books pages of one size on one node, replacing an earlier booking of the same kind, or removes
/// the booking (EPA specification, section 3.6).
package struct AllocateHugePages: EPAAction {
    /// The value of `action`.
    package static let name = "allocate_hugepages"
    let service: String
    let count: Int
    let node: Int
    let sizeKB: Int

    /// - Parameters:
    ///   - count: pages, at least 1.
    ///   - sizeKB: the size of a page in kB.
    package init(service: String, count: Int, node: Int, sizeKB: Int) {
        self.service = service
        self.count = count
        self.node = node
        self.sizeKB = sizeKB
    }

    /// Removes the booking.
    package static func remove(service: String, node: Int, sizeKB: Int) -> AllocateHugePages {
        AllocateHugePages(service: service, count: -1, node: node, sizeKB: sizeKB)
    }

    /// Name, pages, node and size.
    package func write(to writer: inout JSONWriter) {
        writer.member("service_name", service)
        writer.member("hugepages_requested", count)
        writer.member("node_id", node)
        writer.member("size_kb", sizeKB)
    }

    /// Reads the confirmation.
    package static func reply(_ object: ReplyObject) throws(ReplyError) -> PageBooking {
        guard try object.truth("allocation_successful") else { throw ReplyError("`allocation_successful` is false") }
        return PageBooking(
            service: try object.text("service_name"), requested: try object.count("hugepages_requested"),
            node: try object.count("node_id"), sizeKB: try object.count("size_kb"), message: try object.text("message"))
    }
}

/// The reply to ``AllocateHugePages``.
package struct PageBooking: Sendable, Equatable {
    /// The holder.
    package let service: String
    /// The pages booked; -1 after a removal.
    package let requested: Int
    /// The node.
    package let node: Int
    /// The size of a page in kB.
    package let sizeKB: Int
    /// The daemon's sentence.
    package let message: String
}
