import Ledger
import LedgerStore
import Machine
import TestSupport
import Testing

/// The form of a change in the store.
@Suite struct LedgerChangeTests {
    @Test(
        "a change reads back as it was written, whatever kinds of holders, names and parts it has",
        arguments: 0..<60 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var maker = RandomLedger(seed: seed)
        var ledger = Ledger()
        for step in 0..<20 {
            let change = maker.change(of: ledger)
            let read = try LedgerChange(json: change.json)
            #expect(read == change, "seed \(seed), step \(step)")
            // Names are compared by code points there too.
            #expect(read.claims.map(\.holder) == change.claims.map(\.holder), "seed \(seed)")
            #expect(read.json == change.json)
            try ledger.apply(read)
        }
        #expect(ledger.count > 0)
        #expect(try Ledger(snapshot: LedgerChange(snapshotOf: ledger).json) == ledger, "seed \(seed)")
    }

    @Test("the form is the documented one")
    func form() throws {
        let change = LedgerChange(
            claims: [
                Claim(
                    holder: .service("a"), owner: .user(uid: 0, label: "l"),
                    parts: [.init(cpus: [2, 3], protection: .explicit)], memoryNodes: [0],
                    pages: [.init(node: 0, sizeKB: 2048, count: 3)], lease: .init(until: 1_700_000_000_000)),
                Claim(holder: Holder(kind: .pod, name: "p"), owner: .administrators, memoryNodes: [1]),
            ], removed: [Holder(kind: .run, name: "r")])
        #expect(
            String(decoding: change.json, as: UTF8.self)
                == #"{"claims":[{"holder":"service:a","owner":{"uid":0,"label":"l"},"parts":[{"cpus":"2-3","withdrawn":"2-3","protection":"explicit","exclusiveness":"cpu"}],"nodes":[0],"pages":[{"node":0,"size_kb":2048,"count":3}],"lease_until":1700000000000},{"holder":"pod:p","nodes":[1]}],"removed":["run:r"]}"#
        )
        #expect(String(decoding: LedgerChange().json, as: UTF8.self) == "{}")
        #expect(try LedgerChange(json: Array("{}".utf8)).isEmpty)
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
        ])
    func wrong(text: String, message: String) {
        let error = #expect(throws: RecordError.self) { try LedgerChange(json: Array(text.utf8)) }
        #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }

    @Test("no damage to a record's bytes can do more than be refused", arguments: [UInt64.random(in: 0...UInt64.max)])
    func mutations(seed: UInt64) throws {
        var maker = RandomLedger(seed: seed)
        var accepted = 0
        for step in 0..<1500 {
            var bytes = maker.change(of: Ledger()).json
            for _ in 0..<Int.random(in: 1...4, using: &maker.random) { mutate(&bytes, &maker.random) }
            do throws(RecordError) {
                let change = try LedgerChange(json: bytes)
                accepted += 1
                #expect(try LedgerChange(json: change.json) == change, "seed \(seed), step \(step)")
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
