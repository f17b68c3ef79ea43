import Glibc
import TestSupport
import Testing
import WireJSON

/// SIGHUP: what may change while it serves.
@Suite struct ReloadTests {
    /// Serves with a configuration file that the test changes.
    private func serve(_ site: Site, _ toml: String) async throws -> Daemon {
        try write(site, toml)
        return try await site.serve(["--config", file(site), "--simulate"])
    }

    private func file(_ site: Site) -> String { "\(site.path)/berthd.toml" }

    private func write(_ site: Site, _ toml: String) throws {
        try TemporaryDirectory.write(Array(toml.utf8), to: file(site))
    }

    /// Reloads and waits until the log says how it went.
    private func reload(_ daemon: Daemon) async throws {
        func count() -> Int {
            daemon.program.lines.count {
                $0.contains("configuration reloaded") || $0.contains("configuration was not reloaded")
            }
        }
        let before = count()
        daemon.program.signal(SIGHUP)
        #expect(try await eventually { count() > before })
    }

    @Test("SIGHUP takes over the policy, the limits and the log level")
    func takesOver() async throws {
        let site = try Site()
        let daemon = try await serve(site, "log-level = \"notice\"\n")
        try daemon.numa("a", 0, 2)
        try daemon.cores("a", 2)
        #expect(try daemon.list()["allocations"]?.array?.first?["is_explicit"] == .boolean(false))
        #expect(!daemon.program.text.contains("DEBUG:"))

        try write(site, "policy = [\"keep-pins\"]\nlog-level = \"debug\"\nname-limit = 8\nconnections-per-uid = 2\n")
        try await reload(daemon)
        let line = daemon.program.lines.first { $0.contains(" NOTICE: configuration reloaded") }
        #expect(
            line?.hasSuffix("reloaded connections-per-uid=2 log-level=debug name-limit=8 policy=keep-pins") == true,
            "what changed is named: \(line ?? "")")
        try daemon.numa("b", 0, 2)
        #expect(try daemon.cores("b", 1).error?.contains("explicitly allocated") == true)
        #expect(try await daemon.program.prints("DEBUG: CPUs allocated"))
        #expect(try daemon.cores("123456789", 1).error?.contains("at most 8") == true)
        do {
            let clients = [try SocketClient(site.socket), try SocketClient(site.socket)]
            #expect(try await eventually { try daemon.list().error?.contains("the limit is 2") == true })
            withExtendedLifetime(clients) {}
        }
        #expect(try await eventually { try daemon.list().error == nil })
        #expect(try await daemon.stop() == 0)
    }

    @Test(
        "a configuration that is wrong is not taken over: the old one stays and the log says why",
        arguments: ["policy = \"nonsense\"", "polisy = \"keep-pins\"", "= x", "access-group = \"nosuchgroup\""])
    func wrong(toml: String) async throws {
        let site = try Site()
        let daemon = try await serve(site, "policy = \"keep-pins\"\n")
        try write(site, toml)
        try await reload(daemon)
        let line = try #require(
            daemon.program.lines.first { $0.contains(" ERROR: the configuration was not reloaded") })
        #expect(
            ["nonsense", "polisy", "TOML", "nosuchgroup"].contains { line.contains($0) }, "\(line)")
        try daemon.numa("a", 0, 2)
        #expect(try daemon.cores("a", 1).error?.contains("explicitly allocated") == true)
        #expect(try await daemon.stop() == 0)
    }

    @Test("SIGHUP opens the audit log anew, so that it can be rotated, or another one")
    func auditLog() async throws {
        let site = try Site()
        let path = "\(site.path)/audit.log"
        let daemon = try await serve(site, "audit-log = \"\(path)\"\n")
        try daemon.cores("first", 1)
        #expect(try await eventually { has(path, "service:first") })
        rename(path, "\(path).1")
        try await reload(daemon)
        try daemon.cores("second", 1)
        #expect(try await eventually { has(path, "service:second") })
        #expect(!has("\(path).1", "second") && !has(path, "first"))
        try write(site, "audit-log = \"\(path).other\"\n")
        try await reload(daemon)
        try daemon.cores("third", 1)
        #expect(try await eventually { has("\(path).other", "service:third") })
        try write(site, "")
        try await reload(daemon)
        try daemon.cores("fourth", 1)
        #expect(try await daemon.program.prints("service:fourth"))
        #expect(!has(path, "third"))
        #expect(try await daemon.stop() == 0)
    }

    @Test("an audit log that cannot be opened any more is no reason to change anything")
    func auditLogGone() async throws {
        let site = try Site()
        mkdir("\(site.path)/logs", 0o755)
        let daemon = try await serve(site, "audit-log = \"\(site.path)/logs/audit\"\n")
        rename("\(site.path)/logs", "\(site.path)/away")
        try write(site, "audit-log = \"\(site.path)/logs/audit\"\npolicy = \"keep-pins\"\n")
        try await reload(daemon)
        #expect(daemon.program.text.contains("configuration was not reloaded"))
        #expect(daemon.program.text.contains("\(site.path)/logs/audit"))
        try daemon.numa("a", 0, 2)
        #expect(try daemon.cores("a", 1).error == nil)
        #expect(try await eventually { has("\(site.path)/away/audit", "service:a") })
        #expect(try await daemon.stop() == 0)
    }

    @Test("settings that need a restart are named, and do not count until then, however often it reloads")
    func needRestart() async throws {
        let site = try Site()
        let daemon = try await serve(site, "")
        // Everybody could be let in by the new mode, if it counted.
        try write(site, "socket-mode = \"0666\"\nsocket-group = 65534\n")
        for round in 1...2 {
            try await reload(daemon)
            for key in ["socket-mode", "socket-group"] {
                let lines = daemon.program.lines.filter { $0.contains("next start only key=\(key)") }
                #expect(lines.count == round, "\(key) in round \(round)")
            }
            var status = stat()
            #expect(stat(site.socket, &status) == 0 && status.st_mode & 0o777 == 0o660 && status.st_gid == getegid())
            chmod(site.socket, 0o666)
            #expect(try daemon.ask("list_allocations", uid: 65_534).error?.contains("may not use this socket") == true)
            chmod(site.socket, 0o660)
        }
        #expect(try await daemon.stop() == 0)
    }

    private func has(_ path: String, _ text: String) -> Bool {
        String(decoding: TemporaryDirectory.read(path) ?? [], as: UTF8.self).contains(text)
    }
}
