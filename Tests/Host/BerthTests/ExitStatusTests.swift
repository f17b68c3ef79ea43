import Glibc
import TestSupport
import Testing
import WireJSON

@Suite("Exit statuses and standard error of berth")
struct ExitStatusTests {
    private func expect(
        _ result: Program.Result, status: Int32, errors: String, output: String = "",
        _ location: SourceLocation = #_sourceLocation
    ) {
        #expect(result.status == status, "\(result)", sourceLocation: location)
        #expect(result.errors.hasPrefix("berth: "), "\(result)", sourceLocation: location)
        #expect(result.errors.contains(errors), "\(result)", sourceLocation: location)
        #expect(result.output == output, sourceLocation: location)
    }

    private func list(_ socket: String, _ arguments: String...) throws -> Program.Result {
        try Program.run(["list", "--socket", socket] + arguments)
    }

    @Test("1: the daemon refused; its words are on standard error, with --json its reply on standard output")
    func refused() throws {
        let reply = #"{"version":"1.0","error":"No CPUs available\nberth: forged"}"#
        let daemon = try FakeDaemon { _ in .text(reply) }
        expect(try list(daemon.path), status: 1, errors: "berth: No CPUs available\\nberth: forged\n")
        expect(try list(daemon.path, "--json"), status: 1, errors: "No CPUs available", output: reply + "\n")
    }

    @Test(
        "64: wrong arguments are named, with the usage",
        arguments: [
            (["allocate"], "<service>"), (["allocate", "a"], "expected one of a count, --percent and --default-share"),
            (["allocate", "a", "2", "--percent", "5"], "expected one of"),
            (["allocate", "a", "--percent", "0"], "1 to 100"),
            (["allocate", "a", "2", "--node", "-1"], "--node"), (["release", "run:a", "--node", "1"], "for services"),
            (["allocate", "a", "x"], "'x'"), (["allocate", "a", "0"], "COUNT"),
            (["percent", "a", "101"], "1 to 100"), (["numa", "a", "0"], "<count>"), (["nonsense"], "nonsense"),
            (["hugepages", "a", "1", "--node", "0", "--size", "2X"], "2X"),
            (["hugepages", "a", "1", "--node", "0", "--size", "99999999999999G"], "99999999999999G"),
            (["hugepages", "a", "--node", "0", "--size", "2M"], "COUNT"), (["list", "--timeout", "0"], "--timeout"),
            (["allocate", "", "1"], "<service>"), (["percent", "", "1"], "<service>"),
            (["numa", "", "0", "1"], "<service>"), (["allocate", "service:", "1"], "expected a name"),
            (["release", ""], "<claim>"), (["hugepages", "", "1", "--node", "0", "--size", "2M"], "<service>"),
            (["list", "--color", "maybe"], "maybe"), (["map", "--simulate", "--machine", "x"], "exclude"),
        ])
    func usage(arguments: [String], named: String) throws {
        let result = try Program.run(arguments)
        expect(result, status: 64, errors: named)
        #expect(result.errors.contains("Usage: berth"))
    }

    @Test("65: a reply that is cut off or missing; a file that is not a capture")
    func malformed() throws {
        for reply in [#"{"version":"1.0","tot"#, "", "what?", "{}"] {
            let daemon = try FakeDaemon { _ in .text(reply) }
            expect(try list(daemon.path), status: 65, errors: "malformed reply from \(daemon.path)")
        }
        let directory = try TemporaryDirectory()
        try TemporaryDirectory.write(Array("[]".utf8), to: "\(directory.path)/machine.json")
        let result = try Program.run(["map", "--no-daemon", "--machine", "\(directory.path)/machine.json"])
        expect(result, status: 65, errors: "Not a machine capture")
    }

    @Test("66: no file or no machine to read")
    func noInput() throws {
        let directory = try TemporaryDirectory()
        expect(try Program.run(["topology", "--machine", "\(directory.path)/none"]), status: 66, errors: "none")
        expect(try Program.run(["topology", "--sysfs-root", directory.path]), status: 66, errors: "No CPU found")
    }

    @Test("69: no socket, or nobody listens; the path is named and what to do")
    func unreachable() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/epa.sock"
        expect(try list(path), status: 69, errors: "no socket at \(path): is berthd running?")
        try TemporaryDirectory.write([], to: path)
        expect(try list(path), status: 69, errors: "nobody listens at \(path)")
        let status = try Program.run(["status", "--socket", path, "--json"])
        #expect(status.status == 69)
        #expect(try JSONValue(Array(status.output.utf8))["answering"]?.boolean == false)
    }

    @Test("74: the output cannot be written")
    func output() throws {
        let result = try Program.run(["topology", "--simulate"], terminal: "/dev/full")
        expect(result, status: 74, errors: "cannot write the output")
        let capture = try Program.run(["topology", "capture", "/nonexistent/file", "--simulate"])
        expect(capture, status: 74, errors: "/nonexistent/file: No such file or directory")
    }

    @Test("75: no reply in time")
    func timeout() throws {
        let daemon = try FakeDaemon { _ in .stalling(Array("{".utf8)) }
        expect(try list(daemon.path, "--timeout", "0.2"), status: 75, errors: "within 0.2 s")
    }

    @Test(
        "77: not permitted to connect",
        .needsRoot, .enabled(if: access("/usr/bin/setpriv", X_OK) == 0, "needs setpriv"))
    func notPermitted() throws {
        let daemon = try FakeDaemon { _ in .text("{}") }
        chmod(daemon.path, 0o600)
        let result = try Program.run(["list", "--socket", daemon.path], asUser: 65_534)
        expect(result, status: 77, errors: "not permitted to connect to \(daemon.path)")
    }

    @Test("Help and version are on standard output, status 0")
    func help() throws {
        for arguments in [["--help"], ["list", "--help"], ["help", "map"], ["--version"]] {
            let result = try Program.run(arguments)
            #expect(result.status == 0 && result.errors.isEmpty && !result.output.isEmpty, "\(arguments)")
        }
        let text = try Program.run(["--help"]).output
        for status in [0, 1, 64, 65, 66, 69, 70, 74, 75, 77] { #expect(text.contains("\n  \(status) "), "\(status)") }
    }
}
