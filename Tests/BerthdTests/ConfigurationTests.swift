import Glibc
import TestSupport
import Testing
import WireJSON

/// Options and the configuration file.
@Suite struct ConfigurationTests {
    @Test(
        "wrong settings end it with 78 before anything is touched, and are named",
        arguments: [
            (#"sokket = "/x""#, "unknown key \"sokket\""), (#"socket-mode = "0999""#, "socket-mode"),
            ("socket-mode = 432", "socket-mode"), ("read-timeout = 0", "read-timeout"),
            (#"log-level = "loud""#, "log-level"), ("policy = [\"keep-pins\", \"nonsense\"]", "nonsense"),
            (#"admin-group = "no-such-group""#, "no-such-group"), (#"socket-owner = "no-such-user""#, "no-such-user"),
            (#"machine = "/nonexistent""#, "/nonexistent"), ("[section]\nkey = 1", "unknown key \"section\""),
            ("simulate = \"maybe\"", "simulate"), ("not toml", "TOML"),
        ])
    func wrongFile(toml: String, names: String) async throws {
        let site = try Site()
        let file = "\(site.path)/berthd.toml"
        try TemporaryFolder.write(Array(toml.utf8), to: file)
        let result = try await Program.run(
            [site.binary, "--config", file, "--socket", site.socket, "--state-dir", site.state])
        #expect(result.status == 78)
        #expect(result.text.contains(names), "\(result.text)")
        #expect(!exists(site.state) && !exists(site.socket))
    }

    @Test(
        "wrong flags are errors that name the flag",
        arguments: [
            (["--read-timeout", "soon"], Int32(78), "read-timeout"), (["--socket-mode", "rw"], 78, "socket-mode"),
            (["--policy", "nonsense"], 78, "nonsense"), (["--access-group", "no-such-group"], 78, "no-such-group"),
            (["--config", "/nonexistent/berthd.toml"], 78, "/nonexistent/berthd.toml"),
            (["--sokket", "x"], 64, "--sokket"),
            (["frobnicate"], 64, "frobnicate"),
        ])
    func wrongFlags(flags: [String], status: Int32, names: String) async throws {
        let site = try Site()
        let result = try await Program.run(
            [site.binary] + flags + ["--socket", site.socket, "--state-dir", site.state])
        #expect(result.status == status)
        #expect(result.text.contains(names), "\(result.text)")
        #expect(!exists(site.state) && !exists(site.socket))
    }

    @Test("a flag goes before the file")
    func flagOverFile() async throws {
        let site = try Site()
        let file = "\(site.path)/berthd.toml"
        try TemporaryFolder.write(
            Array(
                "socket = \"\(site.path)/file.sock\"\nstate-dir = \"\(site.state)\"\nsimulate = true\nname-limit = 3\n"
                    .utf8),
            to: file)
        let program = try site.spawn(["--config", file, "--socket", site.socket])
        let daemon = try await Daemon.answering(program, socket: site.socket)
        #expect(!exists("\(site.path)/file.sock"))
        #expect(exists(site.database))
        #expect(try daemon.cores("four", 1).error?.contains("at most 3") == true)
        #expect(try daemon.list()["total_available_cpus"] == .number("24"))
        #expect(try await daemon.stop() == 0)
    }

    @Test("under snapd all places are those of SNAP_DATA, and folders are made where they are missing")
    func snapPlaces() async throws {
        let site = try Site()
        let daemon = try await Daemon.answering(
            try site.spawn(["--config", "/dev/null", "--simulate"], environment: ["SNAP_DATA": site.path]),
            socket: "\(site.path)/data/epa.sock")
        try daemon.cores("a", 1)
        #expect(exists("\(site.path)/berth/ledger.db"))
        var status = stat()
        #expect(stat("\(site.path)/berth", &status) == 0 && status.st_mode & 0o777 == 0o700)
        #expect(try await daemon.stop() == 0)
    }

    @Test("without SNAP_DATA the places are /run/berth and /var/lib/berth")
    func defaultPlaces() async throws {
        guard geteuid() == 0 else { return print("skipped: needs root, for a private mount namespace") }
        let site = try Site()
        // Both folders as this process alone sees them.
        let program = try site.spawn(
            ["--config", "/dev/null", "--simulate"],
            below: [
                "unshare", "-m", "--propagation", "private", "sh", "-c",
                "mount -t tmpfs none /run && mount -t tmpfs none /var/lib && exec \"$@\"", "sh",
            ])
        #expect(try await program.prints("NOTICE: serving"))
        let root = "/proc/\(program.pid)/root"
        #expect(exists("\(root)/run/berth/epa.sock") && exists("\(root)/var/lib/berth/ledger.db"))
        program.signal(SIGTERM)
        #expect(try await program.end() == 0)
    }

    @Test("the socket has the mode, owner and group that are set", arguments: ["0600", "0660", "0666"])
    func socketMode(mode: String) async throws {
        let site = try Site()
        let group = geteuid() == 0 ? 65_534 : getegid()
        let daemon = try await site.serve([
            "--simulate", "--socket-mode", mode, "--socket-group", "\(group)", "--socket-owner", "\(geteuid())",
        ])
        var status = stat()
        #expect(stat(site.socket, &status) == 0 && status.st_mode & 0o777 == UInt32(mode, radix: 8))
        #expect(status.st_gid == group && status.st_uid == geteuid())
        #expect(try await daemon.stop() == 0)
    }

    @Test("a socket that cannot be made ends it with 73, and the reason is said")
    func noSocket() async throws {
        let site = try Site()
        let long = "\(site.path)/" + String(repeating: "s", count: 100)
        for (path, reason) in [
            (long, "at most"), ("\(site.path)/no/such/folder/s", "no/such/folder"), (site.path, site.path),
        ] {
            let result = try await Program.run(
                [site.binary, "--config", "/dev/null", "--socket", path, "--state-dir", site.state, "--simulate"])
            #expect(result.status == 73 && result.text.contains(reason), "\(result)")
        }
        // Nothing was lost by it, and nothing hangs on to the state.
        #expect(try await (try await site.serve()).stop() == 0)
    }

    @Test("a file in the socket's place ends it with 73, is named, and stays as it is")
    func occupiedSocket() async throws {
        let site = try Site()
        try TemporaryFolder.write(Array("precious".utf8), to: site.socket)
        let result = try await Program.run([site.binary] + site.places + ["--simulate"])
        #expect(result.status == 73 && result.text.contains("\(site.socket): exists and is not a socket"), "\(result)")
        #expect(TemporaryFolder.read(site.socket) == Array("precious".utf8))
    }

    @Test("a state folder that cannot be used ends it with 74, and is named")
    func noState() async throws {
        let site = try Site()
        try TemporaryFolder.write([], to: "\(site.path)/file")
        for folder in ["\(site.path)/file", "\(site.path)/no/such/folder", "/proc/berth"] {
            let result = try await Program.run(
                [site.binary, "--config", "/dev/null", "--socket", site.socket, "--state-dir", folder, "--simulate"])
            #expect(result.status == 74 && result.text.contains(folder), "\(result)")
            #expect(!exists(site.socket))
        }
    }

    @Test("a machine without isolated CPUs is served in no-op mode: empty lists, no cores, no error of its own")
    func noOpMode() async throws {
        let site = try Site()
        mkdir("\(site.path)/sys", 0o755)
        let daemon = try await site.serve(["--sysfs-root", "\(site.path)/sys"])
        #expect(
            try SocketClient(site.socket).ask(#"{"action":"list_allocations"}"#)
                == #"{"version":"1.0","total_allocations":0,"total_allocated_cpus":0,"total_available_cpus":0,"remaining_available_cpus":0,"allocations":[]}"#
        )
        #expect(
            try SocketClient(site.socket).ask(#"{"action":"get_memory_info"}"#)
                == #"{"version":"1.0","service_name":"","numa_hugepages":{}}"#)
        #expect(try daemon.cores("a", 0).error == "No CPUs available")
        #expect(try daemon.cores("a", -1).error == "No CPUs available")
        #expect(try daemon.numa("a", 0, 1).error == "NUMA topology not available")
        #expect(try daemon.pages("a", 1).error == "NUMA node 0 not found")
        #expect(daemon.program.text.contains("no-op mode"))
        #expect(try await daemon.stop() == 0)
    }

    @Test("--version and --help answer without touching anything")
    func help() async throws {
        let site = try Site()
        let version = try await Program.run([site.binary, "--version"])
        #expect(version.status == 0 && version.text.hasPrefix("berthd 0."))
        let help = try await Program.run([site.binary, "--help"])
        #expect(help.status == 0)
        for word in ["check", "restore", "export-state", "65", "75", "78"] { #expect(help.text.contains(word)) }
        let flags = try await Program.run([site.binary, "serve", "--help"])
        #expect(flags.status == 0)
        for flag in ["--socket", "--state-dir", "--policy", "--audit-log", "--simulate", "--import-state"] {
            #expect(flags.text.contains(flag))
        }
    }
}
