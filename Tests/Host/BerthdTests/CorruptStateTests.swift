import Glibc
import TestSupport
import Testing
import WireJSON

/// A way to spoil a store, and what of it the refusal names.
struct Spoiling: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Whether the daemon was killed, so that the log holds changes, or stopped.
    var killed = false
    /// The file that the refusal must name.
    var names = "ledger.db"
    let spoil: @Sendable (String) throws -> Void

    static func edited(_ path: String, _ edit: (inout [UInt8]) throws -> Void) throws {
        var bytes = try #require(TemporaryDirectory.read(path))
        try edit(&bytes)
        try TemporaryDirectory.write(bytes, to: path)
    }

    static let all: [Spoiling] = [
        Spoiling(testDescription: "a byte of a claim flipped") { state in
            try edited("\(state)/ledger.db") { bytes in
                let name = Array("service:a".utf8)
                let place = bytes.indices.first { bytes[$0...].starts(with: name) }
                bytes[try #require(place) + 8] ^= 0x02
            }
        },
        Spoiling(testDescription: "a byte of the header flipped") { state in
            try edited("\(state)/ledger.db") { $0[20] ^= 1 }
        },
        Spoiling(testDescription: "cut to half") { state in
            try edited("\(state)/ledger.db") { $0.removeLast($0.count / 2) }
        },
        Spoiling(testDescription: "emptied") { state in try edited("\(state)/ledger.db") { $0 = [] } },
        Spoiling(testDescription: "text in its place") { state in
            try edited("\(state)/ledger.db") { $0 = Array("not a database\n".utf8) }
        },
        Spoiling(testDescription: "deleted") { state in TemporaryDirectory.remove("\(state)/ledger.db") },
        Spoiling(testDescription: "deleted after a crash", killed: true) { state in
            TemporaryDirectory.remove("\(state)/ledger.db")
        },
        Spoiling(testDescription: "the log deleted after a crash", killed: true) { state in
            TemporaryDirectory.remove("\(state)/ledger.db-wal")
        },
        Spoiling(testDescription: "a byte of the log flipped after a crash", killed: true, names: "ledger.db-wal") {
            state in
            // In the first of several transactions.
            try edited("\(state)/ledger.db-wal") { $0[$0.count / 3] ^= 4 }
        },
    ]
}

/// EPA specification, section 7, items 4, 5, 14 and 16: a corrupt state, and the way back.
@Suite struct CorruptStateTests {
    @Test(
        "items 4 and 5: with a spoilt store berthd starts, refuses changes naming the file, answers questions, leaves the files alone and ends with 65; restore puts the last good state back",
        arguments: Spoiling.all)
    func spoilt(_ spoiling: Spoiling) async throws {
        let site = try Site()
        // One clean life, so that there is a last good state; then one more.
        var daemon = try await site.serve()
        try daemon.numa("a", 0, 2)
        try daemon.pages("a", 7)
        #expect(try await daemon.stop() == 0)
        daemon = try await site.serve()
        if spoiling.killed {
            // What is not looked at below: the last good state may be stored before, between or after these.
            try daemon.pages("a", 1, node: 1)
            try daemon.pages("a", 2, node: 1)
            try await daemon.kill()
        } else {
            #expect(try await daemon.stop() == 0)
        }
        try spoiling.spoil(site.state)
        let before = site.stateFiles

        daemon = try await site.serve()
        for reply in [try daemon.cores("c", 1), try daemon.numa("a", 0, -1), try daemon.pages("a", -1)] {
            #expect(reply.error?.contains("corrupt") == true)
            #expect(reply.error?.contains("\(site.state)/\(spoiling.names)") == true, "\(reply)")
        }
        // The last good state is shown meanwhile.
        #expect(try daemon.allocations() == ["a": "2,18"])
        #expect(try daemon.reservations() == ["a": 7])
        #expect(try await daemon.program.prints("CRITICAL: the stored state is corrupt"))
        #expect(try await daemon.stop() == 65)
        #expect(site.stateFiles == before)
        let check = try await site.run("check")
        #expect(check.status == 65 && check.text.contains("\(site.state)/\(spoiling.names)"))
        let export = try await site.run("export-state")
        #expect(export.status == 65)
        #expect(site.stateFiles == before)

        let restore = try await site.run("restore")
        #expect(restore.status == 0, "\(restore.text)")
        #expect(restore.text.contains("restored 1 claim from"))
        for (name, bytes) in before where name == "ledger.db" || name == "ledger.db-wal" {
            #expect(site.stateFiles["\(name).damaged-1"] == bytes, "\(name) is quarantined as it was")
        }
        #expect(try await site.run("check").status == 0)
        daemon = try await site.serve()
        #expect(try daemon.allocations() == ["a": "2,18"])
        #expect(try daemon.reservations() == ["a": 7])
        #expect(try daemon.cores("c", 1).error == nil)
        #expect(try await daemon.stop() == 0)
    }

