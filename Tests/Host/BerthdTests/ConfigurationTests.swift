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
            ("simulate = true\nmachine = \"/m.json\"", "exclude each other"),
            (#"sysfs-root = "/proc""#, "/proc describes no CPU"),
        ])
    func wrongFile(toml: String, names: String) async throws {
        let site = try Site()
        let file = "\(site.path)/berthd.toml"
        try TemporaryDirectory.write(Array(toml.utf8), to: file)
        let result = try await Program.run(
            [site.binary, "--config", file, "--socket", site.socket, "--state-dir", site.state])
        #expect(result.status == 78)
        #expect(result.text.contains(names), "\(result.text)")
        #expect(result.text.hasPrefix("berthd: \(file): ") && result.text.count { $0 == "\n" } == 1, "\(result.text)")
        #expect(!exists(site.state) && !exists(site.socket))
    }

    @Test(
        "check --configuration refuses what serve refuses, with the same status and words",
        arguments: [
            (["socket = \"/tmp/\(String(repeating: "s", count: 99))\""], "at most 103 bytes"),
            (["socket = \"DIR/x.sock\"", "http-socket = \"DIR/x.sock\""], "the same path"),
            (["sysfs-root = \"/proc\""], "/proc describes no CPU"), (["machine = \"/nonexistent\""], "/nonexistent"),
            (["audit-log = \"DIR\""], "Is a directory"), (["audit-log = \"DIR/no/audit\""], "No such file"),
            (
                [
                    "http-tls-listen = \"127.0.0.1:0\"", "http-tls-certificate = \"DIR/berthd.toml\"",
                    "http-tls-key = \"/none\"", "http-tls-client-ca = \"/none\"",
                ], "http-tls-certificate: "
            ),
        ])
    func checked(lines: [String], names: String) async throws {
        let site = try Site()
        let file = "\(site.path)/berthd.toml"
        var text = lines.joined(separator: "\n").replacing("DIR", with: site.path)
        if !text.contains("socket =") { text += "\nsocket = \"\(site.socket)\"" }
        if !["machine", "sysfs-root"].contains(where: text.contains) { text += "\nsimulate = true" }
        try TemporaryDirectory.write(Array(text.utf8), to: file)
        let arguments = ["--config", file, "--state-dir", site.state]
        let checked = try await Program.run([site.binary, "check", "--configuration"] + arguments)
        let served = try await Program.run([site.binary, "serve"] + arguments)
        #expect(checked.status == 78 && checked.text.contains(names), "\(checked)")
        #expect(served.status == 78 && served.text == checked.text, "\(served)")
        #expect(!exists(site.state) && !exists(site.socket))
    }

    @Test(
        "a capture that is none is reported in one plain sentence that names it",
        arguments: ["[]", "{}", #"{"files":{"a":1}}"#, "{"])
    func badCapture(text: String) async throws {
        let site = try Site()
        let capture = "\(site.path)/machine.json"
        try TemporaryDirectory.write(Array(text.utf8), to: capture)
        let result = try await Program.run([site.binary] + site.paths + ["--machine", capture])
        #expect(result.status == 78 && result.text.hasPrefix("berthd: Not a machine capture"), "\(result)")
        #expect(result.text.contains(capture) && result.text.count { $0 == "\n" } == 1, "\(result)")
        for word in ["Decoding", "Swift", "Context", "CodingKey", "Dictionary", "Error"] {
            #expect(!result.text.contains(word), "\(result.text)")
        }
    }

    @Test(
        "a machine of one kind in the file and of another on the command line are refused, naming the file")
    func machineInFileAndFlag() async throws {
        let site = try Site()
        let file = "\(site.path)/berthd.toml"
        try TemporaryDirectory.write(Array("machine = \"/m.json\"\n".utf8), to: file)
        let result = try await Program.run(
            [site.binary, "--config", file, "--socket", site.socket, "--state-dir", site.state, "--simulate"])
        #expect(result.status == 78 && result.text.hasPrefix("berthd: \(file): "), "\(result)")
        #expect(result.text.contains("exclude each other"))
    }

    @Test("the start is logged with version, configuration file, policies and groups")
    func serving() async throws {
        let site = try Site()
        let file = "\(site.path)/berthd.toml"
        try TemporaryDirectory.write(
            Array("policy = [\"keep-pins\", \"prefer-free\"]\naccess-group = \(getegid())\n".utf8), to: file)
        let daemon = try await site.serve([
            "--config", file, "--socket", site.socket, "--state-dir", site.state, "--simulate",
        ])
        #expect(try await daemon.program.prints("NOTICE: serving"))
        let line = try #require(daemon.program.lines.first { $0.contains(" NOTICE: serving") })
        for field in [
            "version=0.", "config=\(file)", "policy=keep-pins,prefer-free", "access-group=\(getegid())",
            "admin-group=none",
        ] { #expect(line.contains(field), "\(line)") }
        #expect(try await daemon.stop() == 0)
    }

    @Test(
        "two groups for one socket are warned of at the start, unless everybody may connect or it is one group",
        .needsRoot)
    func twoGroups() async throws {
        let site = try Site()
        for (options, others) in [
            (["--access-group", "60001", "--admin-group", "60002"], "others=\"admin-group=60002\""),
            (
                ["--access-group", "60001", "--admin-group", "60002", "--socket-group", "60002"],
                "others=\"access-group=60001\""
            ),
            (["--access-group", "60001", "--admin-group", "60001"], nil), (["--admin-group", "60002"], nil),
            (["--access-group", "60001", "--admin-group", "60002", "--socket-group", "60003"], nil),
            (["--access-group", "60001", "--admin-group", "60002", "--socket-mode", "0666"], nil),
        ] {
            let daemon = try await site.serve(["--simulate"] + options)
            #expect(try await daemon.stop() == 0)
            let line = daemon.program.lines.first { $0.contains(" WARNING: the socket has one group only") }
            #expect((line != nil) == (others != nil), "\(options)")
            if let others { #expect(line?.contains(others) == true, "\(line ?? "")") }
        }
    }

    @Test(
        "wrong flags are errors that name the flag",
        arguments: [
            (["--read-timeout", "soon"], Int32(78), "read-timeout"), (["--socket-mode", "rw"], 78, "socket-mode"),
            (["--policy", "nonsense"], 78, "nonsense"), (["--access-group", "no-such-group"], 78, "no-such-group"),
            (["--config", "/nonexistent/berthd.toml"], 78, "/nonexistent/berthd.toml"),
            (["--sokket", "x"], 64, "--sokket"),
            (["frobnicate"], 64, "frobnicate"),
            (["--simulate", "--machine", "m.json"], 64, "exclude each other"),
            (["--simulate", "--sysfs-root", "/proc"], 64, "exclude each other"),
            (["--sysfs-root", "/proc"], 78, "/proc describes no CPU"),
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
        try TemporaryDirectory.write(
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

    @Test("under snapd all paths are those of SNAP_DATA, and directories are made where they are missing")
    func snapPaths() async throws {
        let site = try Site()
        let daemon = try await Daemon.answering(
            try site.spawn(
                ["--config", "/dev/null", "--machine", try await site.capture()],
                environment: ["SNAP_DATA": site.path]),
            socket: "\(site.path)/data/epa.sock")
        try daemon.cores("a", 1)
        #expect(exists("\(site.path)/berth/ledger.db"))
        var status = stat()
        #expect(stat("\(site.path)/berth", &status) == 0 && status.st_mode & 0o777 == 0o700)
        #expect(try await daemon.stop() == 0)
    }

    @Test("without SNAP_DATA the paths are /run/berth and /var/lib/berth", .needsRoot)
    func defaultPaths() async throws {
        let site = try Site()
        // Both directories as this process alone sees them.
        let program = try site.spawn(
            ["--config", "/dev/null", "--machine", try await site.capture()],
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
        for (path, reason) in [
            ("\(site.path)/no/such/directory/s", "no/such/directory"), (site.path, site.path),
        ] {
            let result = try await Program.run(
                [site.binary, "--config", "/dev/null", "--socket", path, "--state-dir", site.state, "--simulate"])
            #expect(result.status == 73 && result.text.contains(reason), "\(result)")
        }
        // Nothing was lost by it, and nothing hangs on to the state.
        #expect(try await (try await site.serve()).stop() == 0)
    }

    @Test("a socket's path that is too long ends it with 78 before anything is touched")
    func longSocket() async throws {
        let site = try Site()
        let long = "\(site.path)/" + String(repeating: "s", count: 103 - site.path.utf8.count)
        let result = try await Program.run(
            [site.binary, "--config", "/dev/null", "--socket", long, "--state-dir", site.state, "--simulate"])
        #expect(result.status == 78 && result.text.contains("at most 103 bytes, this has 104"), "\(result)")
        #expect(!exists(site.state))
        let daemon = try await site.serve(
            ["--simulate", "--socket", String(long.dropLast())], socket: String(long.dropLast()))
        #expect(try await daemon.stop() == 0)
    }

    @Test("a file in the socket's place ends it with 73, is named, and stays as it is")
    func occupiedSocket() async throws {
        let site = try Site()
        try TemporaryDirectory.write(Array("precious".utf8), to: site.socket)
        let result = try await Program.run([site.binary] + site.paths + ["--simulate"])
        #expect(result.status == 73 && result.text.contains("\(site.socket): exists and is not a socket"), "\(result)")
        #expect(TemporaryDirectory.read(site.socket) == Array("precious".utf8))
    }

    @Test("a state directory that cannot be used ends it with 74, and is named")
    func noState() async throws {
        let site = try Site()
        try TemporaryDirectory.write([], to: "\(site.path)/file")
        for directory in ["\(site.path)/file", "\(site.path)/no/such/directory", "/proc/berth"] {
            let result = try await Program.run(
                [site.binary, "--config", "/dev/null", "--socket", site.socket, "--state-dir", directory, "--simulate"])
            #expect(result.status == 74 && result.text.contains(directory), "\(result)")
            #expect(!exists(site.socket))
        }
    }

    @Test("a machine without isolated CPUs is served: empty lists, no cores, no error of its own")
    func noOpMode() async throws {
        let site = try Site()
        for directory in ["sys", "sys/devices", "sys/devices/system", "sys/devices/system/cpu"] {
            mkdir("\(site.path)/\(directory)", 0o755)
        }
        try TemporaryDirectory.write(Array("0\n".utf8), to: "\(site.path)/sys/devices/system/cpu/online")
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
        #expect(daemon.program.text.contains("no isolated CPUs: EPA clients are refused cores"))
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
