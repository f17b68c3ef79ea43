import Testing
import WireJSON

@Suite struct JSONValueTests {
    @Test("members stay in their order, the last of the same name counts, escapes are resolved")
    func members() throws {
        let value = try JSONValue(Array(#"{"b":1,"a":"\u00e9\n😀","b":2.50}"#.utf8))
        #expect(value.members?.map(\.name) == ["b", "a", "b"])
        #expect(value["b"] == .number("2.50"))
        #expect(value["a"]?.string == "é\n😀")
        #expect(value["c"] == nil)
    }

    @Test("names are told apart by their code points, not by how they look")
    func names() throws {
        let value = try JSONValue(Array("{\"\u{e9}\":1,\"e\u{301}\":2}".utf8))
        #expect(value["\u{e9}"] == .number("1"))
    }

    @Test("the writer escapes what JSON demands and nothing else")
    func writer() {
        let bytes = JSONWriter.object { writer in
            writer.member("quote\"", "a\\b\n\t\r\u{8}\u{c}\u{1}é😀/")
            writer.name("list")
            writer.array { array in
                array.integer(-5)
                array.boolean(true)
                array.null()
                array.object { _ in }
            }
        }
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"{"quote\"":"a\\b\n\t\r\b\f\u0001é😀/","list":[-5,true,null,{}]}"#)
    }
}

/// The table of the EPA specification, section 2, "Integers".
@Suite struct LaxIntegerTests {
    @Test(
        "what the EPA Orchestrator takes for an integer is one",
        arguments: [
            ("5", 5), ("-0", 0), ("1.0", 1), ("-0.0", 0), ("1e3", 1000), ("true", 1), ("false", 0), ("\"5\"", 5),
            ("\" 5 \"", 5), ("\"+5\"", 5), ("\"-1\"", -1), ("\"01\"", 1), ("\"1_000\"", 1000), ("\"5.0\"", 5),
            ("\"1_0.00\"", 10), ("\"\\u00a05\\u2003\"", 5), ("9223372036854775807", Int.max),
            ("\"-9223372036854775808\"", Int.min),
        ])
    func accepted(_ text: String, _ number: Int) throws {
        #expect(try JSONValue(Array(text.utf8)).laxInteger() == number)
    }

    @Test(
        "what the EPA Orchestrator refuses is refused",
        arguments: [
            "1.5", "1e20", "1e400", "\"\"", "\" \"", "\"5.\"", "\".0\"", "\"1.5\"", "\"1e3\"", "\"0x10\"", "\"1__0\"",
            "\"_1\"",
            "\"1_\"", "\"1.0_0\"", "\"--1\"", "\"- 1\"", "\"1,000\"", "\"\\u0661\"", "\"1\\u00002\"", "null", "[]",
            "{}",
            "\"-\"", "\"+\"", "9223372036854775808", "\"9223372036854775808\"",
        ])
    func refused(_ text: String) throws {
        let value = try JSONValue(Array(text.utf8))
        #expect(throws: LaxIntegerError.self) { try value.laxInteger() }
    }

    @Test("a string of more than 4,300 digits is refused")
    func long() {
        #expect(throws: LaxIntegerError.unparsable) {
            try JSONValue.string(String(repeating: "0", count: 4301)).laxInteger()
        }
        #expect(throws: Never.self) { try JSONValue.string(String(repeating: "0", count: 4300)).laxInteger() }
    }
}

/// Values that are changed and made.
@Suite struct JSONValueChangeTests {
    @Test("a member that is set takes its old place, or the last one; nil removes it")
    func members() {
        var value: JSONValue = ["a": 1, "b": ["x", true], "a": 2]
        value["a"] = "new"
        #expect(value == ["a": 1, "b": ["x", true], "a": "new"])
        value["a"] = nil
        #expect(value == ["b": ["x", true]])
        value["c"] = .null
        #expect(value.bytes == Array(#"{"b":["x",true],"c":null}"#.utf8))
        var text: JSONValue = "text"
        text["a"] = nil
        #expect(text == "text")
        text["a"] = 1
        #expect(text == ["a": 1])
    }
}
