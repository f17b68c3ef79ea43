import Glibc
import TestSupport
import Testing
import WireJSON

/// A machine that is not the real one: where its state is, and that no state is used for two machines.
@Suite struct SimulateTests {
    @Test("berthd --simulate uses a temporary state directory and socket, and leaves nothing behind")
    func temporary() async throws {
        let site = try Site()
        let snap = "\(site.path)/snap"
        mkdir(snap, 0o755)
        let program = try site.spawn(
            ["--config", "/dev/null", "--simulate"], environment: ["TMPDIR": site.path, "SNAP_DATA": snap])
        #expect(try await program.prints("NOTICE: serving"))
        let name = try #require(TemporaryDirectory.names(in: site.path).first { $0.hasPrefix("berth-simulated-") })
        let directory = "\(site.path)/\(name)"
        let daemon = try await Daemon.answering(program, socket: "\(directory)/epa.sock")
        #expect(try daemon.cores("a", 2).error == nil)
        #expect(exists("\(directory)/state/ledger.db"))
        #expect(program.text.contains("socket=\(directory)/epa.sock state=\(directory)/state"), "\(program.text)")
        #expect(program.text.contains("machine=simulated"))
        #expect(try await daemon.stop() == 0)
        #expect(!exists(directory))
        #expect(TemporaryDirectory.names(in: snap).isEmpty, "the real paths are untouched")
    }

    @Test("of socket and state directory only what is not configured is temporary, and a failed start leaves nothing")
    func partly() async throws {
        let site = try Site()
        let temporary = "\(site.path)/tmp"
        mkdir(temporary, 0o700)
        let arguments = ["--config", "/dev/null", "--simulate"]
        let program = try site.spawn(arguments + ["--socket", site.socket], environment: ["TMPDIR": temporary])
        let daemon = try await Daemon.answering(program, socket: site.socket)
        #expect(!TemporaryDirectory.names(in: temporary).isEmpty)
        #expect(try await daemon.stop() == 0)
        #expect(TemporaryDirectory.names(in: temporary).isEmpty && !exists(site.socket))
        let other = try site.spawn(arguments + ["--state-dir", site.state], environment: ["TMPDIR": temporary])
        #expect(try await other.prints("NOTICE: serving"))
        #expect(exists(site.database))
        other.signal(SIGTERM)
        #expect(try await other.end() == 0)
        let failing = try site.spawn(arguments + ["--audit-log", "/nonexistent/x"], environment: ["TMPDIR": temporary])
        #expect(try await failing.end() == 78)
        #expect(TemporaryDirectory.names(in: temporary).isEmpty)
    }

    @Test("berthd --simulate uses the state directory that it is given, and takes over one without a mark")
    func given() async throws {
        let site = try Site()
        var daemon = try await site.serve()
        try daemon.cores("a", 2)
        #expect(try await daemon.stop() == 0)
        #expect(TemporaryDirectory.read("\(site.state)/machine") == Array("simulated\n".utf8))
        // As version 0.1.0 left it.
        TemporaryDirectory.remove("\(site.state)/machine")
        daemon = try await site.serve()
        #expect(try daemon.allocations() == ["a": "2-3"])
        #expect(try await daemon.stop() == 0)
        #expect(TemporaryDirectory.read("\(site.state)/machine") == Array("simulated\n".utf8))
    }

    @Test("a state made for another machine is refused with 78, with what to do, and stays as it is")
    func otherMachine() async throws {
        let site = try Site()
        let capture = try await site.capture()
        for directory in ["sys", "sys/devices", "sys/devices/system", "sys/devices/system/cpu"] {
            mkdir("\(site.path)/\(directory)", 0o755)
        }
        try TemporaryDirectory.write(Array("0\n".utf8), to: "\(site.path)/sys/devices/system/cpu/online")
        let machines = [
            ["--simulate"]: "simulated", ["--machine", capture]: "captured:simulated",
            ["--sysfs-root", "\(site.path)/sys"]: "sysfs-root:\(site.path)/sys", []: "real",
        ]
        for (options, name) in machines {
            for file in TemporaryDirectory.names(in: site.state) { TemporaryDirectory.remove("\(site.state)/\(file)") }
            let daemon = try await site.serve(options)
            #expect(try daemon.ask("list_allocations").error == nil)
            #expect(try await daemon.stop() == 0)
            let before = site.stateFiles
            for (others, other) in machines where other != name {
                let result = try await Program.run([site.binary] + site.paths + others)
                #expect(result.status == 78, "\(result)")
                let text = "made for another machine (\(name)), and \(other) is configured. Give another directory"
                #expect(result.text.hasPrefix("berthd: \(site.state): ") && result.text.contains(text), "\(result)")
                #expect(site.stateFiles == before)
            }
        }
    }

    @Test("a state without a mark that nobody named is taken as that of the real machine")
    func unmarked() async throws {
        let site = try Site()
        let arguments = ["--config", "/dev/null", "--machine", try await site.capture()]
        let socket = "\(site.path)/data/epa.sock"
        func serve(_ options: [String]) async throws -> Program {
            try site.spawn(arguments + options, environment: ["SNAP_DATA": site.path])
        }
        #expect(try await (try await Daemon.answering(try await serve([]), socket: socket)).stop() == 0)
        TemporaryDirectory.remove("\(site.path)/berth/machine")
        let refused = try await serve([])
        #expect(try await refused.end() == 78)
        #expect(refused.text.contains("taken as that of the real machine"), "\(refused.text)")
        let named = try await serve(["--state-dir", "\(site.path)/berth"])
        #expect(try await (try await Daemon.answering(named, socket: socket)).stop() == 0)
        #expect(TemporaryDirectory.read("\(site.path)/berth/machine") == Array("captured:simulated\n".utf8))
    }

    @Test(
        "commands on the state of a simulated machine want to know its directory",
        arguments: [
            "check", "restore", "export-state", "events",
        ])
    func commands(command: String) async throws {
        let site = try Site()
        let result = try await Program.run([site.binary, command, "--config", "/dev/null", "--simulate"])
        #expect(result.status == 78 && result.text.contains("name the state directory with --state-dir"), "\(result)")
    }
}
