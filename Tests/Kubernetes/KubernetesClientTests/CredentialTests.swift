import Synchronization
import TestSupport
import Testing

@testable import KubernetesClient

@Suite struct CredentialTests {
    private let server = ServerAddress("https://h:1")

    private func source(_ identity: ClientIdentity, _ system: ManualSystem) throws -> CredentialSource {
        CredentialSource(ClientConfiguration(server: try #require(server), identity: identity), system.access)
    }

    private func plugin(_ system: ManualSystem) throws -> CredentialSource {
        try source(ClientIdentity(.plugin(CredentialPlugin(command: "get-token"))), system)
    }

    private func authorization(_ credentials: Credentials) -> String? {
        credentials.fields.first { $0.name == "Authorization" }?.value
    }

    @Test("a token file is read again after a minute, at once when its token is refused, and keeps its last token")
    func rotation() async throws {
        let system = ManualSystem(files: ["/token": "one\n"])
        let source = try source(ClientIdentity(.tokenFile("/token")), system)
        let first = try await source.current()
        #expect(authorization(first) == "Bearer one")
        system.write("/token", "two")
        #expect(try await source.current() == first)
        system.advance(by: .seconds(61))
        let second = try await source.current()
        #expect(authorization(second) == "Bearer two")
        #expect(await source.renew(second) == false)
        system.write("/token", "three")
        #expect(await source.renew(second))
        #expect(authorization(try await source.current()) == "Bearer three")
        system.write("/token", nil)
        system.advance(by: .seconds(61))
        #expect(authorization(try await source.current()) == "Bearer three")
    }

    @Test("what cannot be sent as a token is refused", arguments: ["", " \n", "a\u{1}b", "é"])
    func noToken(text: String) async throws {
        let source = try source(ClientIdentity(.tokenFile("/token")), ManualSystem(files: ["/token": text]))
        let error = await #expect(throws: KubernetesError.self) { try await source.current() }
        guard case .credentials = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("names, passwords and those who are asked for go into the head")
    func head() async throws {
        var configuration = ClientConfiguration(
            server: try #require(server), identity: ClientIdentity(.password(user: "me", password: "é:")))
        configuration.impersonation = Impersonation(user: "you", uid: "1", groups: ["g", "h"])
        let credentials = try await CredentialSource(configuration, ManualSystem().access).current()
        let fields = credentials.fields.map { "\($0.name): \($0.value)" }
        #expect(
            fields == [
                "Authorization: Basic bWU6w6k6", "Impersonate-User: you", "Impersonate-Uid: 1", "Impersonate-Group: g",
                "Impersonate-Group: h",
            ])
    }

    private static func answer(_ status: String, version: String = "v1") -> ProgramResult {
        let text =
            #"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/\#(version)","status":{\#(status)}}"#
        return ProgramResult(status: 0, output: Array(text.utf8), errors: "")
    }

    @Test("a plugin is asked once, again before its answer expires, and when that is refused")
    func plugin() async throws {
        let count = Atomic(0)
        let system = ManualSystem { _ in
            let number = count.add(1, ordering: .relaxed).newValue
            return Self.answer(#""token":"t\#(number)","expirationTimestamp":"2023-11-14T22:\#(13 + 10 * number):20Z""#)
        }
        let source = try plugin(system)
        async let one = source.current()
        async let other = source.current()
        let both = try await [one, other]
        #expect(both.map { authorization($0) } == ["Bearer t1", "Bearer t1"] && system.calls.count == 1)
        system.advance(by: .seconds(585))
        #expect(authorization(try await source.current()) == "Bearer t1")
        system.advance(by: .seconds(10))
        let second = try await source.current()
        #expect(authorization(second) == "Bearer t2")
        #expect(await source.renew(second))
        #expect(authorization(try await source.current()) == "Bearer t3")
        #expect(await source.renew(second))
        #expect(authorization(try await source.current()) == "Bearer t3" && system.calls.count == 3)
    }

    @Test("a plugin is told what the protocol says, and may give a certificate")
    func protocolOfPlugins() async throws {
        let system = ManualSystem { _ in Self.answer(#""clientCertificateData":"C","clientKeyData":"K""#) }
        var plugin = CredentialPlugin(command: "x", arguments: ["a"])
        plugin.environment = ["E": "v"]
        plugin.cluster = .init(server: try #require(server), trust: ServerTrust())
        let credentials = try await source(ClientIdentity(.plugin(plugin)), system).current()
        #expect(credentials.security.certificate == Array("C".utf8) && credentials.security.key == Array("K".utf8))
        let call = try #require(system.calls.first)
        #expect(call.command == "x" && call.arguments == ["a"] && call.environment["E"] == "v")
        let info = try JSONValue(Array((call.environment["KUBERNETES_EXEC_INFO"] ?? "").utf8))
        #expect(info["apiVersion"] == "client.authentication.k8s.io/v1" && info["kind"] == "ExecCredential")
        #expect(info["spec"]?["interactive"] == false && info["spec"]?["cluster"]?["server"] == "https://h:1")
    }

    @Test(
        "what a plugin does wrong is said",
        arguments: [
            (ProgramResult(status: 3, output: [], errors: "no such user"), "no such user"),
            (ProgramResult(status: nil, output: [], errors: ""), "by a signal"),
            (ProgramResult(status: 0, output: Array("{".utf8), errors: ""), "Invalid JSON"),
            (ProgramResult(status: 0, output: Array("{}".utf8), errors: ""), "no ExecCredential"),
            (answer(#""token":"t""#, version: "v1beta1"), "answers as client.authentication.k8s.io/v1beta1"),
            (answer(#""token":"""#), "neither a token nor a certificate"),
            (answer(#""clientKeyData":"K""#), "go together"),
            (answer(#""token":"t","expirationTimestamp":"soon""#), "no time: soon"),
        ])
    func wrongPlugins(result: ProgramResult, says: String) async throws {
        let source = try plugin(ManualSystem { _ in result })
        let error = await #expect(throws: KubernetesError.self) { try await source.current() }
        #expect(error.map { "\($0)" }?.contains(says) == true, "\(String(describing: error))")
        #expect(error.map { "\($0)" }?.contains("get-token") == true)
    }

    @Test("a real program is run with its variables; one that does not end is given up at its limit")
    func realPrograms() async throws {
        var call = CredentialPlugin(command: "/bin/sh", arguments: ["-c", "echo $E; echo bad >&2; exit 3"]).call(
            authorities: nil)
        call.environment["E"] = "v"
        let result = try await SystemAccess.real.run(call)
        #expect(result == ProgramResult(status: 3, output: Array("v\n".utf8), errors: "bad\n"))
        call.arguments = ["-c", "sleep 20 & wait"]
        call.timeLimit = .milliseconds(100)
        let late = call
        await #expect(throws: KubernetesError.timedOut) { try await SystemAccess.real.run(late) }
        call.command = "/nowhere"
        let missing = call
        await #expect(throws: (any Error).self) { try await SystemAccess.real.run(missing) }
    }
}
