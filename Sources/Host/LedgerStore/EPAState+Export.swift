import Ledger
import Machine
import WireJSON

extension EPAState {
    /// The text of a state file, and what of the ledger is not in it.
    package struct Export: Equatable, Sendable {
        /// The text.
        package let text: [UInt8]
        /// How many claims are in it, wholly or in part.
        package let claims: Int
        /// What the format cannot hold, one sentence each.
        package let leftOut: [String]
    }

    /// What of a claim the format holds: exclusive CPUs of the pools that it knows, and huge pages.
    private struct Part {
        let name: String
        let claim: Claim
        let cpus: CPUSet

        init(_ claim: Claim, name: String) {
            self.name = name
            self.claim = claim
            cpus = [Pool.isolated, Pool.general].contains(claim.pool) ? claim.exclusive : CPUSet()
        }

        var isEmpty: Bool { cpus.isEmpty && claim.reservations.isEmpty }

        /// The CPUs that nobody may take. The format protects those of services only in part.
        var explicit: CPUSet { (claim.holder.kind == .service ? claim.explicit : claim.exclusive).intersection(cpus) }

        var pool: String? { cpus.isEmpty || claim.pool == Pool.isolated ? nil : claim.pool }

        var policy: String? { claim.isProtected && !cpus.isEmpty ? "non-preemptive" : nil }

        /// What the format cannot hold, and why.
        var leftOut: [String] {
            var sentences: [String] = []
            let lost = claim.exclusive.subtracting(cpus)
            if !lost.isEmpty {
                sentences.append(
                    "CPUs \(lost) are left out: they are of the pool \(claim.pool), and the format knows \(Pool.isolated) "
                        + "and \(Pool.general)")
            }
            let shared = claim.grants.filter(\.isShared).reduce(into: CPUSet()) { $0.formUnion($1.cpus) }
            if !shared.isEmpty {
                sentences.append("the shared CPUs \(shared) are left out: the format has exclusive ones only")
            }
            if !claim.memoryNodes.isEmpty {
                let nodes = claim.memoryNodes.map(String.init).joined(separator: ",")
                sentences.append("the memory nodes \(nodes) are left out: the format has none")
            }
            guard !isEmpty else { return sentences }
            if claim.enforcement != nil {
                sentences.append("the enforcement is left out: the format only records what a claim has")
            }
            if claim.lease != .forever {
                sentences.append("the lease is left out: in the file the claim lasts until it is released")
            }
            return sentences
        }
    }

    /// The text of a state file that the EPA Orchestrator loads; holders of other kinds have the name `kind:name`, so that
    /// their CPUs stay allocated.
    ///
    /// - Parameter updatedAt: the time as ISO 8601 with microseconds and `+00:00`.
    package static func write(_ ledger: Ledger, updatedAt: String) -> Export {
        let all = ledger.sortedClaims.map { Part($0, name: ledger.displayName(of: $0.holder)) }
        let parts = all.filter { !$0.isEmpty }
        func member(_ writer: inout JSONWriter, _ name: String, _ text: (Part) -> String?) {
            writer.name(name)
            writer.object { writer in
                for part in parts {
                    if let text = text(part) { writer.member(part.name, text) }
                }
            }
        }
        func list(_ cpus: CPUSet) -> String? { cpus.isEmpty ? nil : cpus.list }
        let text = JSONWriter.object(capacity: 4096) { writer in
            writer.name("allocations_db")
            writer.object { writer in
                if parts.contains(where: { $0.pool != nil }) { member(&writer, "allocation_pools", \.pool) }
                member(&writer, "allocations") { list($0.cpus) }
                member(&writer, "explicit_allocations") { list($0.explicit) }
                if parts.contains(where: { $0.policy != nil }) { member(&writer, "preemption_policies", \.policy) }
            }
            writer.name("hugepages_db")
            writer.object { writer in
                writer.name("allocations")
                writer.object { writer in
                    for part in parts where !part.claim.reservations.isEmpty {
                        writer.name(part.name)
                        writer.array { array in
                            for pages in part.claim.reservations {
                                array.object { writer in
                                    writer.member("count", pages.count)
                                    writer.member("node_id", pages.node)
                                    writer.member("size_kb", pages.sizeKB)
                                }
                            }
                        }
                    }
                }
            }
            writer.member("updated_at", updatedAt)
            writer.member("version", 1)
        }
        return Export(
            text: text, claims: parts.count,
            leftOut: all.flatMap { part in part.leftOut.map { "\(part.name.debugDescription): \($0)" } })
    }
}
