import EPASocket
import Ledger
import Machine
import TestSupport
import Testing
import WireJSON

/// EPA extensions on the wire (sections 1 to 5); the rules themselves are tested in the ledger.
@Suite struct ExtensionTests {
    private static let both: EPAExtensions = [.nonPreemptiveAllocations, .cpuPools]

    @Test("turned off, the members are ignored, the replies are the release's, and a warning names the service once")
    func off() async throws {
        try await TestServer.serving(pools: [Pool.general: CPUSet([0, 4])]) { (server) async throws in
            let text =
                #"{"action":"allocate_cores","service_name":"a","num_of_cores":1,"pool":"general","preemption_policy":"x"}"#
            for _ in 0..<2 {
                #expect(
                    try server.raw(text)
                        == #"{"version":"1.0","service_name":"a","num_of_cores":1,"cores_allocated":1,"allocated_cores":"1","shared_cpus":"2-3,5-7","total_available_cpus":6,"remaining_available_cpus":5}"#
                )
            }
            #expect(try server.list()["supported_cpu_features"] == nil)
            #expect(try await server.logHas("extension=cpu-pools member=pool service=a"))
            #expect(try await server.logHas("extension=non-preemptive-allocations member=preemption_policy service=a"))
            #expect(server.log.count { $0.contains("member=pool") } == 1)
        }
    }

    @Test("the list says what is supported, also where no CPU is eligible, with its members in the order of the branch")
    func discovery() async throws {
        try await TestServer.serving(
            pools: [Pool.general: CPUSet([0, 4])], settings: { $0.extensions = Self.both }
        ) { (server) async throws in
            _ = try server.raw(
                #"{"action":"allocate_cores","service_name":"a","num_of_cores":2,"preemption_policy":"non-preemptive"}"#
            )
            #expect(
                try server.raw(#"{"action":"list_allocations"}"#)
                    == #"{"supported_cpu_features":["non-preemptive-allocations","cpu-pools"],"pool":"isolated","version":"1.0","total_allocations":1,"total_allocated_cpus":2,"total_available_cpus":6,"remaining_available_cpus":4,"allocations":[{"pool":"isolated","preemption_policy":"non-preemptive","service_name":"a","allocated_cores":"1,5","cores_count":2,"is_explicit":false}],"cpu_pool":{"source":"isolated","configured_cpus":"1-3,5-7","eligible_cpus":"1-3,5-7","unavailable_allocated_cpus":""}}"#
            )
            server.files["devices/system/cpu/isolated"] = "\n"
            let empty = try server.list()
            #expect(empty["supported_cpu_features"]?.array?.count == 2)
            #expect(empty["cpu_pool"]?["unavailable_allocated_cpus"]?.string == "1,5")
            #expect(
                try server.raw(#"{"action":"list_allocations","pool":"general"}"#)
                    == #"{"supported_cpu_features":["non-preemptive-allocations","cpu-pools"],"pool":"general","version":"1.0","total_allocations":0,"total_allocated_cpus":0,"total_available_cpus":2,"remaining_available_cpus":2,"allocations":[],"cpu_pool":{"source":"configured","configured_cpus":"0,4","eligible_cpus":"0,4","unavailable_allocated_cpus":""}}"#
            )
        }
    }

    @Test("replies confirm pool and policy in their places; a partial release confirms what remains, a full one null")
    func confirmation() async throws {
        try await TestServer.serving(
            pools: [Pool.general: CPUSet([0, 4])], settings: { $0.extensions = Self.both }
        ) { (server) async throws in
            func members(_ text: String) throws -> (names: [String], policy: JSONValue?) {
                let reply = try server.reply(to: text)
                return ((reply.members ?? []).map(\.name), reply["preemption_policy"])
            }
            let numa = #"{"action":"allocate_numa_cores","service_name":"a","numa_node":0,"num_of_cores":"#
            let first = try members(numa + #"2,"preemption_policy":"non-preemptive"}"#)
            #expect(first.names.prefix(4) == ["pool", "version", "preemption_policy", "service_name"])
            #expect(first.policy == .string("non-preemptive"))
            _ = try members(
                #"{"action":"allocate_numa_cores","service_name":"a","numa_node":1,"num_of_cores":1}"#)
            #expect(try members(numa + "-1}").policy == .string("non-preemptive"))
            let full = #"{"action":"allocate_cores","service_name":"a","num_of_cores":-1}"#
            #expect(try members(full).policy == .null)
            let percent = try members(
                #"{"action":"allocate_cores_percent","service_name":"a","percent":50,"pool":"general"}"#)
            #expect(percent.names.prefix(3) == ["pool", "version", "preemption_policy"])
            #expect(percent.policy == .string("legacy"))
            #expect(
                try server.reply(to: full).error
                    == "Service a owns CPUs in pool general; release that allocation in its pool before switching pools"
            )
            // Huge pages have neither.
            #expect(try server.pages("a", 1).members?.first?.name == "version")
        }
    }

    @Test("values that are not known are errors, and a pool that is not configured says so")
    func invalid() async throws {
        try await TestServer.serving(settings: { $0.extensions = Self.both }) { (server) async throws in
            for member in [#""preemption_policy":"strong""#, #""preemption_policy":1"#, #""pool":"gpu""#] {
                let reply = try server.reply(
                    to: #"{"action":"allocate_cores","service_name":"a","num_of_cores":1,\#(member)}"#)
                #expect(reply.error?.contains("Input should be '") == true, "\(member)")
            }
            #expect(
                try server.reply(to: #"{"action":"allocate_cores","service_name":"a","pool":"general"}"#).error
                    == "CPU pool general is not configured")
            #expect(try server.allocations() == [:])
        }
    }

    @Test("a claim in the general pool is listed while its CPUs are offline, and can be released with pools turned off")
    func generalClaims() async throws {
        let directory = try TemporaryDirectory()
        let general = [Pool.general: CPUSet([0, 4])]
        try await TestServer.serving(directory: directory, pools: general, settings: { $0.extensions = Self.both }) {
            (server) async throws in
            _ = try server.raw(
                #"{"action":"allocate_cores","service_name":"g","num_of_cores":2,"pool":"general","preemption_policy":"non-preemptive"}"#
            )
            server.files["devices/system/cpu/online"] = "1-3,5-7\n"
            let list = try server.reply(to: #"{"action":"list_allocations","pool":"general"}"#)
            #expect(list["allocations"]?.array?.first?["allocated_cores"]?.string == "0,4")
        }
        try await TestServer.serving(directory: directory, pools: general) { (server) async throws in
            #expect(try server.cores("g", 1).error?.contains("owns CPUs in pool general") == true)
            #expect(try server.cores("g", -1).error == nil)
            #expect(try server.allocations() == [:])
        }
    }

    @Test("protected claims survive a restart as protected ones")
    func restart() async throws {
        let directory = try TemporaryDirectory()
        for _ in 0..<2 {
            try await TestServer.serving(directory: directory, settings: { $0.extensions = Self.both }) {
                (server) async throws in
                if try server.allocations().isEmpty {
                    _ = try server.raw(
                        #"{"action":"allocate_cores","service_name":"a","num_of_cores":6,"preemption_policy":"non-preemptive"}"#
                    )
                }
                #expect(
                    try server.numa("b", 0, 1).error?.hasPrefix("Failed to allocate cores from NUMA node 0") == true)
            }
        }
    }
}

/// `berth_status`, which only Berth knows, and what it shows of claims outside the pool.
@Suite struct StatusTests {
    @Test("the status says that changes are accepted, and which claims hold CPUs that are not isolated any more")
    func outside() async throws {
        try await TestServer.serving { (server) async throws in
            _ = try server.numa("a", 0, 2)
            _ = try server.cores("b", 1)
            #expect(
                try server.raw(#"{"action":"berth_status"}"#)
                    == #"{"version":"1.0","berth_status":{"daemon":"0","machine":"captured","accepts_changes":true,"enforcement":"none","claims_outside_pool":[]}}"#
            )
            server.files["devices/system/cpu/isolated"] = "2-3,5-7\n"
            #expect(
                try server.raw(#"{"action":"berth_status"}"#).contains(
                    #""claims_outside_pool":[{"service_name":"a","allocated_cores":"1","cores_count":1,"is_explicit":true}]"#
                ))
            // Nobody is audited for looking.
            #expect(try await server.audit(atLeast: 2).count == 2)
        }
    }

    @Test("with online-only a CPU that is only offline is not called one that is not isolated any more")
    func offlineIsNotDrift() async throws {
        try await TestServer.serving(settings: { $0.policy = .onlineOnly }) { (server) async throws in
            _ = try server.cores("a", 2)
            server.files["devices/system/cpu/online"] = "0,2-7\n"
            _ = try server.list()
            #expect(try server.ask("berth_status")["berth_status"]?["claims_outside_pool"]?.array?.isEmpty == true)
            #expect(!server.log.contains { $0.contains("not isolated any more") })
        }
    }
}