    @Test("items 4 and 16: without a sound last good state nothing is restored until it is said from what")
    func restoreFromElsewhere() async throws {
        let site = try Site()
        let daemon = try await site.serve()
        try daemon.cores("a", 2)
        #expect(try await daemon.stop() == 0)
        try Spoiling.edited("\(site.state)/ledger.db") {
            $0[200] ^= 1; $0.removeLast(10)
        }
        try Spoiling.edited("\(site.state)/ledger.last-good") { $0[$0.count / 2] ^= 1 }
        let before = site.stateFiles
        let refused = try await site.run("restore")
        #expect(refused.status == 65 && refused.text.contains("ledger.last-good"))
        #expect(site.stateFiles == before)

        let corrupt = try await site.serve()
        #expect(try corrupt.allocations() == [:])
        #expect(try corrupt.cores("b", 1).error?.contains("corrupt") == true)
        #expect(try await corrupt.stop() == 65)

        let file = "\(site.path)/state.json"
        try TemporaryDirectory.write(Array(#"{"allocations_db":{"allocations":{"x":"4,20"}}"#.utf8), to: file)
        #expect(try await site.run("restore", "--from-state", file).status == 65)
        #expect(site.stateFiles == before)
        try TemporaryDirectory.write(Array(#"{"allocations_db":{"allocations":{"x":"4,20"}}}"#.utf8), to: file)
        let restored = try await site.run("restore", "--from-state", file)
        #expect(restored.status == 0 && restored.text.contains("restored 1 claim from \(file)"))
        let again = try await site.serve()
        #expect(try again.allocations() == ["x": "4,20"])
        #expect(try await again.stop() == 0)

        #expect(try await site.run("restore", "--empty", "--from-state", file).status == 64)
        #expect(try await site.run("restore", "--empty", "--force").status == 0)
        let empty = try await site.serve()
        #expect(try empty.allocations() == [:])
        #expect(try empty.cores("b", 1)["allocated_cores"]?.string == "2")
        #expect(try await empty.stop() == 0)
    }

    @Test("item 16: a clean stop stores the last good state; every file of the state is the owner's alone")
    func lastGood() async throws {
        let site = try Site()
        let daemon = try await site.serve()
        try daemon.cores("a", 3)
        #expect(try await daemon.stop() == 0)
        TemporaryDirectory.remove(site.database)
        let restored = try await site.run("restore")
        #expect(restored.status == 0 && restored.text.contains("restored 1 claim from the state of 2"))
        let next = try await site.serve()
        #expect(try next.allocations() == ["a": "2-4"])
        #expect(try await next.stop() == 0)
        var status = stat()
        #expect(stat(site.state, &status) == 0 && status.st_mode & 0o777 == 0o700)
        for name in TemporaryDirectory.names(in: site.state) {
            #expect(stat("\(site.state)/\(name)", &status) == 0 && status.st_mode & 0o777 == 0o600, "\(name)")
        }
    }

    @Test(
        "restore does not replace a sound state that has claims, in no form, unless forced; its files are not called damaged",
        arguments: [[], ["--empty"], ["--from-state"]])
    func restoreOverSound(form: [String]) async throws {
        let site = try Site()
        let daemon = try await site.serve()
        try daemon.cores("a", 2)
        try daemon.cores("b", 2)
        #expect(try await daemon.stop() == 0)
        let file = "\(site.path)/state.json"
        try TemporaryDirectory.write(Array(#"{"allocations_db":{"allocations":{"x":"4,20"}}}"#.utf8), to: file)
        let options = form + (form == ["--from-state"] ? [file] : [])
        let before = site.stateFiles
        let refused = try await Program.run([site.binary, "restore"] + site.paths + options)
        #expect(refused.status == 64 && refused.text.contains("sound and holds 2 claims"), "\(refused)")
        #expect(refused.text.contains("--force"))
        #expect(site.stateFiles == before)
        let forced = try await Program.run([site.binary, "restore"] + site.paths + options + ["--force"])
        #expect(forced.status == 0 && !forced.text.contains("damaged"), "\(forced)")
        #expect(forced.text.contains("quarantined: \(site.database).replaced-1"))
        #expect(site.stateFiles["ledger.db.replaced-1"] == before["ledger.db"])
        let next = try await site.serve()
        let expected = [[]: ["a": "2-3", "b": "4-5"], ["--empty"]: [:], ["--from-state"]: ["x": "4,20"]]
        #expect(try next.allocations() == expected[form])
        #expect(try await next.stop() == 0)
    }

    @Test("a state of a newer version is named as such, and restore does not overwrite it unless forced")
    func newer() async throws {
        let site = try Site()
        var daemon = try await site.serve()
        try daemon.cores("a", 2)
        #expect(try await daemon.stop() == 0)
        // The schema number in the header of the database (user_version).
        try Spoiling.edited(site.database) { $0[63] = 99 }
        let before = site.stateFiles
        let manager = "\(site.path)/notify"
        let receiver = try DatagramReceiver(manager)
        daemon = try await site.serve(environment: ["NOTIFY_SOCKET": manager])
        #expect(try receiver.next() == "READY=1\nSTATUS=Refusing changes: state of a newer version")
        #expect(try daemon.cores("b", 1).error?.hasPrefix("A newer version of Berth wrote the stored state") == true)
        #expect(try daemon.allocations() == ["a": "2-3"], "the last good state is shown")
        #expect(try await daemon.stop() == 65)
        #expect(daemon.program.text.contains("CRITICAL: a newer version of Berth wrote the stored state"))
        #expect(!daemon.program.text.contains("berthd restore"))
        for form in [[], ["--empty"]] {
            let refused = try await Program.run([site.binary, "restore"] + site.paths + form)
            #expect(refused.status == 64, "\(refused)")
            #expect(refused.text.contains("newer version") && refused.text.contains("--force"), "\(refused)")
        }
        let preview = try await site.run("restore", "--empty", "--dry-run")
        #expect(preview.status == 0 && preview.text.contains("--force would be needed"), "\(preview)")
        #expect(site.stateFiles == before)
        let forced = try await site.run("restore", "--force")
        #expect(forced.status == 0 && forced.text.contains("\(site.database).replaced-1"), "\(forced)")
        #expect(site.stateFiles["ledger.db.replaced-1"] == before["ledger.db"])
        #expect(!forced.text.contains("damaged"))
    }

    @Test("restore replaces a sound state without claims without being forced: nothing is lost by it")
    func restoreOverEmpty() async throws {
        let site = try Site()
        #expect(try await (try await site.serve()).stop() == 0)
        let restored = try await site.run("restore", "--empty")
        #expect(restored.status == 0 && !restored.text.contains("damaged"), "\(restored)")
    }

    @Test(
        "commands on a state directory that is not there say so with status 66 and make neither directory nor lock",
        arguments: ["check", "restore", "export-state"])
    func noDirectory(command: String) async throws {
        let site = try Site()
        let result = try await site.run(command)
        #expect(result.status == 66 && result.text.contains("there is no directory \(site.state)"), "\(result)")
        #expect(!exists(site.state))
    }

    @Test("check and export-state leave a directory in which nothing was ever stored as it is")
    func emptyDirectory() async throws {
        let site = try Site()
        mkdir(site.state, 0o755)
        chmod(site.state, 0o755)
        #expect(try await site.run("check").status == 0)
        let export = try await site.run("export-state", "--output", "\(site.path)/out.json")
        #expect(export.status == 66 && export.text.contains("nothing was ever stored"))
        #expect(!exists("\(site.path)/out.json") && !exists("\(site.path)/out.json.new"))
        #expect(TemporaryDirectory.names(in: site.state).isEmpty)
        var status = stat()
        #expect(stat(site.state, &status) == 0 && status.st_mode & 0o777 == 0o755)
    }

    @Test("check says what a sound state holds, and that nothing was ever stored")
    func check() async throws {
        let site = try Site()
        mkdir(site.state, 0o700)
        let fresh = try await site.run("check")
        #expect(fresh.status == 0 && fresh.text.contains("nothing was ever stored"))
        let daemon = try await site.serve()
        try daemon.cores("a", 3)
        try daemon.pages("b", 3)
        try await daemon.kill()
        let before = site.stateFiles
        let sound = try await site.run("check")
        #expect(sound.status == 0 && sound.text.contains("sound, 2 claims"))
        #expect(site.stateFiles == before)
    }
}
