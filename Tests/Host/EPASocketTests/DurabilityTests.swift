import CFaultVFS
import CSQLite
import EPASocket
import Ledger
import LedgerStore
import Machine
import Synchronization
import TestSupport
import Testing
import WireJSON

/// EPA specification, section 7, items 12 to 16: durability.
@Suite struct DurabilityTests {
    private static let number = Atomic(0)

    /// Serves on a disk that `fail` can make refuse.
    private func withFaultyDisk(_ body: (TestServer, OpaquePointer) async throws -> Void) async throws {
        let name = "socket-fault-\(Self.number.add(1, ordering: .relaxed).newValue)"
        let vfs = try #require(faultvfs_create(name))
        defer { faultvfs_destroy(vfs) }
        try await TestServer.serving(vfs: name) { (server) async throws in try await body(server, vfs) }
    }

    @Test(
        "item 12: on a full disk changes are refused and nothing changes; when there is room again they are granted, none twice"
    )
    func fullDisk() async throws {
        try await withFaultyDisk { (server, vfs) async throws in
            #expect(try server.cores("a", 2)["allocated_cores"]?.string == "1-2")
            faultvfs_fail(vfs, Int32(FAULTVFS_WRITE), 1, SQLITE_FULL, 1, 0)
            for _ in 0..<3 {
                let replies = [
                    try server.cores("b", 2), try server.cores("c", 2), try server.pages("d", 4),
                    try server.cores("a", -1),
                ]
                for reply in replies {
                    #expect(reply.error?.hasPrefix("The change could not be stored, nothing was changed:") == true)
                }
                #expect(try server.allocations() == ["a": "1-2"])
            }
            faultvfs_fail(vfs, 0, 0, 0, 0, 0)
            #expect(try server.cores("b", 2)["allocated_cores"]?.string == "3,5")
            #expect(try server.cores("c", 2)["allocated_cores"]?.string == "6-7")
        }
    }

    @Test("item 12: a failed sync is a refusal too, and what was refused is not there after a restart")
    func failedSync() async throws {
        let directory = try TemporaryDirectory()
        let name = "socket-fault-\(Self.number.add(1, ordering: .relaxed).newValue)"
        let vfs = try #require(faultvfs_create(name))
        try await TestServer.serving(directory: directory, vfs: name) { (server) async throws in
            #expect(try server.cores("a", 1).error == nil)
            faultvfs_fail(vfs, Int32(FAULTVFS_SYNC), 1, SQLITE_IOERR | (4 << 8), 1, 0)
            #expect(try server.cores("b", 1).error != nil)
            faultvfs_fail(vfs, 0, 0, 0, 0, 0)
        }
        faultvfs_destroy(vfs)
        try await TestServer.serving(directory: directory) { (server) async throws in
            #expect(try server.allocations() == ["a": "1"])
        }
    }

    @Test("item 13: a name that is no Unicode is refused before anything is recorded, and later changes are stored")
    func loneSurrogate() async throws {
        let directory = try TemporaryDirectory()
        try await TestServer.serving(directory: directory) { (server) async throws in
            let reply = try server.reply(
                to:
                    #"{"action":"allocate_hugepages","service_name":"\ud800","hugepages_requested":2,"node_id":0,"size_kb":2048}"#
            )
            #expect(reply.error?.contains("surrogate") == true)
            #expect(try server.pages("good", 3).error == nil)
        }
        try await TestServer.serving(directory: directory) { (server) async throws in
            let memory = try server.ask("get_memory_info")
            #expect(memory["numa_hugepages"]?["node0"]?["allocations"]?.members?.map(\.name) == ["good"])
        }
    }

    @Test("item 14: a store that is deleted under the running server is written anew from memory")
    func deletedStore() async throws {
        let directory = try TemporaryDirectory()
        try await TestServer.serving(directory: directory) { (server) async throws in
            #expect(try server.cores("a", 2).error == nil)
            for name in TemporaryDirectory.names(in: "\(directory.path)/state") where name.hasPrefix("ledger.db") {
                TemporaryDirectory.remove("\(directory.path)/state/\(name)")
            }
            // The first change may meet the loss; nothing is forgotten meanwhile, and the next one is stored.
            _ = try server.cores("b", 1)
            #expect(try server.cores("b", 1)["allocated_cores"]?.string == "3")
            #expect(try server.allocations() == ["a": "1-2", "b": "3"])
        }
        try await TestServer.serving(directory: directory) { (server) async throws in
            #expect(try server.allocations() == ["a": "1-2", "b": "3"])
        }
    }

    @Test(
        "item 14: a state file of the EPA Orchestrator that is JSON but no object is corrupt",
        arguments: [
            "[]", "null", "\"x\"", "", "{", #"{"allocations_db":[]}"#, #"{"allocations_db":{"allocations":{"a":5}}}"#,
            #"{"hugepages_db":{"allocations":{"a":{}}}}"#, #"{"allocations_db":{"allocations":{"a":"5-2"}}}"#,
            #"{"allocations_db":{"allocations":{"a":"x"}}}"#,
            #"{"allocations_db":{"allocations":{"a":"1-2","b":"2"}}}"#,
        ])
    func corruptReferenceState(text: String) {
        #expect(throws: CorruptStateError.self) { try EPAState.read(Array(text.utf8)) }
    }

    @Test("item 15: cores and huge pages live by one rule: in memory, loaded at the start")
    func oneRule() async throws {
        let directory = try TemporaryDirectory()
        try await TestServer.serving(directory: directory) { (server) async throws in
            _ = try server.numa("a", 0, 2)
            _ = try server.cores("b", 1)
            _ = try server.pages("b", 3)
            _ = try server.pages("a", 4, node: 1)
        }
        var lists: [JSONValue] = []
        for _ in 0..<2 {
            try await TestServer.serving(directory: directory) { (server) async throws in
                lists.append(try server.list())
                lists.append(try server.ask("get_memory_info"))
                #expect(try server.allocations() == ["a": "1,5", "b": "2"])
            }
        }
        #expect(lists[0] == lists[2] && lists[1] == lists[3])
    }

    @Test("item 16: the last good state is kept, is checked before it is used, and holds all that was granted")
    func lastGood() async throws {
        let directory = try TemporaryDirectory()
        try await TestServer.serving(directory: directory) { (server) async throws in
            _ = try server.cores("a", 2)
            _ = try server.pages("a", 3)
        }
        let path = "\(directory.path)/state/ledger.last-good"
        let good = try #require(TemporaryDirectory.read(path))
        var bad = good
        bad[bad.count / 2] ^= 1
        try TemporaryDirectory.write(bad, to: path)
        TemporaryDirectory.remove("\(directory.path)/state/ledger.db")
        // Neither the state nor its copy can be trusted: nothing is shown, nothing granted.
        try await TestServer.serving(directory: directory) { (server) async throws in
            #expect(try server.allocations() == [:])
            #expect(try server.cores("b", 1).error?.contains("corrupt") == true)
        }
        try TemporaryDirectory.write(good, to: path)
        try await TestServer.serving(directory: directory) { (server) async throws in
            #expect(try server.allocations() == ["a": "1-2"])
        }
    }
}
