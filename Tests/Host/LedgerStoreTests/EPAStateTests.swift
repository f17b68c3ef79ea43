import Ledger
import LedgerStore
import Machine
import Testing

/// EPA specification, section 4: the EPA Orchestrator's `state.json`.
@Suite struct EPAStateTests {
    private func read(_ text: String) throws -> EPAState.Import { try EPAState.read(Array(text.utf8)) }

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
                    holder: .service("a"), owner: .administrators, grants: [Grant(cpus: [4, 12], isExplicit: true)]),
                Claim(
                    holder: .service("b"), owner: .administrators,
                    grants: [Grant(cpus: [2, 3])],
                    reservations: [.init(node: 0, sizeKB: 2048, count: 3)]),
            ]))
        #expect(found.ledger == expected)
        #expect(
            String(
                decoding: EPAState.write(found.ledger, updatedAt: "2026-11-20T23:53:51.691746+00:00").text,
                as: UTF8.self)
                == text)
    }

    @Test("absent sections are empty, whatever the version")
    func sections() throws {
        for text in [
            "{}", #"{"version":7}"#, #"{"allocations_db":{}}"#, #"{"hugepages_db":{"allocations":{}}}"#,
            " {\"allocations_db\" : {\"allocations\":{}} }\n",
        ] {
            let found = try read(text)
            #expect(found.ledger.count == 0)
            // Where there is no section at all, the operator should look twice.
            #expect(found.warnings.isEmpty == text.contains("_db"))
        }
        #expect(
            String(decoding: EPAState.write(Ledger(), updatedAt: "t").text, as: UTF8.self)
                == #"{"allocations_db":{"allocations":{},"explicit_allocations":{}},"hugepages_db":{"allocations":{}},"updated_at":"t","version":1}"#
        )
    }

    @Test("a service may be protected in part, and a record in both sections is one claim")
    func parts() throws {
        let found = try read(
            #"{"allocations_db":{"allocations":{"a":" 2-5 ,, 9"},"explicit_allocations":{"a":"3,9"}}}"#)
        #expect(found.warnings == [])
        #expect(
            found.ledger[.service("a")]?.grants == [
                Grant(cpus: [2, 4, 5]), Grant(cpus: [3, 9], isExplicit: true),
            ])
    }

    @Test("huge page figures may be spelt in every way that the EPA Orchestrator takes for an integer")
    func laxFigures() throws {
        let found = try read(
            #"{"hugepages_db":{"allocations":{"a":[{"count":"3","node_id":0.0,"size_kb":" 2_048 "},{"count":true,"node_id":"1","size_kb":2048e0},{"count":5,"node_id":false,"size_kb":1048576}]}}}"#
        )
        #expect(found.warnings == [])
        #expect(
            found.ledger[.service("a")]?.reservations == [
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
        #expect(found.ledger[.service("s\n")]?.reservations == [.init(node: 1, sizeKB: 2048, count: 2)])
        #expect(found.warnings.count == 1 && found.warnings.first?.hasPrefix(#""s\n""#) == true)
    }

    @Test("of two entries for one node and size the later one counts, as in the EPA Orchestrator")
    func repeatedEntry() throws {
        let found = try read(
            #"{"hugepages_db":{"allocations":{"a":[{"count":1,"node_id":0,"size_kb":4},{"count":9,"node_id":1,"size_kb":4},{"count":2,"node_id":0,"size_kb":4}]}}}"#
        )
        #expect(
            found.ledger[.service("a")]?.reservations == [
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
            found.ledger[.service("a")]?.grants == [
                Grant(cpus: [1]), Grant(cpus: [2], isExplicit: true),
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
        #expect(throws: CorruptStateError.self) { try EPAState.read(bytes) }
    }

    @Test(
        "names are written in the order of their code points, as the EPA Orchestrator sorts, and unescaped where it does not escape"
    )
    func order() throws {
        var ledger = Ledger()
        let names = ["\u{FB00}", "\u{1F600}", "Z", "a", "é", "", "a\"b"]
        try ledger.apply(
            LedgerChange(
                claims: names.enumerated().map { index, name in
                    Claim(
                        holder: .service(name), owner: .administrators,
                        grants: [Grant(cpus: [index])])
                }))
        let text = String(decoding: EPAState.write(ledger, updatedAt: "t").text, as: UTF8.self)
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
                    grants: [Grant(cpus: [1], exclusive: [1, 5], level: .core)]),
                Claim(
                    holder: Holder(kind: .run, name: "r"), owner: .administrators,
                    grants: [Grant(cpus: [7], exclusive: [], level: .none, isExplicit: true)]),
            ]))
        let text = String(decoding: EPAState.write(ledger, updatedAt: "t").text, as: UTF8.self)
        #expect(
            text.hasPrefix(
                #"{"allocations_db":{"allocations":{"pod:p":"1,5"},"explicit_allocations":{"pod:p":"1,5"}},"hugepages_db":{"allocations":{}}"#
            ))
        #expect(try read(text).ledger.unpreemptible == [1, 5])
    }

    @Test(
        "what is exported imports as the same claims, each of a service of its own name",
        arguments: 0..<20 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var maker = RandomLedger(seed: seed)
        var ledger = Ledger()
        for _ in 0..<10 { try ledger.apply(maker.change(of: ledger)) }
        let found = try EPAState.read(EPAState.write(ledger, updatedAt: "t").text)
        #expect(found.warnings == [], "seed \(seed)")
        #expect(found.ledger.exclusive == ledger.exclusive, "seed \(seed)")
        for claim in ledger.sortedClaims {
            let imported = found.ledger[.service(ledger.displayName(of: claim.holder))]
            #expect(imported?.exclusive ?? [] == claim.exclusive, "seed \(seed), \(claim)")
            #expect(imported?.reservations ?? [] == claim.reservations, "seed \(seed), \(claim)")
        }
    }

    @Test("protection and pools of a newer EPA Orchestrator are read, and written where they are needed")
    func policies() throws {
        let found = try read(
            #"{"allocations_db":{"allocation_pools":{"ceph":"general","hv":"isolated"},"allocations":{"ceph":"2-3","dpdk":"10","hv":"8-9"},"explicit_allocations":{"dpdk":"10"},"preemption_policies":{"ceph":"non-preemptive","dpdk":"legacy","hv":"non-preemptive"}},"version":1}"#
        )
        #expect(found.warnings.isEmpty)
        #expect(found.ledger[.service("ceph")]?.pool == Pool.general)
        #expect(
            found.ledger[.service("hv")]?.isProtected == true && found.ledger[.service("dpdk")]?.isProtected == false)
        #expect(found.ledger.unpreemptible == [2, 3, 8, 9, 10])
        let again = EPAState.write(found.ledger, updatedAt: "t").text
        #expect(try EPAState.read(again).ledger == found.ledger)
        #expect(
            String(decoding: again, as: UTF8.self).contains(
                #""preemption_policies":{"ceph":"non-preemptive","hv":"non-preemptive"}"#))
    }

    @Test(
        "a policy or pool that is not known, or of a service without CPUs, is corrupt, never silently weaker",
        arguments: [
            #"{"allocations_db":{"allocations":{"a":"1"},"preemption_policies":{"a":"strong"}}}"#,
            #"{"allocations_db":{"allocations":{"a":"1"},"preemption_policies":{"a":null}}}"#,
            #"{"allocations_db":{"allocations":{"a":"1"},"allocation_pools":{"a":"gpu"}}}"#,
            #"{"allocations_db":{"allocations":{"a":"1"},"preemption_policies":{"b":"legacy"}}}"#,
            #"{"allocations_db":{"allocations":{"a":""},"allocation_pools":{"a":"general"}}}"#,
        ])
    func badPolicies(text: String) {
        #expect(throws: CorruptStateError.self) { try read(text) }
    }

    @Test("a member that is not known is named and refused, unless told to leave it out")
    func unknownMembers() throws {
        for (text, name) in [
            (#"{"services":{"a":"1"}}"#, "services"),
            (#"{"allocations_db":{"allocations":{"a":"1"},"quotas":{}}}"#, "allocations_db.quotas"),
            (#"{"hugepages_db":{"limits":{}}}"#, "hugepages_db.limits"),
            (
                #"{"hugepages_db":{"allocations":{"a":[{"count":3,"node_id":0,"size_kb":2048,"protected":true}]}}}"#,
                "hugepages_db.allocations.a[].protected"
            ),
        ] {
            let error = #expect(throws: CorruptStateError.self) { try read(text) }
            #expect(error?.description.contains(name.debugDescription) == true)
            let found = try EPAState.read(Array(text.utf8), leavingOutUnknown: true)
            #expect(found.warnings.contains { $0.contains(name.debugDescription) })
            if text.contains("protected") {
                #expect(found.ledger[.service("a")]?.reservations == [.init(node: 0, sizeKB: 2048, count: 3)])
            }
        }
    }

    @Test("an export leaves out what the format cannot hold, says so, and can always be imported")
    func leftOut() throws {
        let until = Lease.until(1_795_218_831_691)
        let claims = [
            Claim(
                holder: Holder(kind: .run, name: "o"), owner: .administrators, pool: Pool.ordinary,
                grants: [Grant(cpus: [1])], reservations: [.init(node: 0, sizeKB: 2048, count: 3)]),
            Claim(
                holder: Holder(kind: .run, name: "only"), owner: .administrators, pool: Pool.ordinary,
                grants: [Grant(cpus: [2])]),
            Claim(
                holder: Holder(kind: .run, name: "shared"), owner: .administrators,
                grants: [Grant(cpus: [3], exclusive: [], level: .none), Grant(cpus: [4])]),
            Claim(holder: Holder(kind: .run, name: "m"), owner: .administrators, grants: [], memoryNodes: [0, 1]),
            Claim(
                holder: Holder(kind: .run, name: "e"), owner: .administrators, grants: [Grant(cpus: [5])], lease: until,
                enforcement: Enforcement(EnforcementRequest(), phase: .active)),
            Claim(holder: .service("whole"), owner: .administrators, grants: [Grant(cpus: [6])]),
        ]
        var ledger = Ledger()
        try ledger.apply(LedgerChange(claims: claims))
        let export = EPAState.write(ledger, updatedAt: "t")
        let found = try EPAState.read(export.text)
        #expect(found.warnings == [] && found.ledger.exclusive == [4, 5, 6])
        #expect(found.ledger[.service("run:o")]?.reservations == [.init(node: 0, sizeKB: 2048, count: 3)])
        #expect(export.claims == 4 && found.ledger.count == 4)
        for (name, words) in [
            ("run:o", "CPUs 1 are left out: they are of the pool ordinary"), ("run:only", "CPUs 2"),
            ("run:shared", "shared CPUs 3"), ("run:m", "memory nodes 0,1"), ("run:e", "the enforcement is left out"),
            ("run:e", "the lease is left out"),
        ] {
            #expect(
                export.leftOut.contains { $0.hasPrefix("\"\(name)\": ") && $0.contains(words) }, "\(name): \(words)")
        }
        #expect(export.leftOut.count == 6)
    }
}
