import Testing

@testable import Domain

/// Section 1.3, rule 1 of the domain specification.
@Suite struct IdentifierTests {
    @Test(
        "every form that EDGELESS accepts is parsed, and printed in lower case with hyphens",
        arguments: [
            "0B6F1D3E-52A4-4c7e-9d10-7a1c2f3e4d55", "0b6f1d3e52a44c7e9d107a1c2f3e4d55",
            "{0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55}", "urn:uuid:0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55",
        ])
    func forms(_ text: String) {
        #expect(NodeID(text)?.description == "0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55")
    }

    @Test(
        "other forms are rejected",
        arguments: [
            "", "0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d5", "0b6f1d3e-52a4-4c7e-9d107-a1c2f3e4d55",
            "0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4dg5", "{0b6f1d3e52a44c7e9d107a1c2f3e4d55}",
            "URN:UUID:0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55", "é0b6f1d3e52a44c7e9d107a1c2f3e4d5",
        ])
    func malformed(_ text: String) { #expect(NodeID(text) == nil) }

    @Test("random ids have version 4, parse back, and sort like their texts")
    func random() {
        var random = Xoshiro(seed: 3)
        var last = LogicalID(random: &random)
        for _ in 0..<1000 {
            let id = LogicalID(random: &random)
            let text = id.description
            #expect(LogicalID(text) == id)
            #expect(text.dropFirst(14).first == "4" && "89ab".contains(text.dropFirst(19).first ?? " "))
            #expect((id < last) == (text < last.description))
            last = id
        }
    }

    @Test("the sentinel for nowhere is that of EDGELESS")
    func none() {
        #expect(PhysicalID.none.node.description == "00000000-0000-0000-0000-fffe00000000")
        #expect(PhysicalID.none.component.description == "00000000-0000-0000-0000-fffd00000000")
    }
}
