import EPAClient
import Glibc
import Machine
import TestSupport
import Testing

private let emptyList =
    #"{"version":"1.0","total_allocations":0,"total_allocated_cpus":0,"total_available_cpus":0,"remaining_available_cpus":0,"allocations":[]}"#

@Suite("A client of the EPA socket")
struct ClientTests {
    private func client(_ daemon: FakeDaemon, timeout: Double = 20) -> EPAClient {
        EPAClient(socket: daemon.path, timeout: timeout)
    }

    @Test("Each request has the members of the specification, in one JSON text")
    func requests() throws {
        let texts = [
            ListAllocations().request, AllocateCores(service: "a\n\"é").request,
            AllocateCores(service: "a", count: 3).request, AllocateCores.release(service: "a").request,
            AllocatePercent(service: "a", percent: 50).request,
            AllocateNodeCores(service: "a", node: 1, count: 2).request,
            AllocateNodeCores.release(service: "a", node: 1).request, GetMemoryInfo().request,
            AllocateHugePages(service: "a", count: 4, node: 0, sizeKB: 2048).request,
            AllocateHugePages.remove(service: "a", node: 0, sizeKB: 2048).request, GetStatus().request,
        ].map { String(decoding: $0, as: UTF8.self) }
        #expect(
            texts == [
                #"{"version":"1.0","action":"list_allocations"}"#,
                #"{"version":"1.0","action":"allocate_cores","service_name":"a\n\"é","num_of_cores":0}"#,
                #"{"version":"1.0","action":"allocate_cores","service_name":"a","num_of_cores":3}"#,
                #"{"version":"1.0","action":"allocate_cores","service_name":"a","num_of_cores":-1}"#,
                #"{"version":"1.0","action":"allocate_cores_percent","service_name":"a","percent":50}"#,
                #"{"version":"1.0","action":"allocate_numa_cores","service_name":"a","numa_node":1,"num_of_cores":2}"#,
                #"{"version":"1.0","action":"allocate_numa_cores","service_name":"a","numa_node":1,"num_of_cores":-1}"#,
                #"{"version":"1.0","action":"get_memory_info"}"#,
                #"{"version":"1.0","action":"allocate_hugepages","service_name":"a","hugepages_requested":4,"node_id":0,"size_kb":2048}"#,
                #"{"version":"1.0","action":"allocate_hugepages","service_name":"a","hugepages_requested":-1,"node_id":0,"size_kb":2048}"#,
                #"{"version":"1.0","action":"berth_status"}"#,
            ])
    }

    @Test("Replies are read with their types, and stay as they came")
    func replies() throws {
        let text =
            #"{"version":"1.0","total_allocations":1,"total_allocated_cpus":3,"total_available_cpus":8,"remaining_available_cpus":5,"allocations":[{"service_name":"a","allocated_cores":"2-3,7","cores_count":3,"is_explicit":true}]}"#
        let daemon = try FakeDaemon { _ in .text(text) }
        let answer = try client(daemon).send(ListAllocations())
        #expect(
            answer.reply
                == AllocationList(
                    allocations: [Allocation(service: "a", cpus: CPUSet([2, 3, 7]), isExplicit: true)], allocated: 3,
                    available: 8, remaining: 5))
        #expect(String(decoding: answer.json, as: UTF8.self) == text)
        #expect(daemon.requests == [#"{"version":"1.0","action":"list_allocations"}"#])
    }

    @Test("Grants of all kinds are read")
    func grants() throws {
        let daemon = try FakeDaemon { request in
            if request.contains("percent") {
                return .text(
                    #"{"version":"1.0","service_name":"a","cores_allocated_count":1,"allocated_cores":"4","total_available_cpus":8,"remaining_available_cpus":7}"#
                )
            }
            if request.contains("numa") {
                return .text(
                    #"{"version":"1.0","service_name":"a","numa_node":1,"num_of_cores":2,"cores_allocated":"4,6","total_available_cpus":8,"remaining_available_cpus":6}"#
                )
            }
            if request.contains("hugepages") {
                return .text(
                    #"{"version":"1.0","service_name":"a","hugepages_requested":4,"allocation_successful":true,"message":"m","node_id":1,"size_kb":2048}"#
                )
            }
            return .text(
                #"{"version":"1.0","service_name":"a","num_of_cores":0,"cores_allocated":2,"allocated_cores":"0-1","shared_cpus":"2-7","total_available_cpus":8,"remaining_available_cpus":6}"#
            )
        }
        let client = client(daemon)
        let cores = try client.send(AllocateCores(service: "a")).reply
        #expect(cores.cpus == CPUSet(0...1) && cores.shared == CPUSet(2...7) && cores.count == 2)
        #expect(cores.available == 8 && cores.remaining == 6)
        #expect(try client.send(AllocatePercent(service: "a", percent: 5)).reply.cpus == CPUSet([4]))
        let node = try client.send(AllocateNodeCores(service: "a", node: 1, count: 2)).reply
        #expect(node.cpus == CPUSet([4, 6]) && node.node == 1)
        let pages = try client.send(AllocateHugePages(service: "a", count: 4, node: 1, sizeKB: 2048)).reply
        #expect(pages.requested == 4 && pages.node == 1 && pages.sizeKB == 2048 && pages.message == "m")
    }

    @Test("Pools and reservations are read by node; a sum of reservations too large to count does not trap")
    func memory() throws {
        let daemon = try FakeDaemon { _ in
            .text(
                #"{"version":"1.0","service_name":"","numa_hugepages":{"node0":{"capacity":[{"total":4,"free":1,"size":2048}],"allocations":{"a":{"2048":2},"b":{"2048":9223372036854775807}}},"node12":{"capacity":[],"allocations":{}}}}"#
            )
        }
        let memory = try client(daemon).send(GetMemoryInfo()).reply
        #expect(memory.nodes.map(\.id) == [0, 12])
        #expect(memory.nodes[0].pools == [MemoryInfo.Pool(sizeKB: 2048, total: 4, free: 1)])
        #expect(memory.nodes[0].reservations.first == MemoryInfo.Reservation(service: "a", sizeKB: 2048, count: 2))
        #expect(memory.nodes[0].reserved(sizeKB: 2048) == .max)
    }

    private func status(_ text: String) throws -> DaemonStatus? {
        let daemon = try FakeDaemon { _ in .text(text) }
        return try client(daemon).status()
    }

    @Test("What the daemon says about itself is read, and a daemon that does not know the question has no status")
    func status() throws {
        let good =
            #"{"daemon":"0.2.0","machine":"simulated","accepts_changes":true,"claims_outside_pool":[{"service_name":"a","allocated_cores":"4-5","cores_count":2,"is_explicit":true}]}"#
        let found = try #require(try status(#"{"version":"1.0","berth_status":\#(good)}"#))
        #expect(found.version == "0.2.0" && found.machine == "simulated" && found.refusal == nil)
        #expect(found.outsidePool == [Allocation(service: "a", cpus: CPUSet(4...5), isExplicit: true)])
        #expect(found.enforcement == nil)
        let limited = good.replacing(
            "true,\"claims", with: #"true,"enforcement":"affinity","enforcement_limit":"why","claims"#)
        let weak = try status(#"{"version":"1.0","berth_status":\#(limited)}"#)
        #expect(weak?.enforcement == "affinity" && weak?.enforcementLimit == "why")
        let refusing = good.replacing("true,\"claims", with: "false,\"reason\":\"no space\",\"claims")
        #expect(try status(#"{"version":"1.0","berth_status":\#(refusing)}"#)?.refusal == "no space")
        #expect(try status(#"{"version":"1.0","error":"Unknown action: berth_status"}"#) == nil)
        #expect(throws: ClientError.self) { try status(#"{"version":"1.0","error":"Too many connections of uid 0"}"#) }
        for missing in ["daemon", "machine", "accepts_changes", "claims_outside_pool"] {
            let text = good.replacing("\"\(missing)\"", with: "\"other\"")
            #expect(throws: ClientError.self, "\(missing)") {
                try status(#"{"version":"1.0","berth_status":\#(text)}"#)
            }
        }
    }

    @Test("A reply in pieces and a reply of 400 KB are read whole; the daemon need not close")
    func pieces() throws {
        let name = String(repeating: "x", count: 400 << 10)
        let long =
            emptyList.dropLast(2)
            + #"{"service_name":"\#(name)","allocated_cores":"1","cores_count":1,"is_explicit":false}]}"#
        let dripping = try FakeDaemon { _ in .dripping(Array(emptyList.utf8)) }
        #expect(try client(dripping).send(ListAllocations()).reply.allocations.isEmpty)
        let open = try FakeDaemon { _ in .stalling(Array(emptyList.utf8)) }
        #expect(try client(open).send(ListAllocations()).reply.allocations.isEmpty)
        let large = try FakeDaemon { _ in .text(String(long)) }
        #expect(try client(large).send(ListAllocations()).reply.allocations.first?.service.utf8.count == 400 << 10)
    }

    @Test("A refusal has the daemon's own words, and the reply as it came")
    func refusal() throws {
        let daemon = try FakeDaemon { _ in .text(#"{"version":"1.0","error":"No CPUs available"}"#) }
        #expect(
            throws: ClientError.refused(
                message: "No CPUs available", reply: Array(#"{"version":"1.0","error":"No CPUs available"}"#.utf8))
        ) { try client(daemon).send(AllocateCores(service: "a")) }
    }

    @Test(
        "A reply that is cut off, empty, no JSON, or lacks something is an error of its own",
        arguments: [
            ("", "without a reply"), (#"{"version":"1.0","allo"#, "closed after 22 bytes"), ("hello", "Invalid JSON"),
            ("[]", "expected an object"), (#"{"version":"1.0"}"#, "`allocations` is missing"),
            (emptyList + "x", "extra data"),
            (
                emptyList.replacing(#""total_available_cpus":0"#, with: #""total_available_cpus":"0""#),
                "is not an integer"
            ),
            (
                emptyList.replacing("[]", with: #"[{"service_name":"a","allocated_cores":"5-2","is_explicit":true}]"#),
                "start > end"
            ),
        ])
    func malformed(reply: String, reason: String) throws {
        let daemon = try FakeDaemon { _ in .text(reply) }
        let error = #expect(throws: ClientError.self) { try client(daemon).send(ListAllocations()) }
        guard case .malformedReply(let socket, let text) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(socket == daemon.path)
        #expect(text.contains(reason), "\(text)")
    }

    @Test("A daemon that does not answer, or stops within its reply, is given up after the time-out")
    func timeout() throws {
        for begun in ["", #"{"version""#] {
            let daemon = try FakeDaemon { _ in .stalling(Array(begun.utf8)) }
            #expect(throws: ClientError.timeout(socket: daemon.path, seconds: 0.2)) {
                try client(daemon, timeout: 0.2).send(ListAllocations())
            }
        }
    }

    @Test("No socket, nobody listening, and a path that is no socket's are different errors")
    func unreachable() throws {
        let directory = try TemporaryDirectory()
        func error(_ path: String) -> ClientError? {
            #expect(throws: ClientError.self) { try EPAClient(socket: path).send(ListAllocations()) }
        }
        #expect(error("\(directory.path)/none") == .unreachable(socket: "\(directory.path)/none", .noSocket))
        try TemporaryDirectory.write([], to: "\(directory.path)/file")
        #expect(error("\(directory.path)/file") == .unreachable(socket: "\(directory.path)/file", .nobodyListens))
        let long = "/" + String(repeating: "x", count: 108)
        #expect(error(long) == .unreachable(socket: long, .pathTooLong))
    }

    @Test(
        "The socket is the one given, else the environment's, else the standard one, else the snap's where only it exists"
    )
    func socketPath() {
        func path(_ given: String?, _ environment: [String: String], existing: [String] = []) -> String {
            SocketPath.resolve(given: given, environment: environment) { existing.contains($0) }
        }
        #expect(path("/a", ["BERTH_SOCKET": "/b", "SNAP_DATA": "/c"]) == "/a")
        #expect(path(nil, ["BERTH_SOCKET": "/b", "SNAP_DATA": "/c"]) == "/b")
        #expect(path(nil, ["BERTH_SOCKET": "", "SNAP_DATA": "/c"]) == "/c/data/epa.sock")
        #expect(path(nil, [:]) == SocketPath.standard)
        #expect(path(nil, [:], existing: [SocketPath.snap]) == SocketPath.snap)
        #expect(path(nil, [:], existing: [SocketPath.standard, SocketPath.snap]) == SocketPath.standard)
    }
}
