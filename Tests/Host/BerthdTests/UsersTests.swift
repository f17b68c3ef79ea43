import Glibc
import TestSupport
import Testing
import WireJSON

/// EPA specification, section 7, item 10, through the process: several users on one socket.
@Suite(.needsRoot) struct UsersTests {
    @Test(
        "item 10: with mode 0660 members of the access group use the socket and change what is theirs, administrators everything, others nothing"
    )
    func twoUsers() async throws {
        let site = try Site()
        let daemon = try await site.serve([
            "--simulate", "--access-group", "60001", "--admin-group", "60002", "--audit-log", "\(site.path)/audit",
        ])
        var status = stat()
        #expect(stat(site.socket, &status) == 0 && status.st_mode & 0o777 == 0o660 && status.st_gid == 60_001)
        #expect(try daemon.cores("mine", 2, uid: 1001, gid: 60_001)["allocated_cores"]?.string == "2-3")
        #expect(
            try daemon.cores("mine", -1, uid: 1002, gid: 60_001).error
                == "Service \"mine\" is owned by uid 1001; only its owner and administrators may change it")
        #expect(try daemon.cores("yours", 1, uid: 1002, gid: 60_001)["allocated_cores"]?.string == "4")
        let stranger = #expect(throws: SocketClient.Failure.self) { try daemon.cores("x", 1, uid: 1003, gid: 1003) }
        #expect(stranger?.errno == EACCES)
        // An administrator by a supplementary group, who reaches the socket by another.
        let admin = try SocketClient(site.socket, uid: 1004, gid: 1004, groups: [60_001, 60_002])
        let reply = try admin.ask(#"{"action":"allocate_cores","service_name":"mine","num_of_cores":-1}"#)
        #expect(try JSONValue(Array(reply.utf8)).error == nil)
        #expect(try daemon.allocations() == ["yours": "4"])
        #expect(try await eventually { audit(site).count == 4 })
        #expect(audit(site).map { $0["decision"]?.string } == ["granted", "refused", "granted", "released"])
        #expect(audit(site).map { $0["uid"]?.integer } == [1001, 1002, 1002, 1004])
        #expect(try await daemon.stop() == 0)

        // Who owns what outlives the process.
        let next = try await site.serve(["--simulate", "--access-group", "60001"])
        #expect(try next.cores("yours", -1, uid: 1001, gid: 60_001).error?.contains("owned by uid 1002") == true)
        #expect(try next.cores("yours", -1, uid: 1002, gid: 60_001).error == nil)
        #expect(try await next.stop() == 0)
    }

    @Test("the socket is open to everybody only where asked for, and names are protected even then")
    func openSocket() async throws {
        let site = try Site()
        let daemon = try await site.serve(["--simulate", "--socket-mode", "0666"])
        #expect(try daemon.cores("mine", 2, uid: 65_534).error == nil)
        #expect(try daemon.cores("mine", -1, uid: 65_533).error?.contains("owned by uid 65534") == true)
        #expect(try daemon.cores("mine", -1).error == nil)
        #expect(try await daemon.stop() == 0)
    }

    @Test("who starts berthd --simulate may use it, even if the file names a group that is not theirs")
    func simulated() async throws {
        let site = try Site()
        let file = "\(site.path)/berthd.toml"
        try TemporaryDirectory.write(Array("access-group = \"60001\"\n".utf8), to: file)
        // The user can read neither the checkout nor the directory of the tests.
        let binary = "\(site.path)/berthd"
        try TemporaryDirectory.write(try #require(TemporaryDirectory.read(site.binary)), to: binary)
        let own = "\(site.path)/own"
        mkdir(own, 0o700)
        for (path, mode) in [(site.path, 0o755), (file, 0o644), (binary, 0o755)] as [(String, mode_t)] {
            chmod(path, mode)
        }
        chown(own, 1001, 1001)
        let program = try Program(
            [
                "setpriv", "--reuid", "1001", "--regid", "1001", "--clear-groups", binary, "--config", file,
                "--simulate", "--socket", "\(own)/epa.sock",
            ], environment: ["TMPDIR": own], output: "\(site.path)/log")
        let daemon = try await Daemon.answering(program, socket: "\(own)/epa.sock")
        #expect(try daemon.cores("theirs", 1).error == nil)
        #expect(try daemon.cores("mine", 2, uid: 1001, gid: 1001).error == nil)
        #expect(try daemon.cores("theirs", -1, uid: 1001, gid: 1001).error == nil, "an administrator")
        #expect(try await daemon.stop() == 0)
    }

    private func audit(_ site: Site) -> [JSONValue] {
        String(decoding: TemporaryDirectory.read("\(site.path)/audit") ?? [], as: UTF8.self).split(separator: "\n")
            .compactMap { try? JSONValue(Array($0.utf8)) }
    }
}
