import Host
import Ledger
import Machine
import Service

/// The metrics of a host for Prometheus, counted from the ledger at the moment of the question, so that they cannot drift.
enum MetricsText {
    /// The text.
    ///
    /// - Parameter drift: the differences that the last verification found; nil where nothing verifies.
    static func text(_ host: Host, version: String, drift: Int?) -> String {
        var text = Exposition()
        text.family("berth_info", .gauge, "The version of berthd.") { $0.sample(["version": version], 1) }
        let ledger = host.ledger
        var claims: [Holder.Kind: Int] = [:]
        for claim in ledger.sortedClaims { claims[claim.holder.kind, default: 0] += 1 }
        text.family("berth_claims", .gauge, "Claims by the kind of their holder.") {
            for kind in Holder.Kind.allCases { $0.sample(["kind": kind.rawValue], claims[kind] ?? 0) }
        }
        // A list of the kernel that cannot be understood leaves its pools out.
        let pools = (try? PoolFigures.all(host)) ?? []
        text.family("berth_pool_cpus", .gauge, "Online CPUs of a pool by state; the states add up to the pool.") {
            for pool in pools {
                $0.sample(["pool": pool.name, "state": "exclusive"], pool.exclusive)
                $0.sample(["pool": pool.name, "state": "shared"], pool.shared)
                $0.sample(["pool": pool.name, "state": "free"], pool.free.count)
            }
        }
        pages(host, ledger, &text)
        figures(host, &text)
        guard let drift else { return text.text }
        text.family(
            "berth_drift", .gauge, "Differences between what was granted and what the kernel does, at last look."
        ) {
            $0.sample([:], drift)
        }
        return text.text
    }

    private static func pages(_ host: Host, _ ledger: Ledger, _ text: inout Exposition) {
        let nodes = host.machine.pageNodes(onlyFree: false)
        text.family("berth_huge_pages", .gauge, "Huge pages of a node by state; the states add up to the pool.") {
            for node in nodes {
                for pool in node.pools {
                    let figures = PageFigures(
                        pool, claimed: ledger.reservedPages(node: node.id, sizeKB: pool.sizeKB))
                    func labels(_ state: String) -> [String: String] {
                        ["node": "\(node.id)", "size_kb": "\(pool.sizeKB)", "state": state]
                    }
                    $0.sample(labels("in_use"), figures.inUse)
                    $0.sample(labels("kernel_reserved"), figures.kernelReserved)
                    $0.sample(labels("reserved"), figures.reserved)
                    $0.sample(labels("free"), figures.free)
                }
            }
        }
    }

    private static func figures(_ host: Host, _ text: inout Exposition) {
        let figures = host.figures
        text.family("berth_changes_total", .counter, "Committed decisions by what they came to.") {
            for outcome in DecisionRecord.Outcome.allCases where outcome != .unchanged {
                $0.sample(["outcome": outcome.rawValue], figures.changes[outcome] ?? 0)
            }
        }
        text.family("berth_refusals_total", .counter, "Requests that were refused by a rule.") {
            $0.sample([:], figures.refused)
        }
        text.family("berth_failures_total", .counter, "Requests that could not be decided or stored.") {
            $0.sample([:], figures.failed)
        }
        text.family("berth_writer_busy_seconds_total", .counter, "How long the writer worked on changes.") {
            $0.sample([:], milliseconds: milliseconds(figures.busy))
        }
        text.family("berth_state_writable", .gauge, "Whether changes are accepted.") {
            $0.sample([:], host.refusal == nil ? 1 : 0)
        }
    }

    private static func milliseconds(_ duration: Duration) -> Int {
        let (seconds, attoseconds) = duration.components
        return Int(seconds) * 1_000 + Int(attoseconds / 1_000_000_000_000_000)
    }
}
