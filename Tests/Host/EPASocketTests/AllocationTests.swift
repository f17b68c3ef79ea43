import EPASocket
import Ledger
import LedgerStore
import Machine
import TestSupport
import Testing
import WireJSON

/// EPA specification, section 7, items 17 to 31: allocation.
@Suite struct AllocationTests {
    /// Three cores of two threads on one node, all isolated: siblings n and n+3.
    private var threeCores: CapturedFiles {
        var machine = CapturedFiles.Shape()
        machine.coresPerNode = 3
        machine.threadsPerCore = 2
        machine.isolated = CPUSet(0...5)
        machine.hugePages = [HugePagePool(sizeKB: 2048, total: 10, free: 10)]
        return CapturedFiles(machine)
    }

    @Test("items 17 to 19: a count below -1 is an error and changes nothing", arguments: [-2, -7, Int.min])
    func negativeCounts(count: Int) async throws {
        try await TestServer.serving { (server) async throws in
            _ = try server.numa("a", 0, 2)
            _ = try server.pages("a", 2)
            let before = [try server.list(), try server.ask("get_memory_info")]
            #expect(
                try server.numa("a", 0, count).error
                    == "A count of \(count) is invalid for allocate_numa_cores: use -1 to release")
            #expect(
                try server.cores("a", count).error
                    == "A count of \(count) is invalid for allocate_cores: use -1 to release")
            #expect(
                try server.pages("a", count).error
                    == "A count of \(count) is invalid for allocate_hugepages: use -1 to release")
            #expect(try server.pages("z", count, node: 99, size: 3).error != nil)
            #expect([try server.list(), try server.ask("get_memory_info")] == before)
        }
    }

    @Test("a count below -1 is found out only after what the EPA Orchestrator finds out before it")
    func orderOfChecks() async throws {
        try await TestServer.serving { (server) async throws in
            #expect(try server.numa("a", 9, -2).error == "NUMA node 9 does not exist")
            server.files["devices/system/cpu/isolated"] = "\n"
            #expect(try server.cores("a", -2).error == "No CPUs available")
            #expect(try server.numa("a", 0, -2).error == "No Isolated CPUs available for allocation")
        }
    }

    @Test("item 19: bookings of different holders never add up to more than the pool has")
    func bookingsAddUp() async throws {
        try await TestServer.serving { (server) async throws in
            #expect(try server.pages("a", 10).error == nil)
            #expect(
                try server.pages("b", 7).error
                    == "NUMA node 0 size 2048 KB only has 6 free hugepages, requested additional 7")
            #expect(try server.pages("b", 6).error == nil)
            #expect(try server.pages("a", Int.max).error?.contains("requested additional") == true)
        }
    }

    @Test(
        "item 20: an explicit holder that calls allocate_cores loses its pins as recorded, with a warning; keep-pins keeps them"
    )
    func keepPins() async throws {
        try await TestServer.serving { (server) async throws in
            _ = try server.numa("a", 1, 2)
            #expect(try server.cores("a", 2)["allocated_cores"]?.string == "1-2")
            #expect(try server.list()["allocations"]?.array?.first?["is_explicit"] == .boolean(false))
            #expect(try await server.logHas("WARNING: explicit CPUs lost their protection"))
        }
        try await TestServer.serving(settings: { $0.policy = .keepPins }) { (server) async throws in
            #expect(try server.numa("a", 1, 2)["cores_allocated"]?.string == "2,6")
            #expect(try server.cores("a", 3)["allocated_cores"]?.string == "1-2,6")
            #expect(try server.list()["allocations"]?.array?.first?["is_explicit"] == .boolean(true))
            #expect(try server.cores("a", 1).error?.contains("holds 2 explicitly allocated CPUs") == true)
            // The default policy, as the hypervisor's hook asks: the pins are among what it gets.
            #expect(try server.cores("a", 0)["allocated_cores"]?.string == "1-3,6")
            #expect(try server.numa("b", 1, 4).error != nil)
        }
    }

    @Test(
        "item 21: a NUMA request takes the lowest CPUs, also from an automatic holder, and both sides are logged; prefer-free spares it"
    )
    func preferFree() async throws {
        try await TestServer.serving { (server) async throws in
            _ = try server.cores("auto", 2)
            #expect(try server.numa("b", 0, 2)["cores_allocated"]?.string == "1,5")
            #expect(try server.allocations() == ["auto": "2", "b": "1,5"])
            #expect(try await server.logHas("WARNING: automatic CPUs taken by a NUMA request by=b cpus=1 from=auto"))
        }
        try await TestServer.serving(threeCores, settings: { $0.policy = .preferFree }) {
            (server) async throws in
            _ = try server.cores("auto", 2)
            #expect(try server.numa("b", 0, 2)["cores_allocated"]?.string == "2,5")
            // With too few free ones the rest is taken as the rule says.
            #expect(try server.numa("c", 0, 3)["cores_allocated"]?.string == "0,3-4")
            #expect(try server.allocations() == ["auto": "1", "b": "2,5", "c": "0,3-4"])
        }
    }

    @Test(
        "item 22: an odd count breaks the first core as recorded; whole-cores takes the lone thread and splits no core")
    func wholeCores() async throws {
        try await TestServer.serving(threeCores) { (server) async throws in
            _ = try server.numa("x", 0, 1)
            #expect(try server.numa("a", 0, 3)["cores_allocated"]?.string == "1-2,4")
            #expect(try server.cores("b", 1)["allocated_cores"]?.string == "3")
        }
        try await TestServer.serving(threeCores, settings: { $0.policy = .wholeCores }) {
            (server) async throws in
            _ = try server.numa("x", 0, 1)
            #expect(try server.numa("a", 0, 1)["cores_allocated"]?.string == "3")
            #expect(try server.cores("b", 2)["allocated_cores"]?.string == "1,4")
        }
    }

    @Test(
        "item 23: when the isolated set shrinks, figures stay sensible, everything can be released, and the drift is logged"
    )
    func shrinkingPool() async throws {
        try await TestServer.serving { (server) async throws in
            _ = try server.cores("a", 4)
            _ = try server.numa("b", 1, 1)
            server.files["devices/system/cpu/isolated"] = "1\n"
            let list = try server.list()
            #expect(list["total_available_cpus"] == .number("1") && list["remaining_available_cpus"] == .number("0"))
            #expect(list["total_allocated_cpus"] == .number("1") && list["total_allocations"] == .number("2"))
            #expect(try await server.logHas("WARNING: CPUs are allocated that are not isolated any more cpus=2-3,5"))
            server.files["devices/system/cpu/isolated"] = "\n"
            #expect(try server.list()["total_allocations"] == .number("0"))
            #expect(try server.cores("a", -1)["cores_allocated"] == .number("0"))
            #expect(try server.cores("a", -1).error == "No CPUs available")
            #expect(try server.numa("b", 1, -1)["remaining_available_cpus"] == .number("0"))
            server.files["devices/system/cpu/isolated"] = "1-3,5-7\n"
            #expect(try server.allocations() == [:])
        }
    }

    @Test(
        "item 24: offline CPUs of the isolated list are given as recorded and flagged in the log; online-only leaves them out"
    )
    func offlineCPUs() async throws {
        try await TestServer.serving { (server) async throws in
            server.files["devices/system/cpu/online"] = "0-4,6-7\n"
            server.files["devices/system/cpu/isolated"] = "5,21\n"
            #expect(try server.cores("a", 2)["allocated_cores"]?.string == "5,21")
            #expect(try await server.logHas("WARNING: CPUs allocated that are offline"))
        }
        try await TestServer.serving(settings: { $0.policy = .onlineOnly }) { (server) async throws in
            server.files["devices/system/cpu/online"] = "0-4,6-7\n"
            server.files["devices/system/cpu/isolated"] = "5-6,21\n"
            #expect(try server.cores("a", 2).error == "Insufficient CPUs available. Requested: 2, Available: 1")
            #expect(try server.cores("a", 1)["allocated_cores"]?.string == "6")
        }
    }

    @Test("item 25: an orphan explicit record of the EPA Orchestrator's state is put right on import")
    func orphans() throws {
        let state =
            #"{"allocations_db":{"allocations":{"a":"1-3","ghost":""},"explicit_allocations":{"a":"3-5","b":"7"}},"version":1}"#
        let found = try EPAState.read(Array(state.utf8))
        #expect(found.ledger[.service("a")]?.exclusive == CPUSet([1, 2, 3]))
        #expect(found.ledger[.service("a")]?.grants.last?.cpus == CPUSet([3]))
        #expect(found.ledger.count == 1 && found.warnings.count == 3)
    }

    @Test("item 26: records that overlap are corruption, not something to grant from")
    func overlaps() {
        let state = #"{"allocations_db":{"allocations":{"a":"1-3","b":"3-4"}}}"#
        let error = #expect(throws: CorruptStateError.self) { try EPAState.read(Array(state.utf8)) }
        #expect(error?.description == "\"b\" and \"a\" both hold CPUs 3")
    }

    @Test(
        "items 27 and 28: shared_cpus is what is left of the pool; when nothing is left the reply stays and the log warns"
    )
    func sharedCPUs() async throws {
        try await TestServer.serving { (server) async throws in
            #expect(try server.cores("a", 4)["shared_cpus"]?.string == "6-7")
            #expect(try server.cores("b", 2)["shared_cpus"]?.string == "")
            #expect(try await server.logHas("WARNING: no isolated CPU is left to share"))
        }
    }

    @Test(
        "item 29: pages that strangers use count as the EPA Orchestrator counts them, and possible overcommitment is logged"
    )
    func overcommitment() async throws {
        try await TestServer.serving(threeCores) { (server) async throws in
            server.files["devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages"] = "5\n"
            #expect(try server.pages("a", 5).error == nil)
            #expect(try server.pages("b", 5).error == nil)
            #expect(try await server.logHas("WARNING: huge pages may be overcommitted"))
        }
    }

    @Test("item 30: bookings of a node or size that is gone are logged, hidden as recorded, and can be removed")
    func vanishedPages() async throws {
        try await TestServer.serving { (server) async throws in
            _ = try server.pages("a", 3)
            for file in ["nr_hugepages", "free_hugepages", "surplus_hugepages"] {
                server.files["devices/system/node/node0/hugepages/hugepages-2048kB/\(file)"] = nil
            }
            let memory = try server.ask("get_memory_info")
            #expect(memory["numa_hugepages"]?["node0"]?["allocations"]?.members?.isEmpty == true)
            #expect(try await server.logHas("WARNING: huge pages are reserved that the machine does not have"))
            #expect(try server.pages("a", -1)["message"]?.string == "Removed recorded hugepage allocation")
        }
    }

    @Test(
        "item 31: integers beyond 64 bits are an error",
        arguments: ["9223372036854775808", "1" + String(repeating: "0", count: 400)])
    func hugeIntegers(number: String) async throws {
        try await TestServer.serving { (server) async throws in
            let reply = try server.ask(
                "allocate_cores", ("service_name", .string("a")), ("num_of_cores", .number(number)))
            #expect(reply.error?.contains("num_of_cores\n  Input should be a valid integer of at most 64 bits") == true)
            #expect(try server.allocations() == [:])
        }
    }

    @Test("holders of other kinds are listed as kind:name, count as explicit, and their CPUs are never taken")
    func otherKinds() async throws {
        var ledger = Ledger()
        try ledger.apply(
            LedgerChange(claims: [
                Claim(
                    holder: Holder(kind: .pod, name: "ns/web"), owner: .user(uid: 0, label: nil),
                    grants: [Grant(cpus: [1, 5])])
            ]))
        try await TestServer.serving(imported: ledger) { (server) async throws in
            #expect(try server.numa("a", 0, 2).error?.hasPrefix("Failed to allocate cores from NUMA node 0.") == true)
            #expect(try server.cores("a", 4)["allocated_cores"]?.string == "2-3,6-7")
            let entry = try server.list()["allocations"]?.array?.last
            #expect(entry?["service_name"]?.string == "pod:ns/web" && entry?["is_explicit"] == .boolean(true))
        }
    }
}
