import Glibc
import Service
import TestSupport
import Testing

/// Who may, and what accounts are called.
@Suite struct AccessTests {
    @Test(
        "uid 0 and the admin group are administrators, the access group are users, others nobody unless it is open",
        arguments: [false, true])
    func roles(isOpen: Bool) {
        let policy = AccessPolicy(adminGroup: 500, accessGroup: 600, isOpen: isOpen)
        #expect(policy.role(of: PeerCredentials(uid: 0, gid: 9)) == .administrator)
        #expect(policy.role(of: PeerCredentials(uid: 1, gid: 500)) == .administrator)
        #expect(policy.role(of: PeerCredentials(uid: 1, gid: 9, groups: [600, 500])) == .administrator)
        #expect(policy.role(of: PeerCredentials(uid: 1, gid: 600)) == .user)
        #expect(policy.role(of: PeerCredentials(uid: 1, gid: 9, groups: [600])) == .user)
        #expect(policy.role(of: PeerCredentials(uid: 500, gid: 9, groups: [1, 2])) == (isOpen ? .user : nil))
    }

    @Test("the admin user is an administrator, whatever its groups")
    func adminUser() {
        let policy = AccessPolicy(adminUser: 1001, accessGroup: 600)
        #expect(policy.role(of: PeerCredentials(uid: 1001, gid: 9)) == .administrator)
        #expect(policy.role(of: PeerCredentials(uid: 1002, gid: 1001)) == nil)
    }

    @Test("without groups only uid 0 has access: group 0 means nothing by itself")
    func noGroups() {
        #expect(AccessPolicy().role(of: PeerCredentials(uid: 0, gid: 5)) == .administrator)
        #expect(AccessPolicy().role(of: PeerCredentials(uid: 1, gid: 0, groups: [0])) == nil)
        #expect(AccessPolicy(adminGroup: 0).role(of: PeerCredentials(uid: 1, gid: 0)) == .administrator)
    }

    @Test("names become numbers as in passwd(5) and group(5); the first of two lines counts, malformed ones do not")
    func accounts() {
        let accounts = AccountFile(
            text:
                "root:x:0:root\n# comment\nshort:x\nbad:x:many:\nbig:x:4294967296:\nkvm:x:104:a,b\nkvm:x:105:\n:x:7:\nno end:x:9"
        )
        #expect(accounts.number(of: "root") == 0)
        #expect(accounts.number(of: "kvm") == 104)
        #expect(accounts.number(of: "no end") == 9)
        for name in ["short", "bad", "big", "nobody", "KVM", "-1", "4294967296"] {
            #expect(accounts.number(of: name) == nil, "\(name)")
        }
        #expect(accounts.number(of: "4711") == 4711)
        // -1 means "leave it as it is" to chown(2): nobody's number.
        #expect(accounts.number(of: "4294967295") == nil)
        #expect(AccountFile(path: "/nonexistent").number(of: "root") == nil)
        #expect(AccountFile(path: "/etc/passwd").number(of: "root") == 0)
    }

    @Test("a file is read whole, or the reason is said: too long, no UTF-8, a pipe where a file must be")
    func files() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/file"
        try TemporaryDirectory.write(Array("é".utf8), to: path)
        #expect(try readText(path) == "é")
        try TemporaryDirectory.write([0x61, 0xFF], to: path)
        #expect(throws: SystemError.self) { try readText(path) }
        #expect(try readBytes(path, mustBeRegular: true) == [0x61, 0xFF])
        try TemporaryDirectory.write([UInt8](repeating: 0x20, count: 1 << 20), to: path)
        #expect(try readText(path).utf8.count == 1 << 20)
        try TemporaryDirectory.write([UInt8](repeating: 0x20, count: (1 << 20) + 1), to: path)
        let error = #expect(throws: SystemError.self) { try readText(path) }
        #expect(error?.errno == EFBIG && error?.description.contains(path) == true)
        mkfifo("\(directory.path)/pipe", 0o600)
        #expect(throws: SystemError.self) { try readBytes("\(directory.path)/pipe", mustBeRegular: true) }
        #expect(throws: SystemError.self) { try readBytes(directory.path, mustBeRegular: true) }
        let missing = #expect(throws: SystemError.self) { try readBytes("\(directory.path)/none") }
        #expect(missing?.errno == ENOENT)
    }
}
