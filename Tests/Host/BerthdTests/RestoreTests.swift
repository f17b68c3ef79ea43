import Glibc
import TestSupport
import Testing
import WireJSON

/// What an operator sees before a restore, and restoring from a backup.
@Suite struct RestoreTests {
    /// A stopped daemon's state, with services `a` and `b`.
    private func stored() async throws -> Site {
        let site = try Site()
        let daemon = try await site.serve()
        try daemon.cores("a", 2)
        try daemon.numa("b", 1, 2)
        try daemon.pages("b", 3)
        #expect(try await daemon.stop() == 0)
        return site
    }

    @Test("check --list lists the stored claims, also beside a running daemon")
    func list() async throws {
        let site = try await stored()
        let daemon = try await site.serve()
        let result = try await site.run("check", "--list")
        #expect(result.status == 0 && result.text.contains("sound, 2 claims, record 3"), "\(result)")
        #expect(result.text.contains("\n  a: CPUs 2-3; owner uid \(geteuid())\n"), "\(result)")
        #expect(
            result.text.contains(", explicit; 3 huge pages of 2048 kB on node 0; owner uid \(geteuid())\n"), "\(result)"
        )
        #expect(!(try await site.run("check").text.contains("CPUs")))
        #expect(try await daemon.stop() == 0)
    }

    @Test("restore --dry-run says what would be lost, and changes nothing, also beside a running daemon")
    func dryRun() async throws {
        let site = try await stored()
        let file = "\(site.path)/state.json"
        try TemporaryDirectory.write(
            Array(#"{"allocations_db":{"allocations":{"a":"2","x":"4,20"}}}"#.utf8), to: file)
        let fresh = try Site()
        mkdir(fresh.state, 0o700)
        let nothing = try await fresh.run("restore", "--from-state", file, "--dry-run")
        #expect(
            nothing.status == 0 && nothing.text.contains("\nnothing would be lost\nnothing was changed\n"), "\(nothing)"
        )
        #expect(TemporaryDirectory.names(in: fresh.state).isEmpty)
        let daemon = try await site.serve()
        let before = site.stateFiles
        let result = try await site.run("restore", "--from-state", file, "--dry-run")
        #expect(result.status == 0, "\(result)")
        for line in [
            "would restore 2 claims from \(file)\n", "\n  x: CPUs 4,20\n",
            "would be lost: a: CPUs 2-3; owner uid \(geteuid()) (then: CPUs 2)\n",
            "would be lost: b: CPUs ", "--force would be needed", "nothing was changed\n",
        ] { #expect(result.text.contains(line), "\(line): \(result)") }
        let same = try await site.run("restore", "--dry-run")
        #expect(same.status == 0 && same.text.contains("nothing would be lost\n"), "\(same)")
        let empty = try await site.run("restore", "--dry-run", "--empty")
        #expect(empty.text.contains("would be lost: a: CPUs 2-3; owner uid \(geteuid())\n"), "\(empty)")
        #expect(site.stateFiles == before)
        #expect(try await daemon.stop() == 0)
        // Of a corrupt state only the last good one is known.
        try Spoiling.edited(site.database) { $0.removeLast($0.count / 2) }
        let spoilt = site.stateFiles
        let corrupt = try await site.run("restore", "--dry-run")
        #expect(
            corrupt.status == 0
                && corrupt.text.contains("would be lost: all changes to the stored state, which cannot be read"),
            "\(corrupt)")
        let other = try await site.run("restore", "--dry-run", "--from-state", file)
        #expect(other.text.contains("would be lost: a: CPUs 2-3; owner uid \(geteuid()) (then: CPUs 2)\n"), "\(other)")
        #expect(site.stateFiles == spoilt)
    }

    @Test(
        "restore --from-backup goes on from a copy of ledger.db or ledger.last-good, or a directory with such copies",
        arguments: ["ledger.db", "ledger.last-good", "directory", "directory with a corrupt database"])
    func fromBackup(kind: String) async throws {
        let site = try await stored()
        let backup = "\(site.path)/backup"
        mkdir(backup, 0o700)
        for (name, bytes) in site.stateFiles where name != "machine" {
            try TemporaryDirectory.write(bytes, to: "\(backup)/\(name)")
        }
        if kind == "directory with a corrupt database" {
            try Spoiling.edited("\(backup)/ledger.db") { $0.removeLast($0.count / 2) }
        }
        var given = backup
        if kind.hasPrefix("ledger.") {
            given = "\(site.path)/copy of yesterday"
            rename("\(backup)/\(kind)", given)
        }
        var daemon = try await site.serve()
        try daemon.cores("a", -1)
        try daemon.cores("c", 1)
        #expect(try await daemon.stop() == 0)
        #expect(try await site.run("restore", "--from-backup", given).status == 64, "a sound state")
        let preview = try await site.run("restore", "--from-backup", given, "--dry-run")
        #expect(
            preview.status == 0 && preview.text.contains("would be lost: c: CPUs 2; owner uid \(geteuid())\n"),
            "\(preview)")
        let copied = TemporaryDirectory.names(in: backup)
        let restored = try await site.run("restore", "--from-backup", given, "--force")
        #expect(restored.status == 0 && restored.text.contains("restored 2 claims from the "), "\(restored)")
        #expect(restored.text.contains("going on from the last good state") == kind.hasPrefix("directory with"))
        #expect(TemporaryDirectory.names(in: backup) == copied, "the backup stays as it is")
        daemon = try await site.serve()
        #expect(try daemon.allocations()["a"] == "2-3" && daemon.allocations()["c"] == nil)
        #expect(try daemon.reservations() == ["b": 3])
        #expect(try await daemon.stop() == 0)
    }

    @Test("restore --from-backup refuses what is no sound backup, names it, and changes nothing")
    func badBackup() async throws {
        let site = try await stored()
        let before = site.stateFiles
        let file = "\(site.path)/file"
        var spoilt = try #require(before["ledger.last-good"])
        spoilt[spoilt.count / 2] ^= 1
        mkdir("\(site.path)/empty", 0o700)
        for (bytes, text) in [
            (spoilt, "checksum"), (Array("{}".utf8), "a state.json is restored with --from-state"),
            (Array("text".utf8), "neither a ledger.last-good nor a ledger.db"),
            (Array(try #require(before["ledger.db"]).prefix(9000)), file),
        ] {
            try TemporaryDirectory.write(bytes, to: file)
            let result = try await site.run("restore", "--from-backup", file, "--force")
            #expect(result.status == 65 && result.text.contains(text) && result.text.contains(file), "\(result)")
        }
        let empty = try await site.run("restore", "--from-backup", "\(site.path)/empty", "--force")
        #expect(
            empty.status == 65 && empty.text.contains("there is neither ledger.db nor ledger.last-good"), "\(empty)")
        #expect(try await site.run("restore", "--from-backup", "\(site.path)/none", "--force").status == 66)
        let other = "\(site.path)/other"
        mkdir(other, 0o700)
        for (name, bytes) in before { try TemporaryDirectory.write(bytes, to: "\(other)/\(name)") }
        try TemporaryDirectory.write(Array("real\n".utf8), to: "\(other)/machine")
        let foreign = try await site.run("restore", "--from-backup", other, "--force")
        #expect(foreign.status == 78 && foreign.text.contains("of another machine (real)"), "\(foreign)")
        for name in ["ledger.last-good", "ledger.db"] {
            let copy = try await site.run("restore", "--from-backup", "\(other)/\(name)", "--force")
            #expect(copy.status == 78 && copy.text.contains("of another machine (real)"), "\(copy)")
        }
        #expect(try await site.run("restore", "--from-backup", file, "--empty").status == 64)
        #expect(site.stateFiles == before)
    }

    @Test("check --import-state previews services, CPUs and pages, and what this machine lacks")
    func preview() async throws {
        let site = try Site()
        let file = "\(site.path)/state.json"
        try TemporaryDirectory.write(
            Array(
                #"{"allocations_db":{"allocations":{"a":"0,4,20","b":"6,40"},"explicit_allocations":{"a":"4,20"}},"hugepages_db":{"allocations":{"b":[{"count":3,"node_id":0,"size_kb":2048},{"count":9999999,"node_id":1,"size_kb":2048},{"count":1,"node_id":7,"size_kb":2048}]}}}"#
                    .utf8), to: file)
        let result = try await Program.run(
            [site.binary, "check", "--config", "/dev/null", "--simulate", "--import-state", file])
        #expect(result.status == 0, "\(result)")
        for line in [
            "\(file): can be imported, 2 claims\n", "\n  a: CPUs 0,4,20, of them explicit 4,20\n",
            "\n  b: CPUs 6,40; 3 huge pages of 2048 kB on node 0; 9999999 huge pages of 2048 kB on node 1; 1 huge page of",
            "this machine lacks: CPUs 0 of a are not isolated\n", "this machine lacks: CPUs 40 of b are not there\n",
            "this machine lacks: 9999999 huge pages of 2048 kB on node 1: there are ",
            "this machine lacks: 1 huge page of 2048 kB on node 7: there is no node 7\n",
        ] { #expect(result.text.contains(line), "\(line): \(result.text)") }
        #expect(result.text.components(of: "this machine lacks") == 4, "\(result.text)")
    }

    @Test("a state.json of the wrong shape or with unknown members is refused, unless unknown members are left out")
    func unknownMembers() async throws {
        let site = try await stored()
        let file = "\(site.path)/state.json"
        let before = site.stateFiles
        for text in [#"{"nodes_db":{}}"#, #"{"allocations_db":[]}"#, "[]"] {
            try TemporaryDirectory.write(Array(text.utf8), to: file)
            let check = try await site.run("check", "--import-state", file)
            #expect(check.status == 65 && !check.text.contains("can be imported"), "\(check)")
            #expect(try await site.run("restore", "--force", "--from-state", file).status == 65)
        }
        #expect(site.stateFiles == before)
        try TemporaryDirectory.write(
            Array(#"{"allocations_db":{"allocations":{"x":"4,20"}},"nodes_db":{}}"#.utf8), to: file)
        let refused = try await site.run("check", "--import-state", file)
        #expect(refused.status == 65 && refused.text.contains("--leave-out-unknown"), "\(refused)")
        let check = try await site.run("check", "--import-state", file, "--leave-out-unknown")
        #expect(check.status == 0 && check.text.contains("can be imported, 1 claim\n"), "\(check)")
        #expect(check.text.contains("berthd: \(file): the member \"nodes_db\" is not known, left out\n"), "\(check)")
        let restored = try await site.run("restore", "--force", "--from-state", file, "--leave-out-unknown")
        #expect(restored.status == 0 && restored.text.contains("restored 1 claim from \(file)"), "\(restored)")
        #expect(try await site.run("restore", "--leave-out-unknown").status == 64)
    }

    @Test("the help of a subcommand lists its own options only; those of serve are still accepted everywhere")
    func help() async throws {
        let site = try await stored()
        let own = [
            "check": [
                "--config", "--state-dir", "--import-state", "--leave-out-unknown", "--configuration", "--list",
                "--machine", "--sysfs-root", "--simulate",
            ],
            "restore": [
                "--config", "--state-dir", "--from-state", "--from-backup", "--empty", "--leave-out-unknown", "--force",
                "--dry-run",
            ],
            "export-state": ["--config", "--state-dir", "--output"],
            "events": ["--config", "--state-dir", "--after", "--limit", "--json"],
        ]
        for (command, options) in own {
            let help = try await Program.run([site.binary, command, "--help"])
            let listed = help.text.split(separator: "\n").compactMap { line in
                line.split(separator: " ").first.map(String.init).flatMap { line.hasPrefix("  --") ? $0 : nil }
            }
            #expect(Set(listed).subtracting(["--version"]) == Set(options), "\(command)")
        }
        let old = try await site.run("check", "--read-timeout", "3", "--policy", "keep-pins")
        #expect(old.status == 0, "\(old)")
        #expect(try await site.run("export-state", "--log-level", "debug", "--simulate").status == 0)
    }

    @Test("every error begins with berthd, those of wrong options too")
    func prefix() async throws {
        let site = try Site()
        for arguments in [
            ["--sokket", "x"], ["restore", "--empty", "--from-state", "x"], ["events", "--after", "x"], ["check"],
            ["--read-timeout", "0"], ["--policy", "nonsense"],
        ] {
            let result = try await Program.run([site.binary] + arguments + (arguments.count == 1 ? site.paths : []))
            #expect(result.status != 0 && result.text.hasPrefix("berthd: "), "\(result)")
            #expect(!result.text.contains("Error:"), "\(result)")
        }
    }
}

extension String {
    /// How often `part` is in it.
    fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}
