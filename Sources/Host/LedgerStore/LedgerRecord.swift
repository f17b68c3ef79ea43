import Ledger
import Machine
import WireJSON

/// The records of a ledger's store, as JSON that an operator can read with the `sqlite3` program.
///
/// - a snapshot: `{"v":2,"claims":[CLAIM…]}`;
/// - a decision: `{"v":2,"time":MILLISECONDS,"caller":{"uid":0,"gid":0,"pid":1,"label":"…","frontend":"epa"},
///   "action":"allocate_cores","parameters":{"count":2},"holder":"kind:name","outcome":"granted","granted":"2-3",
///   "released":"4","released_pages":[{"node":0,"size_kb":2048,"count":3}],"preempted":[{"holder":"kind:name","cpus":"5"}],"claims":[CLAIM…],"removed":["kind:name"…]}`.
///
/// A member that is empty is left out; a caller that is left out is Berth itself. `CLAIM` is what ``Claim`` says.
package enum LedgerRecord {
    /// The version of the records that are written.
    package static let version = 2

    /// The snapshot of `ledger`.
    package static func snapshot(of ledger: Ledger) -> [UInt8] {
        JSONWriter.object(capacity: 4096) { writer in
            writer.member("v", version)
            writer.name("claims")
            writer.array { array in for claim in ledger.sortedClaims { claim.write(to: &array) } }
        }
    }

    /// The change that a record of any known version makes.
    ///
    /// - Throws: ``RecordError`` where it has the wrong form or is of a newer version.
    package static func change(json bytes: [UInt8]) throws(RecordError) -> LedgerChange {
        let value = try value(bytes)
        guard let version = value["v"] else { return try LedgerChange(version1: value) }
        return try change(value, version: try version.number("v"))
    }

    /// The decision that a record of version 2 holds; nil for snapshots and records of version 1, which name no decision.
    package static func decision(json bytes: [UInt8], seq: Int64) throws(RecordError) -> DecisionRecord? {
        let value = try value(bytes)
        guard let version = value["v"] else { return nil }
        let change = try change(value, version: try version.number("v"))
        guard let holder = value["holder"] else { return nil }
        guard let outcome = value["outcome"]?.string.flatMap(DecisionRecord.Outcome.init) else {
            throw .malformed("a decision without a known outcome")
        }
        var preempted: [Decision.Preempted] = []
        for entry in try value["preempted"].elements("preempted") {
            try entry.allow(["holder", "cpus"], "preempted")
            guard let loser = entry["holder"] else { throw .malformed("preempted without holder") }
            preempted.append(.init(holder: try Holder(json: loser), cpus: try entry["cpus"].cpus("cpus")))
        }
        var parameters: [DecisionRecord.Parameter] = []
        for member in value["parameters"]?.members ?? [] {
            if let text = member.value.string {
                parameters.append(.init(member.name, text))
            } else {
                parameters.append(.init(member.name, try member.value.number(member.name)))
            }
        }
        var pages: [PageReservation] = []
        for entry in try value["released_pages"].elements("released_pages") {
            pages.append(try PageReservation(json: entry))
        }
        var record = DecisionRecord(
            time: try value["time"].number("time"), caller: try Caller(json: value["caller"]),
            action: try value["action"].text("action"), parameters: parameters, holder: try Holder(json: holder),
            outcome: outcome, granted: try value["granted"].optionalCPUs("granted"),
            released: try value["released"].optionalCPUs("released"), releasedPages: pages,
            preempted: preempted, change: change)
        record.seq = seq
        return record
    }

    private static func value(_ bytes: [UInt8]) throws(RecordError) -> JSONValue {
        let value: JSONValue
        do { value = try JSONValue(bytes) } catch { throw .malformed(error.description) }
        guard value.members != nil else { throw .malformed("a record is no object") }
        return value
    }

    private static func change(_ value: JSONValue, version: Int) throws(RecordError) -> LedgerChange {
        guard version <= Self.version else { throw .newer(version: version) }
        guard version == 2 else { throw .malformed("a record of version \(version)") }
        try value.allow(
            [
                "v", "time", "caller", "action", "parameters", "holder", "outcome", "granted", "released",
                "released_pages", "preempted", "claims", "removed",
            ], "a record")
        var change = LedgerChange()
        for claim in try value["claims"].elements("claims") { change.claims.append(try Claim(json: claim)) }
        for holder in try value["removed"].elements("removed") { change.removed.append(try Holder(json: holder)) }
        return change
    }
}

extension DecisionRecord {
    /// The record as the store commits it.
    package var json: [UInt8] {
        JSONWriter.object(capacity: 512) { writer in
            writer.member("v", LedgerRecord.version)
            writer.member("time", time)
            if let caller {
                writer.name("caller")
                writer.object { caller.write(to: &$0) }
            }
            writer.member("action", action)
            if !parameters.isEmpty {
                writer.name("parameters")
                writer.object { writer in for parameter in parameters { parameter.write(to: &writer) } }
            }
            writer.member("holder", holder.fullName)
            writer.member("outcome", outcome.rawValue)
            if !granted.isEmpty { writer.member("granted", granted.list) }
            if !released.isEmpty { writer.member("released", released.list) }
            if !releasedPages.isEmpty {
                writer.name("released_pages")
                writer.array { array in for pages in releasedPages { pages.write(to: &array) } }
            }
            if !preempted.isEmpty {
                writer.name("preempted")
                writer.array { array in
                    for loss in preempted {
                        array.object { writer in
                            writer.member("holder", loss.holder.fullName)
                            writer.member("cpus", loss.cpus.list)
                        }
                    }
                }
            }
            if !change.claims.isEmpty {
                writer.name("claims")
                writer.array { array in for claim in change.claims { claim.write(to: &array) } }
            }
            if !change.removed.isEmpty { writer.member("removed", change.removed.map(\.fullName)) }
        }
    }
}

extension DecisionRecord.Parameter {
    /// Writes the parameter as a member.
    package func write(to writer: inout JSONWriter) {
        switch value {
        case .number(let number): writer.member(name, number)
        case .text(let text): writer.member(name, text)
        }
    }
}

extension Caller {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.member("uid", Int(uid))
        writer.member("gid", Int(gid))
        writer.member("pid", Int(pid))
        if let label { writer.member("label", label) }
        writer.member("frontend", frontend)
    }

    fileprivate init?(json: JSONValue?) throws(RecordError) {
        guard let json else { return nil }
        try json.allow(["uid", "gid", "pid", "label", "frontend"], "a caller")
        guard let uid = json["uid"]?.integer.flatMap(UInt32.init(exactly:)),
            let gid = json["gid"]?.integer.flatMap(UInt32.init(exactly:)),
            let pid = json["pid"]?.integer.flatMap(Int32.init(exactly:))
        else { throw .malformed("a caller without uid, gid or pid") }
        // Whether it was an administrator is the policy's word of that moment, not the record's.
        self.init(
            uid: uid, gid: gid, pid: pid, label: try json["label"]?.text("label"), isAdministrator: false,
            frontend: try json["frontend"].text("frontend"))
    }
}
