import Glibc
import HostClient
import Machine
import Terminal

/// Why a request is refused, for people: which limit, what is free, who has what is missing, what would fit.
struct RefusalLines {
    let problem: Problem
    let request: ClaimRequest
    /// What the daemon says of its pools and claims after the refusal; empty where it says nothing.
    var pools: [Pool] = []
    var claims: [Claim] = []

    /// Asks the daemon what it takes to explain a refusal.
    init(_ problem: Problem, _ request: ClaimRequest, _ client: BerthClient) async {
        (self.problem, self.request) = (problem, request)
        guard Self.aboutCPUs.contains(problem.code) else { return }
        pools = (try? await client.pools()) ?? []
        if problem.code == "over_limit" { claims = (try? await client.claims()) ?? [] }
    }

    /// The problems that free CPUs, or those of others, are the matter of.
    private static let aboutCPUs: Set = [
        "insufficient_cpus", "insufficient_cores", "not_whole_cores", "held_by_others", "node_held", "node_too_small",
        "node_outside_pool", "empty_choice", "not_in_pool", "over_limit", "empty_pool", "no_pool",
    ]

    /// The lines; the first is the daemon's own sentence.
    var lines: [String] {
        var lines = [problem.detail] + HolderLines.lines(problem)
        for claim in claims where claim.owner?.uid == Int(getuid()) && !claim.exclusive.isEmpty {
            lines.append("  yours already: \(claim.displayName) has CPUs \(claim.exclusive)")
        }
        if let pool {
            let free = pool.freeCPUs.isEmpty ? "" : ": CPUs \(pool.freeCPUs)"
            lines.append("  \(pool.free) of \(pool.total) CPUs of the pool \(pool.name) are free\(free)")
        }
        if problem.code == "no_pool", !pools.isEmpty {
            lines.append("  pools: \(pools.map(\.name).joined(separator: ", "))")
        }
        lines += fitting.map { "  would fit: \($0)" }
        return lines.map(Printable.text)
    }

    /// The pool that was asked: where none was named, the isolated CPUs if there are any.
    private var pool: Pool? {
        guard let name = (request.cpus ?? request.grants.first)?.pool else {
            return pools.first { $0.total > 0 } ?? pools.first
        }
        return pools.first { $0.name == name }
    }

    /// What would have been granted; the daemon has planned each alternative.
    private var fitting: [String] {
        if problem.code == "insufficient_pages", let count = problem.available, count > 0 {
            return ["at most \(count) more pages"]
        }
        return problem.wouldFit.map { "\($0.text): CPUs \($0.cpus)" }
    }
}

/// Who holds what a problem says is missing.
enum HolderLines {
    static func lines(_ problem: Problem) -> [String] {
        problem.heldBy.map { "  \($0.holder) has CPUs \($0.cpus)" }
    }
}
