import Ledger
import Machine
import Service

/// Claims as lines for people.
extension Ledger {
    /// A line for each claim, indented, by name.
    var lines: [String] { sortedClaims.map { "  \(line(of: $0))" } }

    /// `NAME: CPUs 2-5, of them explicit 4-5; 3 huge pages of 2048 kB on node 0; owner uid 1000`.
    func line(of claim: Claim) -> String {
        "\(quoted(displayName(of: claim.holder))): \(claim.summary)"
    }

    /// What `claim` has, or had, that this ledger does not give its holder; nil where nothing is missing.
    func missing(of claim: Claim) -> String? {
        let now = self[claim.holder]
        guard let now else { return claim.summary }
        guard now.summary != claim.summary else { return nil }
        return "\(claim.summary) (then: \(now.summary))"
    }
}

extension Claim {
    /// CPUs, nodes, huge pages, owner and lease in one line.
    var summary: String {
        var parts: [String] = []
        if !cpus.isEmpty {
            var text = "CPUs \(cpus)"
            let idle = exclusive.subtracting(cpus)
            if exclusive.isEmpty { text += ", shared" }
            if !idle.isEmpty { text += ", idle siblings \(idle)" }
            if !explicit.isEmpty { text += explicit == cpus ? ", explicit" : ", of them explicit \(explicit)" }
            if isProtected { text += ", non-preemptive" }
            if pool != Pool.isolated { text += ", pool \(pool)" }
            parts.append(text)
        }
        if !memoryNodes.isEmpty {
            parts.append("memory of nodes \(memoryNodes.map(String.init).joined(separator: ","))")
        }
        for pages in reservations {
            parts.append("\(counted(pages.count, "huge page")) of \(pages.sizeKB) kB on node \(pages.node)")
        }
        if owner != .administrators { parts.append("owner \(escaped(owner.description))") }
        switch lease {
        case .forever: break
        case .until(let time): parts.append("until \(timestamp(time))")
        case .process(let process): parts.append("while process \(process.id) lives")
        case .cgroup(let path, _): parts.append("while a process is in \(quoted(path))")
        }
        if enforcement != nil { parts.append("enforced") }
        return parts.joined(separator: "; ")
    }
}

extension Ledger {
    /// What its claims have that `machine` does not, a sentence each.
    func lacks(of machine: Machine, pools: [String: CPUSet]) -> [String] {
        var sentences: [String] = []
        for claim in sortedClaims {
            let name = quoted(displayName(of: claim.holder))
            let absent = claim.cpus.subtracting(machine.present)
            if !absent.isEmpty { sentences.append("CPUs \(absent) of \(name) are not there") }
            let offline = claim.cpus.subtracting(absent).subtracting(machine.online)
            if !offline.isEmpty { sentences.append("CPUs \(offline) of \(name) are offline") }
            let pool = claim.pool == Pool.isolated ? machine.isolated : pools[claim.pool] ?? CPUSet()
            let outside = claim.cpus.subtracting(absent).subtracting(pool)
            if !outside.isEmpty {
                let what = claim.pool == Pool.isolated ? "not isolated" : "not in the pool \(claim.pool)"
                sentences.append("CPUs \(outside) of \(name) are \(what)")
            }
        }
        var pages: [PageKey: Int] = [:]
        for claim in sortedClaims {
            for reservation in claim.reservations {
                pages[PageKey(node: reservation.node, sizeKB: reservation.sizeKB), default: 0] += reservation.count
            }
        }
        for (key, count) in pages.sorted(by: { ($0.key.node, $0.key.sizeKB) < ($1.key.node, $1.key.sizeKB) }) {
            let what = "\(counted(count, "huge page")) of \(key.sizeKB) kB on node \(key.node)"
            guard let node = machine.nodes.first(where: { $0.id == key.node }) else {
                sentences.append("\(what): there is no node \(key.node)")
                continue
            }
            let total = node.hugePages.first { $0.sizeKB == key.sizeKB }?.total ?? 0
            if total < count { sentences.append("\(what): there are \(total)") }
        }
        return sentences
    }

    private struct PageKey: Hashable {
        let node: Int
        let sizeKB: Int
    }
}
