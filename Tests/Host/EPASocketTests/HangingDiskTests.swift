import CFaultVFS
import EPASocket
import Synchronization
import TestSupport
import Testing
import WireJSON

/// A disk that neither answers nor fails.
@Suite struct HangingDiskTests {
    private static let number = Atomic(0)

    @Test(
        "while the disk hangs lists, memory and status go on, and a change is answered that its outcome is unknown; nothing is lost or doubled when the disk comes back"
    )
    func hang() async throws {
        let name = "socket-hang-\(Self.number.add(1, ordering: .relaxed).newValue)"
        let vfs = try #require(faultvfs_create(name))
        defer { faultvfs_destroy(vfs) }
        try await TestServer.serving(vfs: name, settings: { $0.commitTimeout = 1 }) { (server) async throws in
            #expect(try server.cores("before", 1)["allocated_cores"]?.string == "1")
            faultvfs_delay(vfs, Int32(FAULTVFS_SYNC), -1)
            defer { faultvfs_release(vfs) }
            // Many clients, each with a change that waits: none of them keeps a thread that others need.
            let waiting = try (0..<40).map { _ in try SocketClient(server.path) }
            for (index, client) in waiting.enumerated() {
                try client.send(
                    #"{"action":"allocate_hugepages","service_name":"\#(index)","hugepages_requested":1,"node_id":0,"size_kb":2048}"#
                )
            }
            #expect(try await eventually { faultvfs_waiting(vfs) > 0 })
            for _ in 0..<50 {
                #expect(try server.allocations() == ["before": "1"])
                #expect(try server.ask("get_memory_info")["numa_hugepages"]?["node0"] != nil)
                #expect(try server.ask("berth_status")["berth_status"]?["accepts_changes"] != nil)
            }
            for client in waiting {
                let reply = try JSONValue(try client.receive())
                #expect(reply.error?.hasPrefix("The outcome of this change is unknown") == true, "\(reply)")
            }
            faultvfs_release(vfs)
            // What was waiting is carried out once, in order: 16 pages for the first 16.
            #expect(
                try await eventually {
                    let node = try server.ask("get_memory_info")["numa_hugepages"]?["node0"]
                    return node?["allocations"]?.members?.count == 16
                })
            #expect(try server.cores("after", 1)["allocated_cores"]?.string == "2")
        }
    }

    @Test("a change that a hanging disk lets through in time is answered as usual")
    func shortHang() async throws {
        let name = "socket-hang-\(Self.number.add(1, ordering: .relaxed).newValue)"
        let vfs = try #require(faultvfs_create(name))
        defer { faultvfs_destroy(vfs) }
        try await TestServer.serving(vfs: name) { (server) async throws in
            faultvfs_delay(vfs, Int32(FAULTVFS_SYNC), 300)
            #expect(try server.cores("a", 2)["allocated_cores"]?.string == "1-2")
            faultvfs_release(vfs)
        }
    }
}
