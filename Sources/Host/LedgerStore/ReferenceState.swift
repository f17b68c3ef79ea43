import Ledger
import Machine
import WireJSON

/// The state file of the reference, `state.json` (EPA specification, section 4): read at the first start, written on
/// command for going back.
package enum ReferenceState {
    /// What an import found.
    package struct Import: Equatable, Sendable {
        /// The ledger; all names belong to the administrators.
        package var ledger = Ledger()
        /// What was left out or put right, and why.
        package var warnings: [String] = []
    }

    /// Reads the text of a state file.
    ///
    /// Left out with a warning are what the reference itself drops or should never have kept: huge page entries that do
    /// not validate, records without CPUs, explicit CPUs outside the service's allocation (section 7, items 3, 17, 25).
    ///
    /// - Throws: ``CorruptStateError`` for what must not be guessed at: no JSON, no object, sections of the wrong type, bad
    ///   CPU lists, CPUs that two services hold (items 4, 5, 14, 26).
    package static func read(_ bytes: [UInt8]) throws(CorruptStateError) -> Import {
        let value: JSONValue
        do { value = try JSONValue(bytes) } catch { throw CorruptStateError(error.description) }
        guard value.members != nil else { throw CorruptStateError("the state is no JSON object") }

        var result = Import()
        var claims: [Holder: Claim] = [:]
        try readCores(value, into: &claims, warnings: &result.warnings)
        try readPages(value, into: &claims, warnings: &result.warnings)
        let kept = claims.values.filter { !$0.isEmpty }.sorted { $0.holder < $1.holder }
        do { try result.ledger.apply(LedgerChange(claims: kept)) } catch { throw CorruptStateError(error.description) }
        result.ledger.forgetOrder()
        return result
    }

    private static func readCores(
        _ value: JSONValue, into claims: inout [Holder: Claim], warnings: inout [String]
    ) throws(CorruptStateError) {
        let all = try cpuSets(value, "allocations")
        let explicit = try cpuSets(value, "explicit_allocations")
        for (holder, cpus) in all {
            var claim = claims[holder] ?? Claim(holder: holder, owner: .administrators)
            let pinned = (explicit[holder] ?? CPUSet()).intersection(cpus)
            if cpus.isEmpty { warnings.append("\(holder.name.debugDescription): a record without CPUs, left out") }
            claim.parts = []
            let automatic = cpus.subtracting(pinned)
            if !automatic.isEmpty { claim.parts.append(.init(cpus: automatic, protection: .automatic)) }
            if !pinned.isEmpty { claim.parts.append(.init(cpus: pinned, protection: .explicit)) }
            claims[holder] = claim
        }
        for (holder, cpus) in explicit {
            let orphans = cpus.subtracting(all[holder] ?? CPUSet())
            guard !orphans.isEmpty else { continue }
            warnings.append("\(holder.name.debugDescription): CPUs \(orphans) protected but not allocated, left out")
        }
    }

    private static func readPages(
        _ value: JSONValue, into claims: inout [Holder: Claim], warnings: inout [String]
    ) throws(CorruptStateError) {
        for member in try members(value, "hugepages_db", "allocations") {
            guard let entries = member.value.array else {
                throw CorruptStateError("huge pages of \(member.name.debugDescription) are no list")
            }
            let holder = Holder.service(member.name)
            var claim = claims[holder] ?? Claim(holder: holder, owner: .administrators)
            claim.pages = []
            for entry in entries {
                guard let node = try? entry["node_id"]?.laxInteger(), let size = try? entry["size_kb"]?.laxInteger(),
                    let count = try? entry["count"]?.laxInteger(), node >= 0, size > 0,
                    (1...Claim.PageBooking.maximumCount).contains(count)
                else {
                    warnings.append("\(member.name.debugDescription): a huge page entry that is not valid, left out")
                    continue
                }
                claim.pages.removeAll { $0.node == node && $0.sizeKB == size }
                claim.pages.append(.init(node: node, sizeKB: size, count: count))
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

    // MARK: - Writing

    /// The text of a state file that the reference loads; holders of other kinds stand under `kind:name`, so that their
    /// CPUs stay booked.
    ///
    /// - Parameter updatedAt: the time as ISO 8601 with microseconds and `+00:00`.
    package static func write(_ ledger: Ledger, updatedAt: String) -> [UInt8] {
        func cores(_ writer: inout JSONWriter, _ name: String, _ cpus: (Claim) -> CPUSet) {
            writer.name(name)
            writer.object { writer in
                for claim in ledger.sortedClaims where !cpus(claim).isEmpty {
                    writer.member(claim.holder.displayName, cpus(claim).list)
                }
            }
        }
        return JSONWriter.object(capacity: 4096) { writer in
            writer.name("allocations_db")
            writer.object { writer in
                cores(&writer, "allocations") { $0.withdrawn }
                cores(&writer, "explicit_allocations") { claim in
                    claim.holder.kind == .service
                        ? claim.parts.reduce(into: CPUSet()) {
                            if $1.protection == .explicit { $0.formUnion($1.withdrawn) }
                        }
                        : claim.withdrawn
                }
            }
            writer.name("hugepages_db")
            writer.object { writer in
                writer.name("allocations")
                writer.object { writer in
                    for claim in ledger.sortedClaims where !claim.pages.isEmpty {
                        writer.name(claim.holder.displayName)
                        writer.array { array in
                            for booking in claim.pages {
                                array.object { writer in
                                    writer.member("count", booking.count)
                                    writer.member("node_id", booking.node)
                                    writer.member("size_kb", booking.sizeKB)
                                }
                            }
                        }
                    }
                }
            }
            writer.member("updated_at", updatedAt)
            writer.member("version", 1)
        }
    }
}

/// A state file that cannot be trusted: what is wrong with it.
package struct CorruptStateError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One sentence for people.
    package let description: String

    init(_ description: String) { self.description = description }
}
