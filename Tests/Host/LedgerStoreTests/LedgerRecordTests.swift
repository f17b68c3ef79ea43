import Ledger
import LedgerStore
import Machine
import TestSupport
import Testing

/// The form of decisions and snapshots in the store.
@Suite struct LedgerRecordTests {
    @Test(
        "a decision reads back as it was written, whatever kinds of holders, names and grants it has",
        arguments: 0..<60 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var maker = RandomLedger(seed: seed)
        var ledger = Ledger()
        for step in 0..<20 {
            var record = DecisionRecord(maker.change(of: ledger), time: step)
            record.seq = 5
            let read = try #require(try LedgerRecord.decision(json: record.json, seq: 5))
            #expect(read == record, "seed \(seed), step \(step)")
            // Names are compared by code points there too.
            #expect(read.change.claims.map(\.holder) == record.change.claims.map(\.holder), "seed \(seed)")
            #expect(read.json == record.json)
            #expect(try LedgerRecord.change(json: record.json) == record.change)
            try ledger.apply(read.change)
        }
        #expect(ledger.count > 0)
        #expect(try Ledger(snapshot: LedgerRecord.snapshot(of: ledger)) == ledger, "seed \(seed)")
    }

    @Test("the form is the documented one")
    func form() throws {
        let claim = Claim(
            holder: .service("a"), owner: .user(uid: 0, label: "l"), pool: Pool.general,
            grants: [Grant(cpus: [2, 3], isExplicit: true)], memoryNodes: [0],
            reservations: [.init(node: 0, sizeKB: 2048, count: 3)], lease: .until(1_700_000_000_000))
        let record = DecisionRecord(
            time: 12, caller: Caller(uid: 1, gid: 2, pid: 3, isAdministrator: false, frontend: "epa"),
            action: "allocate_numa_cores",
            parameters: [.init("node", 0), .init("count", 2)], holder: .service("a"), outcome: .granted,
            granted: [2, 3], releasedPages: [.init(node: 1, sizeKB: 4, count: 5)],
            preempted: [.init(holder: Holder(kind: .run, name: "r"), cpus: [2])],
            change: LedgerChange(claims: [claim], removed: [Holder(kind: .run, name: "r")]))
        #expect(
            String(decoding: record.json, as: UTF8.self)
                == #"{"v":2,"time":12,"caller":{"uid":1,"gid":2,"pid":3,"frontend":"epa"},"action":"allocate_numa_cores","parameters":{"node":0,"count":2},"holder":"service:a","outcome":"granted","granted":"2-3","released_pages":[{"node":1,"size_kb":4,"count":5}],"preempted":[{"holder":"run:r","cpus":"2"}],"claims":[{"holder":"service:a","owner":{"uid":0,"label":"l"},"pool":"general","grants":[{"cpus":"2-3","exclusive":"2-3","level":"cpu","explicit":true}],"memory_nodes":[0],"reservations":[{"node":0,"size_kb":2048,"count":3}],"lease":{"until":1700000000000}}],"removed":["run:r"]}"#
        )
        #expect(String(decoding: LedgerRecord.snapshot(of: Ledger()), as: UTF8.self) == #"{"v":2,"claims":[]}"#)
    }

    @Test("records of version 0.1.0 are read: parts are grants, pages are reservations")
    func version1() throws {
        let change = try LedgerRecord.change(
            json: Array(
                #"{"claims":[{"holder":"service:a","owner":{"uid":0,"label":"l"},"parts":[{"cpus":"2-3","withdrawn":"2-3","protection":"explicit","exclusiveness":"cpu"},{"cpus":"4","withdrawn":"4,5","protection":"automatic","exclusiveness":"core"}],"nodes":[0],"pages":[{"node":0,"size_kb":2048,"count":3}],"lease_until":1700000000000},{"holder":"pod:p","nodes":[1]}],"removed":["run:r"]}"#
                    .utf8))
        #expect(
            change.claims.first
                == Claim(
                    holder: .service("a"), owner: .user(uid: 0, label: "l"),
                    grants: [
                        Grant(cpus: [2, 3], isExplicit: true), Grant(cpus: [4], exclusive: [4, 5], level: .core),
                    ], memoryNodes: [0], reservations: [.init(node: 0, sizeKB: 2048, count: 3)],
                    lease: .until(1_700_000_000_000)))
        #expect(change.claims.last?.memoryNodes == [1] && change.removed == [Holder(kind: .run, name: "r")])
        #expect(try LedgerRecord.change(json: Array("{}".utf8)).isEmpty)
    }

    @Test("a record of a newer version is refused as newer, and an unknown member is named, not dropped")
    func newer() {
        #expect(throws: RecordError.newer(version: 3)) {
            try LedgerRecord.change(json: Array(#"{"v":3,"claims":[],"more":1}"#.utf8))
        }
        for (text, name) in [
            (#"{"v":2,"claims":[],"more":1}"#, "more"), (#"{"v":2,"claims":[{"holder":"run:a","extra":1}]}"#, "extra"),
            (
                #"{"v":2,"claims":[{"holder":"run:a","grants":[{"cpus":"1","exclusive":"1","level":"cpu","gpu":1}]}]}"#,
                "gpu"
            ),
        ] {
            let error = #expect(throws: RecordError.self) { try LedgerRecord.change(json: Array(text.utf8)) }
            #expect(error?.description.contains("unknown member \"\(name)\"") == true)
        }
    }

    @Test(
        "a record of another form is an error that says what is wrong",
        arguments: [
            ("", "the text ends"), ("[]", "object"), ("{} x", "byte 3"), (#"{"claims":{}}"#, "claims is no array"),
            (#"{"claims":[{}]}"#, "a claim without holder"), (#"{"claims":[1]}"#, "holder"),
            (#"{"removed":[1]}"#, "kind:name"), (#"{"removed":["a"]}"#, "kind:name"),
            (#"{"removed":["vm:a"]}"#, "kind:name"),
            (#"{"claims":[{"holder":"service:a","owner":{}}]}"#, "owner without uid"),
            (#"{"claims":[{"holder":"service:a","owner":{"uid":-1}}]}"#, "owner without uid"),
            (#"{"claims":[{"holder":"service:a","owner":{"uid":4294967296}}]}"#, "owner without uid"),
            (#"{"claims":[{"holder":"service:a","parts":[{}]}]}"#, "part without"),
            (
                #"{"claims":[{"holder":"service:a","parts":[{"cpus":"1","withdrawn":"1","protection":"some","exclusiveness":"cpu"}]}]}"#,
                "part without"
            ),
            (
                #"{"claims":[{"holder":"service:a","parts":[{"cpus":"5-2","withdrawn":"1","protection":"explicit","exclusiveness":"cpu"}]}]}"#,
                "5-2"
            ),
            (#"{"claims":[{"holder":"service:a","nodes":[1.5]}]}"#, "nodes is no integer"),
            (#"{"claims":[{"holder":"service:a","pages":[{"node":0,"size_kb":4}]}]}"#, "count is no integer"),
            (
                #"{"claims":[{"holder":"service:a","pages":[{"node":99999999999999999999,"size_kb":4,"count":1}]}]}"#,
                "node is no integer"
            ),
            (#"{"claims":[{"holder":"service:a","lease_until":"x"}]}"#, "lease_until is no integer"),
            (#"{"v":1}"#, "version 1"), (#"{"v":"2"}"#, "v is no integer"),
            (#"{"v":2,"claims":[{"holder":"run:a","lease":{"for":1}}]}"#, "a lease has the unknown member"),
            (#"{"v":2,"claims":[{"holder":"run:a","grants":[{"cpus":"1","exclusive":"1"}]}]}"#, "known level"),
            (#"{"v":2,"claims":[{"holder":"run:a","enforcement":{"phase":"soon"}}]}"#, "known phase"),
        ])
    func wrong(text: String, message: String) {
        let error = #expect(throws: RecordError.self) { try LedgerRecord.change(json: Array(text.utf8)) }
        #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }

    @Test("no damage to a record's bytes can do more than be refused", arguments: [UInt64.random(in: 0...UInt64.max)])
    func mutations(seed: UInt64) throws {
        var maker = RandomLedger(seed: seed)
        var accepted = 0
        for step in 0..<1500 {
            var bytes = DecisionRecord(maker.change(of: Ledger())).json
            for _ in 0..<Int.random(in: 1...4, using: &maker.random) { mutate(&bytes, &maker.random) }
            do throws(RecordError) {
                let change = try LedgerRecord.change(json: bytes)
                accepted += 1
                #expect(
                    try LedgerRecord.change(json: DecisionRecord(change).json) == change, "seed \(seed), step \(step)")
                var ledger = Ledger()
                do { try ledger.apply(change) } catch { #expect(!error.description.isEmpty) }
            } catch {
                #expect(!error.description.isEmpty)
            }
            if step % 50 == 0 { maker = RandomLedger(seed: seed &+ UInt64(step)) }
        }
        #expect(accepted > 0, "seed \(seed)")
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        let words = [
            "9", "-1", "99999999999", "null", "\"", "{", "]", "-", ",", ":", "[]", "0-65535", "1/2", "\\u0000", "e9",
            "\u{FF}",
        ]
        let place = Int.random(in: 0..<max(bytes.count, 1), using: &random)
        guard place < bytes.count else { return }
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(contentsOf: (words.randomElement(using: &random) ?? "").utf8, at: place)
        case 3: bytes.removeLast(place)
        default:
            let end = min(place + Int.random(in: 1...20, using: &random), bytes.count)
            bytes.insert(contentsOf: Array(bytes[place..<end]), at: Int.random(in: 0...bytes.count, using: &random))
        }
    }
}
