import Service
import TestSupport
import Testing

@Suite struct ConfigurationFormTests {
    @Test(
        "a malformed file is an error that names the line, and never ends the process",
        arguments: [
            "[[[", "\n[[ [", "[[a]]", "name-limit = 1\n[[", "policy = [{ = 1}]", "x = {",
            "\0nope = 1\nname-limit = 3",
            "[\"", "  [.", "policy = [\"keep-pins\"] \n[ [ [",
        ])
    func malformed(toml: String) {
        var configuration = DaemonConfiguration()
        let error = #expect(throws: ConfigurationError.self) { try configuration.merge(toml: toml, file: "f.toml") }
        #expect(error?.message.hasPrefix("f.toml: line ") == true)
    }

    @Test("brackets, braces and hashes within a text are text, and lists may take several lines")
    func texts() throws {
        var configuration = DaemonConfiguration()
        try configuration.merge(
            toml: """
                socket = "/a[b]{c}#d\\"e" # [x] {y}
                audit-log = '/[[[{'
                policy = [
                  "keep-pins", # one
                  "online-only"
                ]
                """, file: "f.toml")
        #expect(configuration.socket == "/a[b]{c}#d\"e" && configuration.auditLog == "/[[[{")
        #expect(configuration.policy == ["keep-pins", "online-only"])
    }

    @Test("random files built from TOML's own signs are read or refused", arguments: 0..<50 as Range<UInt64>)
    func random(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let signs = [
            "[", "]", "{", "}", "\"", "'", "=", ".", ",", "#", "\n", " ", "a", "policy", "1", "-", "\\", "true", "\0",
        ]
        for _ in 0..<100 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                signs[Int.random(in: 0..<signs.count, using: &random)]
            }.joined()
            var configuration = DaemonConfiguration()
            try? configuration.merge(toml: text, file: "seed \(seed)")
        }
    }
}
