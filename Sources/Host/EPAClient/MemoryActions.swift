import WireJSON

/// `get_memory_info`: pools and reservations of huge pages (EPA specification, section 3.5).
package struct GetMemoryInfo: EPAAction {
    /// The value of `action`.
    package static let name = "get_memory_info"

    /// The request.
    package init() {}

    /// The request has no further members.
    package func write(to writer: inout JSONWriter) {}

    /// Reads pools and reservations.
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
        var reservations: [MemoryInfo.Reservation] = []
        for holder in try object.members("allocations") {
            for entry in try ReplyObject.named("allocations", holder.value).value.members ?? [] {
                guard let size = Int(entry.name), let count = entry.value.integer else {
                    throw ReplyError("`allocations`: expected {\"<size in kB>\": <pages>}")
                }
                reservations.append(MemoryInfo.Reservation(service: holder.name, sizeKB: size, count: count))
            }
        }
        return MemoryInfo.Node(id: id, pools: pools, reservations: reservations)
    }
}

/// Pools and reservations of huge pages by node.
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
        /// Who reserved how many of its pages; sizes without a pool may appear.
        package let reservations: [Reservation]

        /// A node.
        package init(id: Int, pools: [Pool], reservations: [Reservation]) {
            self.id = id
            self.pools = pools
            self.reservations = reservations
        }

        /// The pages of this size that services reserved.
        package func reserved(sizeKB: Int) -> Int {
            reservations.reduce(0) { sum, reservation in
                guard reservation.sizeKB == sizeKB else { return sum }
                let (total, isTooLarge) = sum.addingReportingOverflow(reservation.count)
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
        /// Pages that are neither used nor reserved, as the EPA rules count them.
        package let free: Int

        /// A pool.
        package init(sizeKB: Int, total: Int, free: Int) {
            self.sizeKB = sizeKB
            self.total = total
            self.free = free
        }
    }

    /// Pages of one size that a holder reserved on one node.
    package struct Reservation: Sendable, Equatable {
        /// The holder's name: any text, escape it before a person sees it.
        package let service: String
        /// The size of a page in kB.
        package let sizeKB: Int
        /// The number of pages.
        package let count: Int

        /// A reservation.
        package init(service: String, sizeKB: Int, count: Int) {
            self.service = service
            self.sizeKB = sizeKB
            self.count = count
        }
    }
}

/// `allocate_hugepages`: reserves pages of one size on one node, in place of the service's earlier reservation of them, or
/// removes the reservation (EPA specification, section 3.6).
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

    /// Removes the reservation.
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
    package static func reply(_ object: ReplyObject) throws(ReplyError) -> PageReservation {
        guard try object.truth("allocation_successful") else { throw ReplyError("`allocation_successful` is false") }
        return PageReservation(
            service: try object.text("service_name"), requested: try object.count("hugepages_requested"),
            node: try object.count("node_id"), sizeKB: try object.count("size_kb"), message: try object.text("message"))
    }
}

/// The reply to ``AllocateHugePages``.
package struct PageReservation: Sendable, Equatable {
    /// The holder.
    package let service: String
    /// The pages reserved; -1 after a removal.
    package let requested: Int
    /// The node.
    package let node: Int
    /// The size of a page in kB.
    package let sizeKB: Int
    /// The daemon's sentence.
    package let message: String
}
