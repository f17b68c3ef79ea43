import ClusterStandIn
import Glibc
import Host
import HostAPI
import Kernel
import KubernetesClient
import Ledger
import LedgerStore
import Logging
import Machine
import NodeAgent
import Service
import Synchronization
import TestSupport
import Testing

/// The agent with the ledger and the API of `berthd` itself; only the kernel is a fake.
@Suite struct LedgerTests {
    /// A kernel that confines the containers that have a cgroup.
    private final class FakeKernel: Enforcer {
        /// The ids of containers that have none yet.
        let missing = Mutex<Set<String>>([])

        func plan(_ claim: Claim, in ledger: Ledger) throws(EnforcementError) -> EnforcementPlan {
            EnforcementPlan(steps: [EnforcementStep(action: "do", undo: "undo")], isolation: .cpuset)
        }
        func apply(_ step: EnforcementStep, of holder: Holder) throws(EnforcementError) {}
        func undo(_ step: EnforcementStep, of holder: Holder) throws(EnforcementError) {}
        func verify(_ claim: Claim) throws(EnforcementError) {}
        func containers(of claim: Claim) -> [ContainerState] {
            let missing = missing.withLock { $0 }
            return (claim.enforcement?.request.pod?.containers ?? []).map { container in
                missing.contains(container.id)
                    ? ContainerState(container, cgroup: nil, .missing)
                    : ContainerState(container, cgroup: "/kubepods/\(container.digits)", .confined)
            }
        }
    }

    /// A server of the API on a socket of its own, of a machine with 8 CPUs in 4 cores.
    private final class Server: Sendable {
        let path: String
        let host: Host
        let kernel = FakeKernel()
        private let api: APIServer
        private let socket: SocketFile
        private let decisionLog: DecisionLog

        struct NoStore: Error {}

        init(_ directory: TemporaryDirectory) throws {
            path = "\(directory.path)/berth.sock"
            var shape = CapturedFiles.Shape()
            shape.coresPerNode = 4
            shape.threadsPerCore = 2
            let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            decisionLog = try DecisionLog(
                audit: AuditLog(sink: try LineSink(path: "\(directory.path)/audit")), logger: quiet)
            guard
                case .ready(let store, let ledger) = try LedgerStore.open(
                    directory: "\(directory.path)/state", imported: nil, vfs: nil, now: wallClock, report: { _ in })
            else { throw NoStore() }
            host = try Host(
                ledger: ledger, store: store, machine: HostMachine(files: CapturedFiles(shape)), enforcer: kernel)
            socket = try SocketFile(listeningAt: path, mode: 0o600, owner: nil, group: nil)
            api = APIServer(
                host: host, descriptor: socket.descriptor,
                providers: APIProviders(version: "1.2.3", machine: "captured"), settings: APISettings(),
                decisionLog: decisionLog, logger: quiet)
            api.start()
        }

        func stop() async {
            socket.remove()
            await api.stop(within: .seconds(5))
            close(socket.descriptor)
            host.stop()
            decisionLog.stop(within: 5)
        }

        /// The claim of the pod default/NAME.
        func claim(_ name: String) -> Claim? { host.ledger[Holder(kind: .pod, name: "default/\(name)")] }
    }

    private func serving(_ body: (TestCluster, TemporaryDirectory, Server) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        try await TestCluster.serving { cluster async throws -> Void in
            let server = try Server(directory)
            do { try await body(cluster, directory, server) } catch {
                await server.stop()
                throw error
            }
            await server.stop()
        }
    }

    private func enforced(_ cluster: TestCluster, _ pod: String, _ containers: [Int]) async throws -> Bool {
        try await eventually {
            let report = cluster.report(pod)
            return report?.state == .enforced && report?.claim == cluster.binding(pod)?.claim
                && report?.containers == containers.map { TestCluster.id($0) }
        }
    }

