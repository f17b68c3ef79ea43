import Glibc
import TestSupport
import Testing
import WireJSON

/// The audit log has what the state has, however berthd ended.
@Suite struct AuditTests {
    private func serve(_ site: Site) async throws -> Daemon {
        try await site.serve(["--simulate", "--audit-log", audit(site)])
    }

    private func audit(_ site: Site) -> String { "\(site.path)/audit.jsonl" }

    private func lines(_ path: String) -> [JSONValue] {
        (TemporaryDirectory.read(path) ?? []).split(separator: 0x0A).map { (try? JSONValue(Array($0))) ?? .null }
    }

    private func seqs(_ path: String) -> [Int] { lines(path).compactMap { $0["seq"]?.integer } }

    /// A stopped daemon whose audit log has so many records.
    private func stopped(records: Int) async throws -> Site {
        let site = try Site()
        let daemon = try await serve(site)
        for number in 0..<records { try daemon.cores("a", number % 3 + 1) }
        #expect(try await daemon.stop() == 0)
        #expect(seqs(audit(site)) == Array(1...records))
        return site
    }

    /// Starts the daemon, waits until the log has so many records, and stops it. Returns what it logged.
    private func restart(_ site: Site, until count: Int) async throws -> String {
        let daemon = try await serve(site)
        #expect(try await eventually { seqs(audit(site)).count >= count })
        #expect(try await daemon.stop() == 0)
        return daemon.program.text
    }

    @Test("after each kill -9 the next start adds what is missing, once and in order")
    func kills() async throws {
        let site = try Site()
        let rounds = 8
        for round in 0..<rounds {
            let daemon = try await serve(site)
            #expect(try daemon.cores("a", round % 3 + 1).error == nil)
            try await daemon.kill()
        }
        _ = try await restart(site, until: rounds)
        #expect(seqs(audit(site)) == Array(1...rounds))
    }

    @Test("lines that were lost are written as they were, the rest of a record's lines too")
    func same() async throws {
        let site = try Site()
        let daemon = try await serve(site)
        try daemon.cores("a", 4)
        try daemon.numa("b", 0, 2)
        try daemon.cores("a", 99)
        try daemon.cores("c", 1)
        #expect(try await daemon.stop() == 0)
        let whole = try #require(TemporaryDirectory.read(audit(site)))
        let all = whole.split(separator: 0x0A)
        #expect(
            lines(audit(site)).map { $0["decision"]?.string } == ["granted", "granted", "taken", "refused", "granted"])
        // Without the last line; without the line of what was taken, and half a line in its place.
        for (kept, tail, expected) in [(4, 0, all), (2, 20, [all[0], all[1], all[2].prefix(20), all[2], all[4]])] {
            let text = all.prefix(kept).joined(separator: [0x0A]) + [0x0A] + all[kept].prefix(tail)
            try TemporaryDirectory.write(Array(text), to: audit(site))
            let log = try await restart(site, until: 4)
            let found = String(decoding: TemporaryDirectory.read(audit(site)) ?? [], as: UTF8.self)
            #expect(
                found.split(separator: "\n").map { String($0) } == expected.map { String(decoding: $0, as: UTF8.self) })
            #expect(log.contains("the audit log lacked committed decisions, which were added"))
        }
    }

    @Test("after a rotation nothing is repeated: the log goes on after the rotated file")
    func rotated() async throws {
        let site = try await stopped(records: 5)
        var rest = lines(audit(site))
        #expect(rename(audit(site), "\(audit(site)).1") == 0)
        let daemon = try await serve(site)
        try daemon.cores("b", 1)
        #expect(try await eventually { seqs(audit(site)) == [6] })
        #expect(try await daemon.stop() == 0)
        // Killed after the rotation, with a record that neither file has.
        rest.removeLast()
        let text = String(decoding: TemporaryDirectory.read("\(audit(site)).1") ?? [], as: UTF8.self)
        let kept = text.split(separator: "\n").dropLast().joined(separator: "\n") + "\n"
        try TemporaryDirectory.write(Array(kept.utf8), to: "\(audit(site)).1")
        TemporaryDirectory.remove(audit(site))
        _ = try await restart(site, until: 2)
        #expect(seqs(audit(site)) == [5, 6])
    }

    @Test("a new audit log of a state that was stopped orderly begins with what comes then")
    func moved() async throws {
        let site = try await stopped(records: 3)
        TemporaryDirectory.remove(audit(site))
        let daemon = try await serve(site)
        try daemon.cores("b", 1)
        #expect(try await eventually { seqs(audit(site)) == [4] })
        #expect(try await daemon.stop() == 0)
    }

    @Test("an audit log of another state is left alone, with a warning")
    func foreign() async throws {
        for records in [2, 6] {
            let site = try await stopped(records: 4)
            let other = try await stopped(records: records)
            let bytes = try #require(TemporaryDirectory.read(audit(other)))
            try TemporaryDirectory.write(bytes, to: audit(site))
            let log = try await restart(site, until: records)
            #expect(TemporaryDirectory.read(audit(site)) == bytes)
            #expect(log.contains("it is of another state"), "\(log)")
        }
    }
}
