import Testing
import WireJSON
import WireYAML

@Suite struct YAMLTests {
    private func read(_ text: String) throws(YAMLError) -> JSONValue { try JSONValue(yaml: Array(text.utf8)) }

    @Test("YAML comes to the JSON that says the same")
    func values() throws {
        let value = try read(
            """
            # a comment
            text: plain text
            quoted: "12"
            numbers: [1, -2.5e3, 007, 0x10]
            flags: {yes: yes, no: True, none: ~}
            folded: >-
              one
              two
            empty:
            """)
        let expected: JSONValue = [
            "text": "plain text", "quoted": "12", "numbers": [1, .number("-2.5e3"), "007", "0x10"],
            "flags": ["yes": "yes", "no": true, "none": .null], "folded": "one two", "empty": .null,
        ]
        #expect(value == expected)
        #expect(try read(#"{"a": [true, "b\u00e9\n"], "c": {}}"#) == ["a": [true, "bé\n"], "c": [:]])
        for nothing in ["", "# only a comment\n", "---\n"] { #expect(try read(nothing) == .null) }
    }

    @Test("aliases stand for what their anchors have")
    func aliases() throws {
        #expect(try read("a: &x {b: [1]}\nc: *x\n") == ["a": ["b": [1]], "c": ["b": [1]]])
    }

    @Test(
        "what is not understood is refused with its line",
        arguments: [
            ("a: 1\nb: [1\n", 3), ("a: 1\na: 2\n", 2), ("a: *x\n", 1), ("a: 1\n---\nb: 2\n", 2), ("? [a]\n: 1\n", 1),
            ("a: !!binary aGk=\n", 1), ("a: !!int x\n", 1), ("a: &x {b: 1}\nc:\n  <<: *x\n", 3), ("\ta: 1", 1),
            ("a: \u{1}", 0),
        ])
    func refused(text: String, line: Int) {
        let error = #expect(throws: YAMLError.self) { try read(text) }
        #expect(line == 0 || error?.line == line, "\(String(describing: error))")
        #expect(error?.reason.isEmpty == false)
    }

    @Test("what would take too much stack or memory is refused")
    func bounds() {
        for deep in [String(repeating: "[", count: 100_000), String(repeating: "{a: ", count: 1000)] {
            #expect(throws: YAMLError.self) { try read(deep) }
        }
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<12 {
            let alias = "*a\(level - 1)"
            bomb += "a\(level): &a\(level) [\(repeatElement(alias, count: 10).joined(separator: ", "))]\n"
        }
        let error = #expect(throws: YAMLError.self) { try read(bomb) }
        #expect(error?.reason.contains("1000000 values") == true)
    }
}
