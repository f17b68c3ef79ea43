import Ledger
import LedgerStore
import Machine
import Testing

/// EPA specification, section 4: the reference's `state.json`.
@Suite struct ReferenceStateTests {
    private func read(_ text: String) throws -> ReferenceState.Import { try ReferenceState.read(Array(text.utf8)) }

    @Test("the example of the specification is read, and written again to the byte")
    func example() throws {
        let text =
            #"{"allocations_db":{"allocations":{"a":"4,12","b":"2-3"},"explicit_allocations":{"a":"4,12"}},"hugepages_db":{"allocations":{"b":[{"count":3,"node_id":0,"size_kb":2048}]}},"updated_at":"2026-11-20T23:53:51.691746+00:00","version":1}"#
        let found = try read(text)
        #expect(found.warnings == [])
        var expected = Ledger()
        try expected.apply(
            LedgerChange(claims: [
                Claim(
                    holder: .service("a"), owner: .administrators, parts: [.init(cpus: [4, 12], protection: .explicit)]),
                Claim(
                    holder: .service("b"), owner: .administrators,
                    parts: [.init(cpus: [2, 3], protection: .automatic)],
                    pages: [.init(node: 0, sizeKB: 2048, count: 3)]),
            ]))
        #expect(found.ledger == expected)
        #expect(
            String(
                decoding: ReferenceState.write(found.ledger, updatedAt: "2026-11-20T23:53:51.691746+00:00"),
                as: UTF8.self)
                == text)
    }

    @Test("absent sections are empty, unknown members and versions do not matter")
    func sections() throws {
        for text in [
            "{}", #"{"version":7,"x":[1]}"#, #"{"allocations_db":{}}"#, #"{"hugepages_db":{"allocations":{}}}"#,
            " {\"allocations_db\" : {\"allocations\":{}} }\n",
        ] {
            let found = try read(text)
            #expect(found.ledger.count == 0 && found.warnings == [])
        }
        #expect(
            String(decoding: ReferenceState.write(Ledger(), updatedAt: "t"), as: UTF8.self)
                == #"{"allocations_db":{"allocations":{},"explicit_allocations":{}},"hugepages_db":{"allocations":{}},"updated_at":"t","version":1}"#
        )
    }

    @Test("a service may be protected in part, and a record in both sections is one claim")
    func parts() throws {
        let found = try read(
            #"{"allocations_db":{"allocations":{"a":" 2-5 ,, 9"},"explicit_allocations":{"a":"3,9"}}}"#)
        #expect(found.warnings == [])
        #expect(
            found.ledger[.service("a")]?.parts == [
                .init(cpus: [2, 4, 5], protection: .automatic), .init(cpus: [3, 9], protection: .explicit),
            ])
    }

    @Test("huge page figures may be spelt in every way that the reference takes for an integer")
    func laxFigures() throws {
        let found = try read(
            #"{"hugepages_db":{"allocations":{"a":[{"count":"3","node_id":0.0,"size_kb":" 2_048 "},{"count":true,"node_id":"1","size_kb":2048e0},{"count":5,"node_id":false,"size_kb":1048576,"more":null}]}}}"#
        )
        #expect(found.warnings == [])
        #expect(
            found.ledger[.service("a")]?.pages == [
                .init(node: 0, sizeKB: 2048, count: 3), .init(node: 1, sizeKB: 2048, count: 1),
                .init(node: 0, sizeKB: 1_048_576, count: 5),
            ])
    }

    @Test(
        "items 3 and 19: a huge page entry that does not validate is left out by itself, with a warning that names the service",
        arguments: [
            "1", "null", "{}", #"{"count":1,"node_id":0}"#, #"{"count":0,"node_id":0,"size_kb":4}"#,
            #"{"count":-5,"node_id":0,"size_kb":4}"#, #"{"count":1,"node_id":-1,"size_kb":4}"#,
            #"{"count":1,"node_id":0,"size_kb":0}"#, #"{"count":1.5,"node_id":0,"size_kb":4}"#,
            #"{"count":"x","node_id":0,"size_kb":4}"#, #"{"count":null,"node_id":0,"size_kb":4}"#,
            #"{"count":99999999999999999999,"node_id":0,"size_kb":4}"#,
            #"{"count":1099511627777,"node_id":0,"size_kb":4}"#,
        ])
    func droppedEntries(entry: String) throws {
        let found = try read(
            #"{"hugepages_db":{"allocations":{"s\n":[\#(entry),{"count":2,"node_id":1,"size_kb":2048}]}}}"#)
        #expect(found.ledger[.service("s\n")]?.pages == [.init(node: 1, sizeKB: 2048, count: 2)])
        #expect(found.warnings.count == 1 && found.warnings.first?.hasPrefix(#""s\n""#) == true)
    }

    @Test("of two entries for one node and size the later one counts, as in the reference")
    func repeatedEntry() throws {
        let found = try read(
            #"{"hugepages_db":{"allocations":{"a":[{"count":1,"node_id":0,"size_kb":4},{"count":9,"node_id":1,"size_kb":4},{"count":2,"node_id":0,"size_kb":4}]}}}"#
        )
        #expect(
            found.ledger[.service("a")]?.pages == [
                .init(node: 1, sizeKB: 4, count: 9), .init(node: 0, sizeKB: 4, count: 2),
            ])
    }

    @Test("items 17 and 25: ghosts and orphans are put right, with a warning each")
    func ghosts() throws {
        let found = try read(
            #"{"allocations_db":{"allocations":{"ghost":"","a":"1-2"},"explicit_allocations":{"ghost":"","orphan":"5","a":"2-3"}},"hugepages_db":{"allocations":{"none":[]}}}"#
        )
        #expect(found.ledger.holders == [.service("a")])
        #expect(
            found.ledger[.service("a")]?.parts == [
                .init(cpus: [1], protection: .automatic), .init(cpus: [2], protection: .explicit),
            ])
        #expect(Set(found.warnings.map { String($0.prefix { $0 != ":" }) }) == [#""ghost""#, #""orphan""#, #""a""#])
    }

    @Test(
        "items 4, 5, 14 and 26: what must not be guessed at is corrupt, and the error says where",
        arguments: [
            ("", "the text ends"), ("{", "the text ends"), ("[]", "object"), ("1", "object"), ("null", "object"),
            ("{}{}", "byte 2"),
            (#"{"allocations_db":null}"#, "allocations_db"), (#"{"allocations_db":{"allocations":[]}}"#, "allocations"),
            (#"{"allocations_db":{"allocations":{"a":null}}}"#, #""a""#),
            (#"{"allocations_db":{"allocations":{"a":"1-"}}}"#, #""a""#),
            (#"{"allocations_db":{"allocations":{"a":"99999999"}}}"#, #""a""#),
            (#"{"allocations_db":{"explicit_allocations":{"a":"x"}}}"#, "explicit_allocations"),
            (#"{"allocations_db":{"allocations":{"a":"1-4","b":"4"}}}"#, "CPUs 4"),
            (#"{"hugepages_db":7}"#, "hugepages_db"), (#"{"hugepages_db":{"allocations":{"a":5}}}"#, #""a""#),
            ("{\"x\":\"\u{0}\"}", "control"), (#"{"allocations_db":{"allocations":{"\ud800":"1"}}}"#, "surrogate"),
        ])
    func corrupt(text: String, message: String) {
        let error = #expect(throws: CorruptStateError.self) { try read(text) }
        #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }

    @Test("bytes that are no UTF-8 are corrupt, never another name")
    func noUTF8() {
        let bytes = Array(#"{"allocations_db":{"allocations":{"X":"1"}}}"#.utf8).map {
            $0 == UInt8(ascii: "X") ? 0xFF : $0
        }
        #expect(throws: CorruptStateError.self) { try ReferenceState.read(bytes) }
    }

    @Test(
        "names are written in the order of their code points, as the reference sorts, and unescaped where it does not escape"
    )
    func order() throws {
        var ledger = Ledger()
        let names = ["\u{FB00}", "\u{1F600}", "Z", "a", "é", "", "a\"b"]
        try ledger.apply(
            LedgerChange(
                claims: names.enumerated().map { index, name in
                    Claim(
                        holder: .service(name), owner: .administrators,
                        parts: [.init(cpus: [index], protection: .automatic)])
                }))
        let text = String(decoding: ReferenceState.write(ledger, updatedAt: "t"), as: UTF8.self)
        #expect(
            text.hasPrefix(
                "{\"allocations_db\":{\"allocations\":{\"\":\"5\",\"Z\":\"2\",\"a\":\"3\",\"a\\\"b\":\"6\",\"é\":\"4\",\"\u{FB00}\":\"0\",\"\u{1F600}\":\"1\"},\"explicit_allocations\":{}}"
            ))
        #expect(try read(text).ledger == ledger)
    }

    @Test("holders of other kinds keep their CPUs in the export, protected, under their full name")
    func otherKinds() throws {
        var ledger = Ledger()
        try ledger.apply(
            LedgerChange(claims: [
                Claim(
                    holder: Holder(kind: .pod, name: "p"), owner: .administrators,
                    parts: [.init(cpus: [1], withdrawn: [1, 5], protection: .automatic, exclusiveness: .core)]),
                Claim(
                    holder: Holder(kind: .run, name: "r"), owner: .administrators,
                    parts: [.init(cpus: [7], withdrawn: [], protection: .explicit, exclusiveness: .none)]),
            ]))
        let text = String(decoding: ReferenceState.write(ledger, updatedAt: "t"), as: UTF8.self)
        #expect(
            text.hasPrefix(
                #"{"allocations_db":{"allocations":{"pod:p":"1,5"},"explicit_allocations":{"pod:p":"1,5"}},"hugepages_db":{"allocations":{}}"#
            ))
        #expect(try read(text).ledger.protected == [1, 5])
    }

    @Test("what is exported imports as the same claims of services", arguments: 0..<20 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var maker = RandomLedger(seed: seed)
        var ledger = Ledger()
        for _ in 0..<10 { try ledger.apply(maker.change(of: ledger)) }
        let found = try ReferenceState.read(ReferenceState.write(ledger, updatedAt: "t"))
        #expect(found.warnings == [], "seed \(seed)")
        // Holders of other kinds stand there as services of their full names, which may be a service's name already.
        let names = ledger.holders.map(\.displayName.utf8).map(Array.init)
        guard Set(names).count == names.count else { return }
        #expect(found.ledger.withdrawn == ledger.withdrawn, "seed \(seed)")
        for claim in ledger.sortedClaims {
            let imported = found.ledger[.service(claim.holder.displayName)]
            #expect(imported?.withdrawn ?? [] == claim.withdrawn, "seed \(seed), \(claim)")
            #expect(imported?.pages ?? [] == claim.pages, "seed \(seed), \(claim)")
        }
    }
}
