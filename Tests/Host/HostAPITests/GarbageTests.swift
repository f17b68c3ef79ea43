import TestSupport
import Testing
import WireJSON

/// Requests that nobody would write: mutations of right ones, sent to a server. A seed makes them the same again.
@Suite struct GarbageTests {
    private static let bodies = [
        #"{"cpus":{"count":2,"nodes":[0],"smt":"whole","packing":"lowest","level":"core","label":"x"}}"#,
        #"{"grants":[{"cores":1,"spread":"nodes"},{"count":2,"shared":true,"label":"rest"}],"memory_nodes":[0,1]}"#,
        #"{"cpus":{"list":"1-3,5"},"huge_pages":[{"node":0,"size_kb":2048,"count":3}],"lease":{"seconds":60}}"#,
        #"{"cpus":{"percent":50},"enforcement":{"minimum":"cpuset","balanced":true,"process":4711},"lease":{"process":4711}}"#,
        #"{"lease":{"until":1795218831691}}"#,
    ]
    private static let targets = [
        "/v1/claims/run/a", "/v1/claims/pod/ns%2Fweb", "/v1/plan", "/v1/claims/run/a/renew",
        "/v1/claims?limit=3&after=run:a",
        "/v1/machine", "/metrics",
    ]
    private static let pieces = [
        "\\u0000", "\\ud800", "1e999", "-0", "99999999999999999999", "{}", "[]", "null", "\"", ",", ":", "}", "%",
        "%zz", "%00",
        "?", "&", "=", "../", "é", "\u{1F600}",
    ]

    @Test("no request of any form ends the server, or is answered with a fault of its own")
    func mutations() async throws {
        let seed = UInt64.random(in: 0..<10_000_000)
        print("mutations: seed \(seed)")
        try await TestAPI.serving { api in
            var random = SeededRandom(seed: seed)
            for _ in 0..<1_500 {
                let method = ["GET", "PUT", "PATCH", "POST", "DELETE"].randomElement(using: &random) ?? "GET"
                let target = Self.mutated(Self.targets, isTarget: true, &random)
                let body =
                    ["GET", "DELETE"].contains(method) ? nil : Self.mutated(Self.bodies, isTarget: false, &random)
                let reply = try api.ask(method, target, body)
                #expect((200..<500).contains(reply.status), "\(method) \(target) \(body ?? ""): \(reply.status)")
            }
            #expect(try api.ask("GET", "/healthz").status == 200)
        }
    }

    /// One of `texts` with up to three changes.
    private static func mutated(_ texts: [String], isTarget: Bool, _ random: inout SeededRandom) -> String {
        var text = Array((texts.randomElement(using: &random) ?? "").unicodeScalars)
        for _ in 0..<Int.random(in: 0...3, using: &random) where !text.isEmpty {
            let start = Int.random(in: isTarget ? 1...max(text.count, 1) : 0...text.count, using: &random)
            let end = min(start + Int.random(in: 0...6, using: &random), text.count)
            guard start <= end else { continue }
            let piece = pieces.randomElement(using: &random) ?? ""
            // Whitespace would end the target.
            text.replaceSubrange(start..<end, with: piece.unicodeScalars.filter { !isTarget || $0.value > 0x20 })
        }
        var result = String.UnicodeScalarView()
        result.append(contentsOf: text)
        return String(result)
    }
}
