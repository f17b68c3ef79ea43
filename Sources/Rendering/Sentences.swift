import Client
import Machine

/// One sentence about what a command changed.
public enum Sentences {
    /// After `allocate`.
    public static func granted(_ grant: CoreGrant) -> String {
        holds(grant.service, grant.cpus.list, grant.count, "automatic", grant.remaining, grant.available)
    }

    /// After `percent`.
    public static func granted(_ grant: PercentGrant) -> String {
        holds(grant.service, grant.cpus.list, grant.count, "automatic", grant.remaining, grant.available)
    }

    /// After `numa`.
    public static func granted(_ grant: NodeGrant) -> String {
        holds(
            grant.service, grant.cpus.list, grant.cpus.count, "explicit, node \(grant.node)", grant.remaining,
            grant.available)
    }

    /// After `release`.
    public static func released(_ grant: CoreGrant) -> String {
        "\(Printable.name(grant.service)) holds no CPUs; \(free(grant.remaining, grant.available))"
    }

    /// After `release --node`.
    public static func released(_ grant: NodeGrant) -> String {
        "\(Printable.name(grant.service)) holds no CPUs of node \(grant.node); \(free(grant.remaining, grant.available))"
    }

    /// After `hugepages`.
    public static func booked(_ booking: PageBooking) -> String {
        let pages = "\(Quantity.pageSize(kilobytes: booking.sizeKB)) pages on node \(booking.node)"
        let name = Printable.name(booking.service)
        return booking.requested < 0
            ? "\(name): no \(pages) booked (\(Printable.text(booking.message)))"
            : "\(name): \(booking.requested) \(pages) booked"
    }

    private static func holds(
        _ service: String, _ cpus: String, _ count: Int, _ kind: String, _ remaining: Int, _ available: Int
    ) -> String {
        "\(Printable.name(service)) holds CPUs \(cpus) (\(count), \(kind)); \(free(remaining, available))"
    }

    private static func free(_ remaining: Int, _ available: Int) -> String { "\(remaining) of \(available) free" }
}
