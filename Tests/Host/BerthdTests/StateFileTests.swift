import Glibc
import TestSupport
import Testing
import WireJSON

/// EPA specification, section 4: the EPA Orchestrator's `state.json`, read at the first start and written for going back.
@Suite struct StateFileTests {
    /// The example of the specification, with CPUs that the simulated machine has.
    private let example =
        #"{"allocations_db":{"allocations":{"a":"4,12","b":"2-3"},"explicit_allocations":{"a":"4,12"}},"hugepages_db":{"allocations":{"b":[{"count":3,"node_id":0,"size_kb":2048}]}},"updated_at":"2026-11-20T23:53:51.691746+00:00","version":1}"#

    /// Starts `berthd` as snapd does: all paths follow from SNAP_DATA.
    private func serve(_ site: Site, snap: String) async throws -> Daemon {
        try await Daemon.answering(
            try site.spawn(
                ["--config", "/dev/null", "--machine", try await site.capture()], environment: ["SNAP_DATA": snap]),
            socket: "\(snap)/data/epa.sock")
    }

    @Test("under snapd the state of the EPA Orchestrator is imported at the first start, and at no later one")
    func importOnce() async throws {
        let site = try Site()
        mkdir("\(site.path)/data", 0o755)
        let file = "\(site.path)/data/state.json"
        try TemporaryDirectory.write(Array(example.utf8), to: file)
        var daemon = try await serve(site, snap: site.path)
        #expect(try daemon.allocations() == ["a": "4,12", "b": "2-3"])
        #expect(try daemon.reservations() == ["b": 3])
        #expect(
            try daemon.list()["allocations"]?.array?.map { $0["is_explicit"] } == [.boolean(true), .boolean(false)])
        #expect(try daemon.cores("a", -1).error == nil)
        #expect(try await daemon.stop() == 0)
        #expect(TemporaryDirectory.read(file) == Array(example.utf8))
        // Changed or corrupt, it has no say any more.
        for text in [example, "{"] {
            try TemporaryDirectory.write(Array(text.utf8), to: file)
            daemon = try await serve(site, snap: site.path)
            #expect(try daemon.allocations() == ["b": "2-3"])
            #expect(try await daemon.stop() == 0)
        }
        #expect(exists("\(site.path)/berth/ledger.db"))
    }

    @Test("a state file that was asked for and is not there is reported, by restore with the status of a missing file")
    func absent() async throws {
        let site = try Site()
        let path = "\(site.path)/none.json"
        let daemon = try await site.serve(["--simulate", "--import-state", path])
        #expect(try await daemon.program.prints("there is no state to import, the ledger begins empty file=\(path)"))
        #expect(try await daemon.stop() == 0)
        let restored = try await site.run("restore", "--from-state", path)
        #expect(restored.status == 66 && restored.text.contains("\(path): No such file or directory"))
    }

    /// A state with one claim and everything that is left out.
    private let incomplete =
        #"{"allocations_db":{"allocations":{"a":"4,12","ghost":""},"explicit_allocations":{"b":"5"}},"hugepages_db":{"allocations":{"c":[{"count":-2,"node_id":0,"size_kb":2048}]}}}"#
    private let leftOut = [
        "\"ghost\": a record without CPUs, left out", "\"b\": CPUs 5 protected but not allocated, left out",
        "\"c\": a huge page entry that is not valid, left out",
    ]

    @Test("what an import leaves out is reported by restore --from-state and by check --import-state as at the start")
    func warnings() async throws {
        let site = try Site()
        let file = "\(site.path)/state.json"
        try TemporaryDirectory.write(Array(incomplete.utf8), to: file)
        let check = try await site.run("check", "--import-state", file)
        #expect(check.status == 0 && check.text.contains("\(file): can be imported, 1 claim\n"), "\(check)")
        #expect(!exists(site.state))
        mkdir(site.state, 0o700)
        // The shell keeps standard error only.
        let errors = try await Program.run(
            ["sh", "-c", "\"$@\" >&-", "sh", site.binary, "restore"] + site.paths + ["--from-state", file])
        let daemon = try await site.serve()
        #expect(try daemon.allocations() == ["a": "4,12"])
        #expect(try await daemon.stop() == 0)
        for warning in leftOut {
            for text in [check.text, errors.text] { #expect(text.contains("berthd: \(file): \(warning)"), "\(text)") }
        }
        let other = try Site()
        let importing = try await other.serve(["--simulate", "--import-state", file])
        for warning in leftOut {
            let logged = warning.replacing("\"", with: "\"")
            #expect(importing.program.text.contains("WARNING: \(logged) file=\(file)"), "\(importing.program.text)")
        }
        #expect(try await importing.stop() == 0)
    }

    @Test("check --import-state says that there is no such file with status 66, and needs no stopped berthd")
    func checkImport() async throws {
        let site = try Site()
        let daemon = try await site.serve()
        let file = "\(site.path)/state.json"
        let absent = try await site.run("check", "--import-state", file)
        #expect(absent.status == 66 && absent.text.contains("\(file): No such file"), "\(absent)")
        try TemporaryDirectory.write(Array(example.utf8), to: file)
        let found = try await site.run("check", "--import-state", file)
        #expect(found.status == 0 && found.text.contains("can be imported, 2 claims"), "\(found)")
        #expect(try await daemon.stop() == 0)
    }

    @Test("export-state says on standard error what the format cannot hold, counts what it wrote, and can be imported")
    func leftOut() async throws {
        let site = try Site()
        let daemon = try await site.serve()
        try daemon.cores("a", 2)
        let body = #"{"cpus":{"count":1,"pool":"ordinary"}}"#
        let reply = try SocketClient("\(site.path)/berth.sock").ask(
            "PUT /v1/claims/run/o HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        #expect(reply.contains("201 Created"), "\(reply)")
        #expect(try await daemon.stop() == 0)
        let file = "\(site.path)/state.json"
        let export = try await site.run("export-state", "--output", file)
        #expect(export.status == 0 && export.text.contains("berthd: \"run:o\": CPUs 1 are left out: "), "\(export)")
        #expect(export.text.hasSuffix("berthd: wrote 1 claim to \(file)\n"), "\(export)")
        let check = try await site.run("check", "--import-state", file)
        #expect(check.status == 0 && check.text.contains("can be imported, 1 claim\n"), "\(check)")
    }

    @Test("export-state leaves the file that it replaces as .previous, and says so and how many claims it wrote")
    func previous() async throws {
        let site = try Site()
        let daemon = try await site.serve()
        try daemon.cores("a", 2)
        #expect(try await daemon.stop() == 0)
        let file = "\(site.path)/state.json"
        let first = try await site.run("export-state", "--output", file)
        #expect(first.status == 0 && first.text == "berthd: wrote 1 claim to \(file)\n")
        #expect(!exists("\(file).previous"))
        for former in ["former", "later"] {
            try TemporaryDirectory.write(Array(former.utf8), to: file)
            let next = try await site.run("export-state", "--output", file)
            #expect(next.status == 0 && next.text.contains("wrote 1 claim to \(file)"))
            #expect(next.text.contains("what was there is now \(file).previous"), "\(next)")
            #expect(TemporaryDirectory.read("\(file).previous") == Array(former.utf8))
            #expect(TemporaryDirectory.read(file)?.starts(with: Array(#"{"allocations_db""#.utf8)) == true)
        }
        mkdir("\(site.path)/directory", 0o700)
        let directory = try await site.run("export-state", "--output", "\(site.path)/directory")
        #expect(directory.status == 74 && directory.text.contains("no regular file"), "\(directory)")
    }

    @Test("an import that is killed before anything else happens is done by then, or done at the next start")
    func killedImport() async throws {
        let site = try Site()
        mkdir("\(site.path)/data", 0o755)
        try TemporaryDirectory.write(Array(example.utf8), to: "\(site.path)/data/state.json")
        let capture = try await site.capture()
        for milliseconds in stride(from: 5, to: 60, by: 9) {
            let program = try site.spawn(
                ["--config", "/dev/null", "--machine", capture], environment: ["SNAP_DATA": site.path])
            try await Task.sleep(for: .milliseconds(milliseconds))
            program.signal(SIGKILL)
            _ = try await program.end()
        }
        let daemon = try await serve(site, snap: site.path)
        #expect(try daemon.allocations() == ["a": "4,12", "b": "2-3"])
        #expect(try await daemon.stop() == 0)
    }

    @Test(
        "items 4, 5 and 26: a corrupt state of the EPA Orchestrator is never overwritten: changes are refused naming it until it is repaired",
        arguments: [
            "", "{", "[]", #"{"allocations_db":{"allocations":{"a":"5-2"}}}"#,
            #"{"allocations_db":{"allocations":{"a":"1-2","b":"2"}}}"#,
            "{\"allocations_db\":{\"allocations\":{\"\u{fffd}\":\"1\"}}}",
        ])
    func corruptImport(text: String) async throws {
        // A name that is no UTF-8 must not turn into another one.
        let bytes = text.utf8.split(separator: 0xEF).joined(separator: [0xFF]).map { $0 }
        let site = try Site()
        mkdir("\(site.path)/data", 0o755)
        let file = "\(site.path)/data/state.json"
        try TemporaryDirectory.write(bytes, to: file)
        var daemon = try await serve(site, snap: site.path)
        for reply in [try daemon.cores("c", 1), try daemon.pages("c", 1)] {
            #expect(reply.error?.contains("corrupt") == true && reply.error?.contains(file) == true, "\(reply)")
            for remedy in ["repairs the file or moves it away", "restore --from-state FILE", "restore --empty"] {
                #expect(reply.error?.contains(remedy) == true, "\(reply)")
            }
        }
        #expect(try await daemon.program.prints("CRITICAL: the state to import is corrupt"))
        let check = try await Program.run(
            [site.binary, "check", "--config", "/dev/null"], environment: ["SNAP_DATA": site.path])
        #expect(check.status == 65 && check.text.contains("repair the file"), "\(check)")
        for text in [
            daemon.program.text, try await site.run("check", "--import-state", file).text,
        ] {
            for remedy in ["repair the file, or move it away", "restore --from-state FILE", "restore --empty", file] {
                #expect(text.contains(remedy), "\(text)")
            }
        }
        #expect(try daemon.allocations() == [:])
        #expect(try daemon.memory()["numa_hugepages"]?.members?.count == 2)
        #expect(try await daemon.stop() == 65)
        #expect(TemporaryDirectory.read(file) == bytes)
        let stopped = try await Program.run(
            [site.binary, "check", "--config", "/dev/null"], environment: ["SNAP_DATA": site.path])
        #expect(stopped.status == 65 && stopped.text.contains("repair the file"), "\(stopped)")
        try TemporaryDirectory.write(Array(example.utf8), to: file)
        daemon = try await serve(site, snap: site.path)
        #expect(try daemon.allocations() == ["a": "4,12", "b": "2-3"])
        #expect(try daemon.cores("c", 1).error == nil)
        #expect(try await daemon.stop() == 0)
    }

    @Test(
        "what the peer snap may put in the state file's place cannot stop the start", arguments: ["pipe", "directory"])
    func strangeFile(kind: String) async throws {
        let site = try Site()
        mkdir("\(site.path)/data", 0o755)
        let file = "\(site.path)/data/state.json"
        #expect((kind == "pipe" ? mkfifo(file, 0o600) : mkdir(file, 0o700)) == 0)
        let daemon = try await serve(site, snap: site.path)
        #expect(try daemon.cores("c", 1).error?.contains(file) == true)
        #expect(try daemon.allocations() == [:])
        #expect(try await daemon.stop() == 65)
    }

    @Test("the exported state has the EPA Orchestrator's form to the byte, and importing it gives the same list")
    func roundTrip() async throws {
        let site = try Site()
        let first = try await site.serve()
        try first.numa("é\"\n", 0, 2)
        try first.cores("b", 2)
        try first.pages("b", 3)
        try first.pages("b", 1, node: 1, size: 1_048_576)
        try first.pages("only pages", 2)
        let lists = [try first.list(), try first.memory()]
        #expect(try await first.stop() == 0)

        let file = "\(site.path)/exported.json"
        #expect(try await site.run("export-state", "--output", file).status == 0)
        let text = String(decoding: try #require(TemporaryDirectory.read(file)), as: UTF8.self)
        let pages =
            #"{"b":[{"count":3,"node_id":0,"size_kb":2048},{"count":1,"node_id":1,"size_kb":1048576}],"only pages":[{"count":2,"node_id":0,"size_kb":2048}]}"#
        let head =
            #"{"allocations_db":{"allocations":{"b":"3-4","é\"\n":"2,18"},"explicit_allocations":{"é\"\n":"2,18"}},"hugepages_db":{"allocations":"#
            + pages + #"},"updated_at":""#
        #expect(text.hasPrefix(head))
        let time = text.dropFirst(head.count).prefix { $0 != "\"" }
        let form = time.map { $0.isNumber ? "0" : $0 }
        #expect(String(form) == "0000-00-00T00:00:00.000000+00:00")
        #expect(text.dropFirst(head.count + time.count) == #"","version":1}"#)
        var status = stat()
        #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600)
        let printed = try await site.run("export-state")
        #expect(printed.status == 0 && printed.text.hasPrefix(head))

        let other = try Site()
        let second = try await other.serve(["--simulate", "--import-state", file])
        #expect([try second.list(), try second.memory()] == lists)
        #expect(try await second.stop() == 0)
    }
}
