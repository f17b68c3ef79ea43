import Glibc
import TestSupport
import Testing
import WireJSON

/// EPA specification, section 7, item 6: one instance.
@Suite struct InstanceTests {
    @Test("item 6: a second instance on the same state directory refuses to start and harms nothing")
    func sameState() async throws {
        let site = try Site()
        let first = try await site.serve()
        try first.cores("a", 2)
        let before = try #require(TemporaryDirectory.read("\(site.database)-wal"))
        let second = try await Program.run(
            [
                site.binary, "--config", "/dev/null", "--socket", "\(site.path)/other.sock", "--state-dir", site.state,
                "--simulate",
            ])
        #expect(second.status == 75)
        #expect(second.text.contains("\(site.state)/lock") && second.text.contains("process \(first.program.pid)"))
        #expect(second.text.contains("berthd is running on this state already and must be stopped first"))
        #expect(!exists("\(site.path)/other.sock"))
        #expect(TemporaryDirectory.read("\(site.database)-wal") == before)
        #expect(try first.cores("b", 2)["allocated_cores"]?.string == "4-5")
        #expect(try await first.stop() == 0)
    }

    @Test("item 6: a second instance on the same socket with a state of its own refuses to start and harms nothing")
    func sameSocket() async throws {
        let site = try Site()
        let first = try await site.serve()
        let second = try await Program.run(
            [
                site.binary, "--config", "/dev/null", "--socket", site.socket, "--state-dir", "\(site.path)/else",
                "--simulate",
            ])
        #expect(second.status == 75)
        #expect(second.text.contains(site.socket))
        #expect(try first.cores("a", 1).error == nil)
        #expect(try await first.stop() == 0)
        #expect(!exists(site.socket))
    }

    @Test("the state of a running instance is read while it is used, and not restored")
    func commandsWhileRunning() async throws {
        let site = try Site()
        let daemon = try await site.serve()
        try daemon.cores("a", 2)
        let check = try await site.run("check")
        #expect(check.status == 0 && check.text.contains("sound, 1 claim, record 1"), "\(check)")
        let export = try await site.run("export-state")
        #expect(export.status == 0 && export.text.contains(#""a":"2-3""#), "\(export)")
        let result = try await site.run("restore")
        #expect(result.status == 75 && result.text.contains("held by process \(daemon.program.pid)"))
        #expect(result.text.contains("berthd is running and must be stopped first"))
        #expect(try daemon.allocations() == ["a": "2-3"])
        #expect(try daemon.cores("b", 1).error == nil)
        #expect(try await daemon.stop() == 0)
    }

    @Test("the socket file that a killed instance left behind is replaced")
    func staleSocket() async throws {
        let site = try Site()
        let first = try await site.serve()
        try first.cores("a", 2)
        try await first.kill()
        #expect(exists(site.socket))
        let second = try await site.serve()
        #expect(try second.allocations() == ["a": "2-3"])
        #expect(try await second.stop() == 0)
    }
}
