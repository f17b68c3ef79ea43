import Ledger
import Machine
import WireJSON

/// The form in which the store keeps changes: JSON, so that an operator can read it with the `sqlite3` program.
///
/// `{"claims":[CLAIM…],"removed":["kind:name"…]}` with CLAIM =
/// `{"holder":"kind:name","owner":{"uid":0,"label":"…"},"parts":[{"cpus":"2-3","withdrawn":"2-3",
/// "protection":"explicit","exclusiveness":"cpu"}],"nodes":[0],"pages":[{"node":0,"size_kb":2048,"count":3}],
/// "lease_until":1700000000000}`. An empty member is left out; an owner that is left out is the administrators.
extension LedgerChange {
    /// The change as the store keeps it.
    package var json: [UInt8] {
        JSONWriter.object { writer in
            if !claims.isEmpty {
                writer.name("claims")
                writer.array { array in for claim in claims { claim.write(to: &array) } }
            }
            if !removed.isEmpty {
                writer.name("removed")
                writer.array { array in for holder in removed { array.string(holder.fullName) } }
            }
        }
    }

    /// Reads a change from its form in the store.
    ///
    /// - Throws: ``RecordError`` where a member is missing or has the wrong form.
    package init(json bytes: [UInt8]) throws(RecordError) {
        let value: JSONValue
        do { value = try JSONValue(bytes) } catch { throw RecordError(error.description) }
        guard value.members != nil else { throw RecordError("a change is an object") }
        self.init()
        for claim in try value["claims"].elements("claims") { claims.append(try Claim(json: claim)) }
        for holder in try value["removed"].elements("removed") { removed.append(try Holder(json: holder)) }
    }

    /// The change that makes `ledger` out of an empty one: a snapshot.
    package init(snapshotOf ledger: Ledger) {
        self.init(claims: Array(ledger.sortedClaims))
    }
}

/// What is wrong with a record of the store.
package struct RecordError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One sentence for people.
    package let description: String

    init(_ description: String) { self.description = description }
}

extension Claim {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("holder", holder.fullName)
            if case .user(let uid, let label) = owner {
                writer.name("owner")
                writer.object { writer in
                    writer.member("uid", Int(uid))
                    if let label { writer.member("label", label) }
                }
            }
            if !parts.isEmpty {
                writer.name("parts")
                writer.array { array in for part in parts { part.write(to: &array) } }
            }
            if !memoryNodes.isEmpty {
                writer.name("nodes")
                writer.array { array in for node in memoryNodes { array.integer(node) } }
            }
            if !pages.isEmpty {
                writer.name("pages")
                writer.array { array in
                    for booking in pages {
                        array.object { writer in
                            writer.member("node", booking.node)
                            writer.member("size_kb", booking.sizeKB)
                            writer.member("count", booking.count)
                        }
                    }
                }
            }
            if let lease { writer.member("lease_until", lease.until) }
        }
    }

    fileprivate init(json: JSONValue) throws(RecordError) {
        guard let name = json["holder"] else { throw RecordError("a claim without holder") }
        self.init(holder: try Holder(json: name), owner: try Owner(json: json["owner"]))
        for part in try json["parts"].elements("parts") { parts.append(try Part(json: part)) }
        for node in try json["nodes"].elements("nodes") { memoryNodes.append(try Self.integer(node, "nodes")) }
        for page in try json["pages"].elements("pages") {
            pages.append(
                PageBooking(
                    node: try Self.integer(page["node"], "node"), sizeKB: try Self.integer(page["size_kb"], "size_kb"),
                    count: try Self.integer(page["count"], "count")))
        }
        if let until = json["lease_until"] { lease = Lease(until: try Self.integer(until, "lease_until")) }
    }

    private static func integer(_ value: JSONValue?, _ name: String) throws(RecordError) -> Int {
        guard let number = value?.integer else { throw RecordError("\(name) is no integer") }
        return number
    }
}

extension Claim.Part {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("cpus", cpus.list)
            writer.member("withdrawn", withdrawn.list)
            writer.member("protection", protection.rawValue)
            writer.member("exclusiveness", exclusiveness.rawValue)
        }
    }

    fileprivate init(json: JSONValue) throws(RecordError) {
        guard let protection = json["protection"]?.string.flatMap(Claim.Protection.init),
            let exclusiveness = json["exclusiveness"]?.string.flatMap(Claim.Exclusiveness.init),
            let cpus = json["cpus"]?.string, let withdrawn = json["withdrawn"]?.string
        else { throw RecordError("a part without cpus, withdrawn, protection or exclusiveness") }
        do throws(CPUListError) {
            self.init(
                cpus: try CPUSet(list: cpus), withdrawn: try CPUSet(list: withdrawn), protection: protection,
                exclusiveness: exclusiveness)
        } catch { throw RecordError(error.description) }
    }
}

extension Holder {
    fileprivate init(json: JSONValue) throws(RecordError) {
        guard let fullName = json.string, let colon = fullName.utf8.firstIndex(of: UInt8(ascii: ":")),
            let kind = Kind(rawValue: String(fullName[..<colon]))
        else { throw RecordError("a holder is not kind:name") }
        self.init(kind: kind, name: String(Substring(fullName.utf8[fullName.utf8.index(after: colon)...])))
    }
}

extension Owner {
    fileprivate init(json: JSONValue?) throws(RecordError) {
        guard let json else {
            self = .administrators
            return
        }
        guard let uid = json["uid"]?.integer.flatMap(UInt32.init(exactly:)) else {
            throw RecordError("an owner without uid")
        }
        self = .user(uid: uid, label: json["label"]?.string)
    }
}

extension JSONValue? {
    /// The elements of an optional array.
    fileprivate func elements(_ name: String) throws(RecordError) -> [JSONValue] {
        guard let self else { return [] }
        guard let elements = self.array else { throw RecordError("\(name) is no array") }
        return elements
    }
}
