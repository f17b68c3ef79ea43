import ClusterStandIn
import HostClient
import KubernetesClient
import NodeAgent
import TestSupport
import Testing

/// A program of the host that has CPUs.
enum HostProgram {
    static func claim(_ name: String, _ cpus: String, at socket: String) async throws {
        _ = try await BerthClient(socket: socket).put(
            Holder(.run, name), ClaimRequest(cpus: CPURequest(.list(CPUList(cpus)))))
    }

    static func release(_ name: String, at socket: String) async throws {
        _ = try await BerthClient(socket: socket).delete(Holder(.run, name))
    }
}

/// The agent with a real `berthd`, on a machine of 8 CPUs that is only simulated: claims are recorded there, and refused where
/// the kernel is to follow.
@Suite struct BerthdTests {
    /// Runs a test while a daemon serves at the socket in `directory`.
    private static func daemon(_ directory: TemporaryDirectory) async throws -> Program {
        let program = try Program(
            [
                try Program.built("berthd"), "--simulate", "--socket", "\(directory.path)/epa.sock", "--http-socket",
                "\(directory.path)/berth.sock", "--state-dir", "\(directory.path)/state",
            ], output: "\(directory.path)/output-\(UInt64.random(in: 0...(.max)))")
        try #require(try await program.prints("serving"), "\(program.text)")
        return program
    }

    @Test("the machine, its claims and its events are read from a real berthd, across its restart")
    func machine() async throws {
        let directory = try TemporaryDirectory()
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.topology()
            let socket = "\(directory.path)/berth.sock"
            let berth = BerthClient(socket: socket)
            var daemon = try await Self.daemon(directory)
            try await cluster.withAgent(BerthHost(socket: socket)) { _ async throws -> Void in
                #expect(try await eventually { cluster.published?.resourceStatus == .fresh })
                let machine = try await berth.machine()
                #expect(cluster.published?.topology?.cpus == machine.online.numbers)
                #expect(cluster.published?.reservedCPUs == machine.housekeeping.numbers)
                let numbers = cluster.published?.topology?.sockets.flatMap { $0.cores.map(\.id) } ?? []
                #expect(Set(numbers).count == machine.cores && numbers.count == machine.cores)
                let made = try await berth.put(Holder(.run, "engine"), ClaimRequest(cpus: CPURequest(.count(2))))
                #expect(try await eventually { cluster.published?.allocatedCPUs == made.claim.cpus.numbers })
                daemon.signal(15)
                #expect(try await daemon.end() == 0)
                daemon = try await Self.daemon(directory)
                _ = try await berth.delete(Holder(.run, "engine"))
                #expect(try await eventually { cluster.published?.allocatedCPUs == [] })
            }
        }
    }

    @Test("what a real berthd refuses is reported in its words")
    func refused() async throws {
        let directory = try TemporaryDirectory()
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.pod("p", [1])
            let daemon = try await Self.daemon(directory)
            try await cluster.withAgent(BerthHost(socket: "\(directory.path)/berth.sock")) { _ async throws -> Void in
                try cluster.claim("p", "2-3")
                #expect(
                    try await eventually { cluster.report("p")?.state == .refused }, "\(cluster.report("p") as Any)")
                #expect(cluster.report("p")?.message.isEmpty == false)
                // Nobody else makes claims of pods: one that confines nobody is given back.
                let berth = BerthClient(socket: "\(directory.path)/berth.sock")
                let holder = Holder(.pod, "default/p")
                _ = try await berth.put(holder, ClaimRequest(cpus: CPURequest(.count(1))))
                #expect(try await eventually { try await berth.claim(holder) == nil })
            }
            withExtendedLifetime(daemon) {}
        }
    }
}
