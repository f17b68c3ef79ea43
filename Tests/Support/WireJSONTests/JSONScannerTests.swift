import TestSupport
import Testing
import WireJSON

@Suite struct JSONScannerTests {
    static let good = [
        "{}", "[]", "{\"a\":1}", " {\"a\" : [1, 2.5, -0, 1e3, 1E-2, true, false, null]} ", "\"x\"", "[[[]]]",
        "{\"a\":\"\\u00e9\\ud83d\\ude00\\n\\\"\"}", "{\"é😀\":\"\u{7f}\"}", "[0.0,-1.5e+10]", "null",
        "{\"a\":{\"b\":{}}}",
    ]
    static let bad = [
        "{", "}", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "{'a':1}", "[01]", "[1.]", "[.5]", "[+1]",
        "[1e]",
        "[--1]", "nul", "nullx", "tru", "NaN", "[Infinity]", "\"\u{1}\"", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"",
        "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\udc00\"", "\"\\ud800\\ud800\"", "{}{}", "[1] x", "\u{feff}{}", "// {}",
        "",
        " ", "{\"a\":1 \"b\":2}", "[1 2]", "{\"a\":1]", "[1}",
    ]
    static let badBytes: [[UInt8]] = [
        [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xC3, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22],
        [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0xE0, 0x80, 0x80, 0x22], [0x22, 0x80, 0x22],
        [0x7B, 0x00, 0x7D],
    ]

    @Test("correct texts are accepted, whatever their form", arguments: good)
    func accepts(_ text: String) throws {
        _ = try JSONValue(Array(text.utf8))
    }

    @Test("malformed texts are refused, each with the offset", arguments: bad.map { Array($0.utf8) } + badBytes)
    func refuses(_ bytes: [UInt8]) {
        let error = #expect(throws: JSONError.self) { try JSONValue(bytes) }
        #expect((0...bytes.count).contains(error?.offset ?? -1))
    }

    @Test("the pieces in which a text comes make no difference", arguments: 0..<60 as Range<UInt64>)
    func pieces(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let texts = (Self.good + Self.bad).map { Array($0.utf8) } + Self.badBytes
        let bytes = texts[Int.random(in: 0..<texts.count, using: &random)]

        func outcome(_ cuts: [Int]) -> String {
            var scanner = JSONScanner()
            var start = 0
            do {
                for cut in cuts + [bytes.count] {
                    if case .complete(let end) = try scanner.scan(bytes[start..<cut]) {
                        try JSONValue.checkRest(of: bytes[end...])
                        return "ends at \(end)"
                    }
                    start = cut
                }
                return "ends at \(try scanner.finish())"
            } catch { return "\(error)" }
        }
        let whole = outcome([])
        let cuts = (0..<Int.random(in: 0...5, using: &random)).map { _ in
            Int.random(in: 0...bytes.count, using: &random)
        }
        #expect(outcome(cuts.sorted()) == whole, "seed \(seed)")
        #expect(outcome(Array(bytes.indices)) == whole, "seed \(seed)")
    }

    @Test("a byte that means something else than itself is seen wherever it stands in a long string", arguments: 0..<20)
    func positions(position: Int) throws {
        for scalar in ["\"", "\\", "\u{1}", "\u{1F}", "\n", "\u{7F}", "é", "😀"] {
            let text = String(repeating: "x", count: position) + scalar + String(repeating: " ", count: 20 - position)
            let written = JSONValue.array([.string(text), .string(text)]).bytes
            #expect(try JSONValue(written) == [.string(text), .string(text)])
            var cursor = try JSONCursor(written, maximumDepth: 2)
            var read: [String?] = []
            #expect(cursor.array { read.append($0.string()) } && read == [text, text])
        }
        for (byte, reason) in [
            (0x01, JSONError.Reason.controlCharacter), (0x1F, .controlCharacter), (0xFF, .invalidUTF8),
        ] {
            var bytes = Array("\"\(String(repeating: "x", count: 21))\"".utf8)
            bytes[1 + position] = UInt8(byte)
            #expect(throws: JSONError(offset: 1 + position, reason: reason)) { try JSONValue(bytes) }
        }
    }

    @Test("deep nesting is refused before it costs anything")
    func depth() throws {
        _ = try JSONValue(
            [UInt8](repeating: UInt8(ascii: "["), count: 64) + [UInt8](repeating: UInt8(ascii: "]"), count: 64))
        let error = #expect(throws: JSONError.self) {
            try JSONValue([UInt8](repeating: UInt8(ascii: "["), count: 100_000))
        }
        #expect(error == JSONError(offset: 64, reason: .tooDeep(64)))
    }

    @Test(
        "texts with random bytes never trap, are refused where they are not UTF-8, and else read back the same when written",
        arguments: 0..<40 as Range<UInt64>)
    func garbage(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var accepted = 0
        var refused = 0
        for _ in 0..<200 {
            var bytes = Array(Self.good[Int.random(in: 0..<Self.good.count, using: &random)].utf8)
            let mutations = Int.random(in: 0...3, using: &random)
            for _ in 0..<mutations where !bytes.isEmpty {
                let offset = Int.random(in: 0..<bytes.count, using: &random)
                if Bool.random(using: &random) {
                    bytes.remove(at: offset)
                } else {
                    bytes.insert(UInt8.random(in: 0...255, using: &random), at: offset)
                }
            }
            let isUTF8 = String(validating: bytes, as: UTF8.self) != nil
            guard let value = try? JSONValue(bytes) else {
                #expect(mutations > 0, "seed \(seed)")
                refused += 1
                continue
            }
            #expect(isUTF8, "seed \(seed)")
            accepted += 1
            var writer = JSONWriter()
            writer.value(value)
            #expect(try JSONValue(writer.bytes) == value, "seed \(seed)")
            var ascii = JSONWriter(escapesNonASCII: true)
            ascii.value(value)
            #expect(ascii.bytes.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "seed \(seed)")
            #expect(try JSONValue(ascii.bytes) == value, "seed \(seed)")
        }
        // A quarter of the texts is whole, and most mutations leave no JSON.
        #expect(accepted >= 20 && refused >= 20, "seed \(seed)")
    }
}
