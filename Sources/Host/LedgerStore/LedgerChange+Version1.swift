import Ledger
import Machine
import WireJSON

/// Reads the records of Berth 0.1.0.
///
/// `{"claims":[CLAIM…],"removed":["kind:name"…]}` with CLAIM =
/// `{"holder":"kind:name","owner":{"uid":0,"label":"…"},"parts":[{"cpus":"2-3","withdrawn":"2-3",
/// "protection":"explicit","exclusiveness":"cpu"}],"nodes":[0],"pages":[{"node":0,"size_kb":2048,"count":3}],
/// "lease_until":1700000000000}`.
extension LedgerChange {
    init(version1 value: JSONValue) throws(RecordError) {
        self.init()
        for claim in try value["claims"].elements("claims") { claims.append(try Claim(version1: claim)) }
        for holder in try value["removed"].elements("removed") { removed.append(try Holder(json: holder)) }
    }
}

extension Claim {
    fileprivate init(version1 json: JSONValue) throws(RecordError) {
        guard let name = json["holder"] else { throw .malformed("a claim without holder") }
        self.init(holder: try Holder(json: name), owner: try Owner(json: json["owner"]))
        for part in try json["parts"].elements("parts") { grants.append(try Grant(version1: part)) }
        for node in try json["nodes"].elements("nodes") { memoryNodes.append(try node.number("nodes")) }
        for pages in try json["pages"].elements("pages") { reservations.append(try PageReservation(json: pages)) }
        if let until = json["lease_until"] { lease = .until(try until.number("lease_until")) }
    }
}

extension Grant {
    fileprivate init(version1 json: JSONValue) throws(RecordError) {
        guard let level = json["exclusiveness"]?.string.flatMap(Exclusiveness.init),
            let protection = json["protection"]?.string, ["automatic", "explicit"].contains(protection)
        else { throw .malformed("a part without protection or exclusiveness") }
        self.init(
            cpus: try json["cpus"].cpus("cpus"), exclusive: try json["withdrawn"].cpus("withdrawn"), level: level,
            isExplicit: protection == "explicit")
    }
}