    @Test(
        "a pod's claim is made, changed, follows the containers and is released, and berthd's restart changes nothing")
    func life() async throws {
        let directory = try TemporaryDirectory()
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.pod("p", [1])
            var server = try Server(directory)
            try await cluster.withAgent(BerthHost(socket: server.path)) { _ async throws -> Void in
                try cluster.claim("p", "2-3", level: "Core")
                #expect(try await enforced(cluster, "p", [1]), "\(cluster.report("p") as Any)")
                let claim = try #require(server.claim("p"))
                #expect(claim.cpus.list == "2-3" && claim.exclusive.list == "2-3,6-7")
                #expect(claim.enforcement?.request.pod?.uid == (try cluster.uid("p")))
                try cluster.claim("p", "1", level: "Core")
                #expect(try await eventually { server.claim("p")?.cpus.list == "1" })
                cluster.run("p", [1, 2])
                #expect(try await enforced(cluster, "p", [1, 2]))
                let writes = cluster.writes(except: "q")
                await server.stop()
                server = try Server(directory)
                #expect(try await enforced(cluster, "p", [1, 2]))
                cluster.pod("q", [3])
                try cluster.claim("q", "2")
                #expect(try await enforced(cluster, "q", [3]))
                #expect(cluster.writes(except: "q") == writes && server.claim("p")?.cpus.list == "1")
                for name in ["p", "q"] { try cluster.claim(name, nil) }
                #expect(
                    try await eventually {
                        cluster.report("p")?.state == .released && cluster.report("q")?.state == .released
                    })
                #expect(server.host.ledger.count == 0)
            }
            await server.stop()
        }
    }

    @Test("a container whose cgroup appears later is reported when berthd says so, without looking at intervals")
    func late() async throws {
        try await serving { cluster, _, server async throws -> Void in
            cluster.pod("p", [1])
            server.kernel.missing.withLock { $0 = [TestCluster.id(1)] }
            try await cluster.withAgent(BerthHost(socket: server.path)) { _ async throws -> Void in
                try cluster.claim("p", "2-3")
                #expect(try await enforced(cluster, "p", []))
                server.kernel.missing.withLock { $0 = [] }
                server.host.reconcile()
                #expect(try await enforced(cluster, "p", [1]))
            }
        }
    }

    @Test(
        "CPUs that a program of the host has are refused in berthd's words, and given when the program gives them back")
    func refused() async throws {
        try await serving { cluster, _, server async throws -> Void in
            cluster.pod("p", [1])
            try await HostProgram.claim("engine", "2-3", at: server.path)
            try await cluster.withAgent(BerthHost(socket: server.path)) { _ async throws -> Void in
                try cluster.claim("p", "2-3")
                #expect(try await eventually { cluster.report("p")?.state == .refused })
                #expect(cluster.report("p")?.message.contains("run:engine") == true, "\(cluster.report("p") as Any)")
                try await HostProgram.release("engine", at: server.path)
                #expect(try await enforced(cluster, "p", [1]))
            }
        }
    }

    @Test("a pinning by a call is known again after a restart of the agent")
    func pinning() async throws {
        try await serving { cluster, _, server async throws -> Void in
            cluster.pod("p", [1])
            let called = CalledPod(key: ObjectKey(namespace: "default", name: "p"), uid: try cluster.uid("p"))
            let host = BerthHost(socket: server.path)
            try await cluster.withAgent(host) { agent async throws -> Void in
                #expect(try await eventually { agent.hasSynced })
                try await agent.apply(called, cpus: [2, 3], memoryNodes: [0])
                #expect(server.claim("p")?.cpus.list == "2-3" && server.claim("p")?.exclusive.isEmpty == true)
            }
            try await cluster.withAgent(host) { agent async throws -> Void in
                #expect(try await eventually { agent.hasSynced })
                cluster.run("p", [5])
                #expect(
                    try await eventually {
                        server.claim("p")?.enforcement?.request.pod?.containers.map(\.id) == [TestCluster.id(5)]
                    })
                try await agent.remove(called)
                #expect(server.claim("p") == nil)
            }
        }
    }
}
