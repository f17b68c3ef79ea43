import Ledger
import Machine
import WireJSON

/// The state file of the EPA Orchestrator, `state.json` (EPA specification, section 4, and EPA extensions, section 4):
/// read at the first start, written on command for going back.
package enum EPAState {
    /// What an import found.
    package struct Import: Equatable, Sendable {
        /// The ledger; all names belong to the administrators.
        package var ledger = Ledger()
        /// What was left out or corrected, and why.
        package var warnings: [String] = []
    }

    /// Reads the text of a state file.
    ///
    /// Left out with a warning are what the EPA Orchestrator itself drops or should never have stored: huge page entries
    /// that do not validate, records without CPUs, explicit CPUs outside the service's allocation (section 7, items 3,
    /// 17, 25).
    ///
    /// - Parameter leavingOutUnknown: whether members that are not known are left out with a warning instead of refused.
    /// - Throws: ``CorruptStateError`` for what must not be guessed at: no JSON, no object, sections of
    ///   the wrong type, members that are not known, bad CPU lists, CPUs that two services hold (items 4, 5, 14, 26).
    package static func read(_ bytes: [UInt8], leavingOutUnknown: Bool = false) throws(CorruptStateError) -> Import {
        let value: JSONValue
        do { value = try JSONValue(bytes) } catch { throw CorruptStateError(error.description) }
        guard value.members != nil else { throw CorruptStateError("the state is no JSON object") }
        var result = Import()
        try checkMembers(value, leavingOutUnknown, &result.warnings)
        if value["allocations_db"] == nil, value["hugepages_db"] == nil {
            result.warnings.append("there is neither allocations_db nor hugepages_db in it: nobody holds anything")
        }
        var claims: [Holder: Claim] = [:]
        try readCores(value, into: &claims, warnings: &result.warnings)
        try readPolicies(value, into: &claims)
        try readPages(value, into: &claims, leavingOutUnknown, warnings: &result.warnings)
        let found = claims.values.filter { !$0.isEmpty }.sorted { $0.holder < $1.holder }
        do { try result.ledger.apply(LedgerChange(claims: found)) } catch {
            throw CorruptStateError(error.description)
        }
        result.ledger.forgetOrder()
        return result
    }

    /// The members of a state and of its sections.
    private static let members: [String: [String]] = [
        "allocations_db": ["allocations", "explicit_allocations", "preemption_policies", "allocation_pools"],
        "hugepages_db": ["allocations"], "updated_at": [], "version": [],
    ]

    /// What is not known may be a promise: it is not dropped without a word.
    private static func checkMembers(
        _ value: JSONValue, _ leavesOut: Bool, _ warnings: inout [String]
    ) throws(CorruptStateError) {
        try check(value, members.keys, "", leavesOut, &warnings)
        for (section, known) in members where !known.isEmpty {
            try check(value[section], known, section + ".", leavesOut, &warnings)
        }
    }

    private static func check(
        _ object: JSONValue?, _ known: some Sequence<String>, _ prefix: String, _ leavesOut: Bool,
        _ warnings: inout [String]
    ) throws(CorruptStateError) {
        let known = Set(known)
        for member in object?.members ?? [] where !known.contains(member.name) {
            let name = (prefix + member.name).debugDescription
            guard leavesOut else {
                throw CorruptStateError(
                    "the member \(name) is not known; known are \(names(known.map { prefix + $0 })). "
                        + "If it can be left out, say so (--leave-out-unknown)")
            }
            warnings.append("the member \(name) is not known, left out")
        }
    }

    private static func names(_ names: some Sequence<String>) -> String { names.sorted().joined(separator: ", ") }

    private static func readCores(
        _ value: JSONValue, into claims: inout [Holder: Claim], warnings: inout [String]
    ) throws(CorruptStateError) {
        let all = try cpuSets(value, "allocations")
        let explicit = try cpuSets(value, "explicit_allocations")
        for (holder, cpus) in all {
            var claim = claims[holder] ?? Claim(holder: holder, owner: .administrators)
            let protected = (explicit[holder] ?? CPUSet()).intersection(cpus)
            if cpus.isEmpty { warnings.append("\(holder.name.debugDescription): a record without CPUs, left out") }
            claim.grants = []
            let automatic = cpus.subtracting(protected)
            if !automatic.isEmpty { claim.grants.append(Grant(cpus: automatic)) }
            if !protected.isEmpty { claim.grants.append(Grant(cpus: protected, isExplicit: true)) }
            claims[holder] = claim
        }
        for (holder, cpus) in explicit {
            let orphans = cpus.subtracting(all[holder] ?? CPUSet())
            guard !orphans.isEmpty else { continue }
            warnings.append("\(holder.name.debugDescription): CPUs \(orphans) protected but not allocated, left out")
        }
    }

    /// Protection from preemption and pools: only for services that hold CPUs, and only known values.
    private static func readPolicies(
        _ value: JSONValue, into claims: inout [Holder: Claim]
    ) throws(CorruptStateError) {
        func read(_ name: String, _ known: [String]) throws(CorruptStateError) -> [(Holder, String)] {
            var values: [(Holder, String)] = []
            for member in try members(value, "allocations_db", name) {
                let holder = Holder.service(member.name)
                let of = "\(name) of \(member.name.debugDescription)"
                guard let text = member.value.string, known.contains(text) else {
                    throw CorruptStateError("\(of) is none of \(known.joined(separator: ", "))")
                }
                guard claims[holder]?.grants.isEmpty == false else {
                    throw CorruptStateError("\(of): the service holds no CPUs")
                }
                values.append((holder, text))
            }
            return values
        }
        for (holder, policy) in try read("preemption_policies", ["legacy", "non-preemptive"]) {
            guard var claim = claims[holder] else { continue }
            for index in claim.grants.indices { claim.grants[index].isProtected = policy == "non-preemptive" }
            claims[holder] = claim
        }
        for (holder, pool) in try read("allocation_pools", [Pool.isolated, Pool.general]) {
            claims[holder]?.pool = pool
        }
    }

    private static func readPages(
        _ value: JSONValue, into claims: inout [Holder: Claim], _ leavesOut: Bool, warnings: inout [String]
    ) throws(CorruptStateError) {
        for member in try members(value, "hugepages_db", "allocations") {
            guard let entries = member.value.array else {
                throw CorruptStateError("huge pages of \(member.name.debugDescription) are no list")
            }
            let holder = Holder.service(member.name)
            var claim = claims[holder] ?? Claim(holder: holder, owner: .administrators)
            claim.reservations = []
            for entry in entries {
                try check(
                    entry, ["count", "node_id", "size_kb"], "hugepages_db.allocations.\(member.name)[].", leavesOut,
                    &warnings)
                guard let node = try? entry["node_id"]?.laxInteger(), let size = try? entry["size_kb"]?.laxInteger(),
                    let count = try? entry["count"]?.laxInteger(), node >= 0, size > 0,
                    (1...PageReservation.maximumCount).contains(count)
                else {
                    warnings.append("\(member.name.debugDescription): a huge page entry that is not valid, left out")
                    continue
                }
                claim.reservations.removeAll { $0.node == node && $0.sizeKB == size }
                claim.reservations.append(PageReservation(node: node, sizeKB: size, count: count))
            }
            claims[holder] = claim
        }
    }

    private static func cpuSets(_ value: JSONValue, _ name: String) throws(CorruptStateError) -> [Holder: CPUSet] {
        var sets: [Holder: CPUSet] = [:]
        for member in try members(value, "allocations_db", name) {
            guard let text = member.value.string else {
                throw CorruptStateError("\(name) of \(member.name.debugDescription) is no text")
            }
            do { sets[.service(member.name)] = try CPUSet(list: text) } catch {
                throw CorruptStateError("\(name) of \(member.name.debugDescription): \(error)")
            }
        }
        return sets
    }

    private static func members(
        _ value: JSONValue, _ section: String, _ name: String
    ) throws(CorruptStateError) -> [JSONValue.Member] {
        guard let found = value[section] else { return [] }
        guard found.members != nil else { throw CorruptStateError("\(section) is no object") }
        guard let inner = found[name] else { return [] }
        guard let members = inner.members else { throw CorruptStateError("\(section).\(name) is no object") }
        return members
    }
}

/// A state file that is corrupt: what is wrong with it.
package struct CorruptStateError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One sentence for people.
    package let description: String

    init(_ description: String) { self.description = description }
}
