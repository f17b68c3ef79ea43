import EPAClient
import Machine
import Terminal

/// One sentence about what a command changed.
package enum Sentences {
    /// After `allocate`.
    package static func granted(_ grant: CoreGrant) -> String {
        holds(grant.service, grant.cpus.list, grant.count, "automatic", grant.remaining, grant.available)
    }

    /// After `percent`.
    package static func granted(_ grant: PercentGrant) -> String {
        holds(grant.service, grant.cpus.list, grant.count, "automatic", grant.remaining, grant.available)
    }

    /// After `numa`.
    package static func granted(_ grant: NodeGrant) -> String {
        holds(
            grant.service, grant.cpus.list, grant.cpus.count, "explicit, node \(grant.node)", grant.remaining,
            grant.available)
    }

    /// After `release`.
    ///
    /// - Parameter cpus: what the service held before; nil where that is not known.
    package static func released(_ grant: CoreGrant, _ cpus: CPUSet?) -> String {
        released(grant.service, cpus, "", grant.remaining, grant.available)
    }

    /// After `release --node`.
    ///
    /// - Parameter cpus: what the service held of the node before; nil where that is not known.
    package static func released(_ grant: NodeGrant, _ cpus: CPUSet?) -> String {
        released(grant.service, cpus, " of node \(grant.node)", grant.remaining, grant.available)
    }

    /// After `release --hugepages`, for each reservation.
    ///
    /// - Parameter pages: how many pages were reserved.
    package static func released(_ reservation: PageReservation, pages: Int) -> String {
        "\(Printable.name(reservation.service)) gave back \(pages) x "
            + "\(Quantity.pageSize(kilobytes: reservation.sizeKB)) on node \(reservation.node)"
    }

    /// After `release` without `--hugepages`: what the service keeps.
    package static func stillReserved(
        _ service: String, _ pages: [(node: Int, sizeKB: Int, count: Int)]
    ) -> String {
        let list = pages.map { "\($0.count) x \(Quantity.pageSize(kilobytes: $0.sizeKB)) on node \($0.node)" }
        return "  still reserved: \(list.joined(separator: ", ")) (release --hugepages gives them back)"
    }

    private static func released(
        _ service: String, _ cpus: CPUSet?, _ scope: String, _ remaining: Int, _ available: Int
    ) -> String {
        let name = Printable.name(service)
        let what =
            switch cpus {
            case nil: "holds no CPUs\(scope)"
            case let cpus? where cpus.isEmpty: "held no CPUs\(scope)"
            case let cpus?: "gave back CPUs \(cpus.list)\(scope) (\(cpus.count))"
            }
        return "\(name) \(what); \(free(remaining, available))"
    }

    /// After `hugepages`.
    package static func reserved(_ reservation: PageReservation) -> String {
        let pages = "\(Quantity.pageSize(kilobytes: reservation.sizeKB)) pages on node \(reservation.node)"
        let name = Printable.name(reservation.service)
        return reservation.requested < 0
            ? "\(name): no \(pages) reserved (\(Printable.text(reservation.message)))"
            : "\(name): \(reservation.requested) \(pages) reserved"
    }

    private static func holds(
        _ service: String, _ cpus: String, _ count: Int, _ kind: String, _ remaining: Int, _ available: Int
    ) -> String {
        "\(Printable.name(service)) holds CPUs \(cpus) (\(count), \(kind)); \(free(remaining, available))"
    }

    private static func free(_ remaining: Int, _ available: Int) -> String { "\(remaining) of \(available) free" }
}
