import EPASocket
import Glibc
import Ledger
import Machine
import Service
import TestSupport
import Testing
import WireJSON

/// EPA specification, section 7, items 10 and 11: access and logs.
@Suite struct AccessTests {
    private func needRoot() throws { try #require(geteuid() == 0, "needs root, to be several users") }

    @Test("item 10: the socket has its mode from the moment it exists, and others cannot connect")
    func socketMode() async throws {
        try needRoot()
        try await TestServer.serving(mode: 0o660) { (server) async throws in
            var status = stat()
            #expect(stat(server.path, &status) == 0 && status.st_mode & 0o777 == 0o660)
            let error = #expect(throws: SocketClient.Failure.self) { try SocketClient(server.path, uid: 65_534) }
            #expect(error?.errno == EACCES)
        }
    }

    @Test(
        "item 10: who is in neither group is turned away even where the mode lets him connect, and the audit log has it"
    )
    func strangers() async throws {
        try needRoot()
        try await TestServer.serving(
            mode: 0o666,
            settings: {
                $0.access = AccessPolicy(adminGroup: 500, accessGroup: 600, isOpen: false)
            }
        ) { (server) async throws in
            #expect(
                try server.ask("list_allocations", uid: 65_534).error?.contains("uid 65534 may not use this socket")
                    == true)
            let audit = try await server.audit(atLeast: 1)
            #expect(audit.first?["decision"]?.string == "denied" && audit.first?["uid"] == .number("65534"))
            // Members by their first group or a supplementary one.
            let member = try SocketClient(server.path, uid: 1000, gid: 1000, groups: [7, 600])
            #expect(try JSONValue(Array(try member.ask(#"{"action":"list_allocations"}"#).utf8)).error == nil)
            let admin = try SocketClient(server.path, uid: 1001, gid: 500)
            #expect(try JSONValue(Array(try admin.ask(#"{"action":"list_allocations"}"#).utf8)).error == nil)
        }
    }

    @Test(
        "item 10: a name belongs to the user who created its claim: others can neither change nor free it, administrators can"
    )
    func ownership() async throws {
        try needRoot()
        try await TestServer.serving(mode: 0o666) { (server) async throws in
            #expect(try server.cores("mine", 2, uid: 1000).error == nil)
            for reply in [
                try server.cores("mine", -1, uid: 1001), try server.cores("mine", 1, uid: 65_534),
                try server.numa("mine", 0, 1, uid: 1001), try server.numa("mine", 0, -1, uid: 1001),
                try server.pages("mine", 1, uid: 1001),
                try server.ask(
                    "allocate_cores_percent", ("service_name", .string("mine")), ("percent", .number("0")), uid: 1001),
            ] {
                #expect(
                    reply.error
                        == "Service \"mine\" is owned by uid 1000; only its owner and administrators may change it")
            }
            #expect(try server.allocations() == ["mine": "1-2"])
            #expect(try server.cores("mine", 3, uid: 1000).error == nil)
            #expect(try server.cores("mine", -1).error == nil)
            // The name is free once its last holding has ended.
            #expect(try server.cores("mine", 1, uid: 1001).error == nil)
            #expect(try server.cores("mine", -1, uid: 1000).error != nil)
        }
    }

    @Test("item 10: imported names belong to the administrators")
    func importedNames() async throws {
        try needRoot()
        var imported = Ledger()
        try imported.apply(
            LedgerChange(claims: [
                Claim(
                    holder: .service("old"), owner: .administrators,
                    grants: [Grant(cpus: [1, 2])])
            ]))
        try await TestServer.serving(imported: imported, mode: 0o666) { (server) async throws in
            #expect(try server.cores("old", -1, uid: 1000).error?.contains("owned by administrators") == true)
            #expect(try server.cores("old", 1).error == nil)
        }
    }

    @Test("item 10: every decision is a line of the audit log that says who asked")
    func audit() async throws {
        try await TestServer.serving { (server) async throws in
            _ = try server.cores("auto", 4)
            _ = try server.numa("pinned", 0, 2)
            _ = try server.numa("rival", 0, 3)
            _ = try server.cores("auto", -1)
            _ = try server.pages("auto", 5)
            let audit = try await server.audit(atLeast: 6)
            #expect(
                audit.map { $0["decision"]?.string } == [
                    "granted", "granted", "taken", "refused", "released", "granted",
                ])
            #expect(
                audit.map { $0["holder"]?.string } == [
                    "service:auto", "service:pinned", "service:auto", "service:rival", "service:auto", "service:auto",
                ])
            for line in audit {
                #expect(line["uid"] == .number("\(geteuid())") && line["pid"] == .number("\(getpid())"))
                #expect(line["time"]?.string?.hasSuffix("Z") == true)
            }
            #expect(audit[2]["by"]?.string == "service:pinned")
            #expect(audit[3]["reason"]?.string?.contains("only has") == true)
        }
    }

    @Test("what is refused before it reaches the ledger, or because the state is corrupt, is in the audit log too")
    func auditOfRefusals() async throws {
        let directory = try TemporaryDirectory()
        try await TestServer.serving(directory: directory) { (server) async throws in
            _ = try server.numa("a", 0, 0)
            _ = try server.pages("a", -5)
            let lines = try await server.audit(atLeast: 2)
            #expect(lines.map { $0["decision"]?.string } == ["refused", "refused"])
            #expect(lines.first?["reason"]?.string == "num_of_cores=0 is invalid for allocate_numa_cores")
        }
        TemporaryDirectory.remove("\(directory.path)/state/ledger.db")
        try await TestServer.serving(directory: directory) { (server) async throws in
            #expect(try server.cores("b", 1).error?.hasPrefix("The stored state is corrupt") == true)
            #expect(try await server.audit(atLeast: 3).last?["holder"]?.string == "service:b")
        }
    }

    @Test("item 11: no service name can forge a line of the log or of the audit log")
    func forging() async throws {
        let name = "x\nERROR: forged\r\u{1b}[2K\u{202e}\u{2028}\" cpus=0-7"
        try await TestServer.serving { (server) async throws in
            let reply = try server.cores(name, 1)
            #expect(reply["service_name"]?.string == name)
            let audit = try await server.audit(atLeast: 1)
            #expect(audit.count == 1 && audit[0]["holder"]?.string == "service:" + name)
            #expect(try await server.logHas("CPUs allocated"))
            #expect(
                server.log.filter { $0.contains("forged") }.allSatisfy { $0.hasPrefix("DEBUG: CPUs allocated cpus=1 ") }
            )
            let bytes =
                (TemporaryDirectory.read(server.logPath) ?? []) + (TemporaryDirectory.read(server.auditPath) ?? [])
            #expect(bytes.allSatisfy { ($0 >= 0x20 && $0 < 0x7F) || $0 == 0x0A })
        }
    }

    @Test("the security label of a peer is part of the owner, where the kernel gives one")
    func labels() {
        let owner = Owner(Caller(uid: 1000, gid: 1, label: "snap.a", isAdministrator: false, frontend: "epa"))
        #expect(owner.admits(Caller(uid: 1000, gid: 1, label: "snap.a", isAdministrator: false, frontend: "epa")))
        #expect(!owner.admits(Caller(uid: 1000, gid: 1, label: "snap.b", isAdministrator: false, frontend: "epa")))
        #expect(!owner.admits(Caller(uid: 1000, gid: 1, label: nil, isAdministrator: false, frontend: "epa")))
        #expect(owner.admits(Caller(uid: 0, gid: 0, label: "snap.b", isAdministrator: true, frontend: "epa")))
    }
}
