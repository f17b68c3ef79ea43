import Glibc
import TestSupport
import Testing

/// The example, and the page that shows it.
@Suite struct ExampleTests {
    private static let checkout = "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/")

    /// The lines without what they are indented by.
    private static func lines(_ text: some StringProtocol) -> [Substring] {
        text.split(separator: "\n").map { Substring($0).drop { $0 == " " } }.filter { !$0.isEmpty }
    }

    @Test("the code in docs/kubernetes-client.md is that of the example")
    func page() throws {
        func read(_ path: String) throws -> String {
            String(decoding: try #require(TemporaryDirectory.read("\(Self.checkout)/\(path)")), as: UTF8.self)
        }
        let example = Self.lines(try read("Sources/Testing/kubernetes-client-example/Example.swift"))
        let blocks = try read("docs/kubernetes-client.md").split(separator: "```swift\n").dropFirst()
        #expect(blocks.count > 4)
        for block in blocks {
            let code = Self.lines(block.split(separator: "```").first ?? "").filter { !$0.hasPrefix("//") }
            let isThere = example.indices.contains { example[$0...].starts(with: code) }
            #expect(isThere, "\(code.joined(separator: "\n"))")
        }
    }

    /// The answers of a cluster with one pod and one binding.
    private static func answer(_ request: ScriptedServer.Request) -> ScriptedServer.Answer {
        let binding = """
            {"metadata":{"name":"web-0-pcb","namespace":"shop","resourceVersion":"7"},"spec":{"podName":"web-0",
            "cpuSet":[{"cpuID":2},{"cpuID":3}],"exclusivenessLevel":"CPU"},
            "status":{"resourceStatus":"Applied","nodeName":"n1"}}
            """
        let one = binding.filter { $0 != "\n" }
        switch (request.method, request.path.split(separator: "/").last) {
        case ("GET", "pods"):
            return .init(
                """
                {"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"web-0","namespace":"shop"},
                "spec":{"nodeName":"n1","containers":[{"resources":{"requests":{"cpu":"1500m"}}}]}}]}
                """)
        case ("GET", _) where request.query["watch"] != nil:
            return .init([
                .text(#"{"type":"DELETED","object":\#(one.replacing("\"7\"", with: "\"8\""))}"# + "\n"), .hang,
            ])
        case ("GET", _): return .init(#"{"metadata":{"resourceVersion":"7"},"items":[\#(one)]}"#)
        case ("POST", _) where request.body.contains("web-0"):
            return .init(409, #"{"kind":"Status","reason":"AlreadyExists"}"#)
        default: return .init(201, one)
        }
    }

    @Test("the example prints pods, follows bindings and makes them")
    func program() async throws {
        let server = try await ScriptedServer { request, _ in Self.answer(request) }
        let directory = try TemporaryDirectory()
        try directory.write([
            "config": """
            current-context: c
            contexts: [{name: c, context: {cluster: c, user: u}}]
            clusters: [{name: c, cluster: {server: "http://127.0.0.1:\(server.port)"}}]
            users: [{name: u, user: {token: t}}]

            """
        ])
        let environment = ["KUBECONFIG": "\(directory.path)/config"]
        let path = try Program.built("kubernetes-client-example")
        let program = try Program(
            [path, "follow", "shop"], environment: environment, output: "\(directory.path)/output")
        #expect(try await program.prints("shop/web-0-pcb is gone", seconds: 60))
        #expect(program.lines.first == "shop/web-0 on n1: 1500 thousandths of a CPU")
        program.signal(SIGTERM)
        #expect(try await program.end() == 128 + SIGTERM)
        let refused = try await Program.run([path, "bind", "shop", "web-0", "2"], environment: environment)
        #expect(refused.text == "shop/web-0-pcb exists\n" && refused.status == 0)
        let made = try await Program.run([path, "bind", "shop", "db-0", "2"], environment: environment)
        #expect(made.text == "shop/web-0-pcb has the version 7\n")
        await server.stop()
    }
}
