import Glibc
import Host
import HostAPI
import HostClient
import Ledger
import LedgerStore
import Logging
import Machine
import Service
import Synchronization
import TestSupport
import Testing

/// The client library on a real server.
@Suite struct ClientTests {
    /// A server of the API on a socket of its own.
    private final class Server: Sendable {
        let directory: TemporaryDirectory
        let path: String
        let host: Host
        private let api: APIServer
        private let socket: SocketFile
        private let decisionLog: DecisionLog

        init(_ directory: TemporaryDirectory) throws {
            self.directory = directory
            path = "\(directory.path)/berth.sock"
            var shape = CapturedFiles.Shape()
            shape.coresPerNode = 4
            shape.threadsPerCore = 2
            shape.isolated = CPUSet([1, 2, 3, 5, 6, 7])
            shape.hugePages = [HugePagePool(sizeKB: 2048, total: 16, free: 16)]
            let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            decisionLog = try DecisionLog(
                audit: AuditLog(sink: try LineSink(path: "\(directory.path)/audit")), logger: quiet)
            guard
                case .ready(let store, let ledger) = try LedgerStore.open(
                    directory: "\(directory.path)/state", imported: nil, vfs: nil, now: wallClock, report: { _ in })
            else { throw BerthError.unreachable("no store") }
            host = try Host(
                ledger: ledger, store: store, machine: HostMachine(files: CapturedFiles(shape)))
            socket = try SocketFile(listeningAt: path, mode: 0o600, owner: nil, group: nil)
            var settings = APISettings()
            // Other tests may keep the client from sending for a while.
            settings.readTimeout = 60
            api = APIServer(
                host: host, descriptor: socket.descriptor,
                providers: APIProviders(version: "1.2.3", machine: "captured"), settings: settings,
                decisionLog: decisionLog, logger: quiet)
            api.start()
        }

        private let isStopped = Atomic(false)

        func stop() async {
            guard !isStopped.exchange(true, ordering: .relaxed) else { return }
            socket.remove()
            await api.stop(within: .seconds(5))
            close(socket.descriptor)
            host.stop()
            decisionLog.stop(within: 5)
        }
    }

    private func serving(_ body: (BerthClient, Server) async throws -> Void) async throws {
        let server = try Server(try TemporaryDirectory())
        do { try await body(BerthClient(socket: server.path), server) } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    @Test("a request names a pod's containers, and a claim says what became of each")
    func pods() async throws {
        let id = "containerd://" + String(repeating: "0f", count: 32)
        let uid = "0a1b2c3d-0000-4000-8000-000000000001"
        try await serving { client, _ in
            func code(_ container: String) async -> String? {
                var request = HostClient.ClaimRequest(cpus: .init(.list(CPUList("2"))))
                let pod = HostClient.PodReference(uid: uid, containers: [.init(name: "main", id: container)])
                request.enforcement = .init(minimum: .cpuset, pod: pod)
                do { _ = try await client.put(HostClient.Holder(.pod, "default/web"), request) } catch {
                    return error.problem?.code
                }
                return nil
            }
            // Nothing here enforces claims.
            #expect(await code(id) == "no_enforcement")
            #expect(await code("main") == "invalid_member")
        }
        let json = """
            {"holder":"pod:default/web","owner":null,"pool":"machine","cpus":"2","exclusive":"2","grants":[],"memory_nodes":[],
            "huge_pages":[],"lease":{"forever":true},"enforcement":{"phase":"active","isolation":"cpuset","minimum":"cpuset",
            "balanced":true,"pod":{"uid":"\(uid)","containers":[{"name":"main","id":"\(id)","cgroup":"/x","state":"confined"},
            {"name":"init","id":"\(id)","state":"missing"}]}},"version":"1"}
            """
        let pod = try HostClient.Claim(json: Array(json.utf8)).enforcement?.pod
        #expect(pod?.uid == uid && pod?.containers.map(\.state) == ["confined", "missing"])
        #expect(pod?.containers.map(\.cgroup) == ["/x", nil])
        #expect(pod?.containers.first?.reference == .init(name: "main", id: id))
    }

    @Test("every question and change of the API has a call, and every answer a type")
    func calls() async throws {
        try await serving { berth, server in
            let daemon = try await berth.daemon()
            #expect(daemon.version == "1.2.3" && daemon.refusal == nil && daemon.uid == Int(getuid()))
            #expect(try await berth.machine().isolated == "1-3,5-7")
            let holder = HostClient.Holder(.run, "é /x")
            let request = HostClient.ClaimRequest(
                cpus: HostClient.CPURequest(.cores(1)), memoryNodes: [0],
                hugePages: [HugePages(node: 0, sizeKB: 2048, count: 3)], lease: .process(.caller))
            let planned = try await berth.plan(holder, request)
            #expect(planned.claim.cpus == "1,5" && server.host.ledger.count == 0)
            let made = try await berth.put(holder, request)
            #expect(made.isNew && made.claim.cpus.numbers == [1, 5] && made.claim.hugePages.first?.count == 3)
            #expect(made.claim.lease == .process(pid: Int(getpid())) && made.claim.holder == "run:é /x")
            #expect(try await berth.claim(holder) == made.claim)
            #expect(try await berth.put(holder, request, ifVersion: made.claim.version).effects.changed == false)
            let renewed = try await berth.renew(holder, .seconds(60))
            guard case .until = renewed.claim.lease else { throw BerthError.malformed("\(renewed.claim.lease)") }
            var patch = HostClient.CPURequest(.count(1))
            patch.level = .none
            let patched = try await berth.patch(holder, HostClient.ClaimRequest(cpus: patch))
            #expect(patched.claim.exclusive.isEmpty && patched.claim.hugePages.count == 1)
            let pool = try #require(try await berth.pools().first)
            #expect(pool.shared == 1 && pool.exclusive + pool.shared + pool.free == pool.total)
            #expect(try await berth.claims().map(\.holder) == ["run:é /x"])
            #expect(try await berth.claims(kind: .pod).isEmpty)
            #expect(try await berth.verification() == nil)
            #expect(try await berth.metrics().contains("berth_claims"))
            #expect(try await berth.configuration().isEmpty)
            #expect(try await berth.delete(holder).claim.hugePages.first?.count == 3)
            #expect(try await berth.claim(holder) == nil)
        }
    }

    @Test("a refusal is a problem with its code, figures and holders")
    func problems() async throws {
        try await serving { berth, _ in
            let a = HostClient.Holder(.run, "a")
            _ = try await berth.create(a, HostClient.ClaimRequest(cpus: HostClient.CPURequest(.count(5))))
            let request = HostClient.ClaimRequest(cpus: HostClient.CPURequest(.count(2)))
            do throws(BerthError) {
                _ = try await berth.put(HostClient.Holder(.run, "b"), request)
                Issue.record("granted")
            } catch {
                let problem = try #require(error.problem)
                #expect(problem.code == "insufficient_cpus" && problem.status == 409)
                #expect(problem.requested == 2 && problem.available == 1)
                #expect(problem.heldBy.map(\.holder) == ["run:a"] && problem.heldBy.first?.cpus == "1-3,5-6")
                #expect("\(error)" == problem.detail)
            }
            let twice = await #expect(throws: BerthError.self) { try await berth.create(a, request) }
            #expect(twice?.problem?.code == "condition_failed")
            let gone = await #expect(throws: BerthError.self) {
                try await berth.delete(HostClient.Holder(.run, "c"))
            }
            #expect(gone?.problem?.code == "no_claim")
        }
    }

    @Test("events come from the store and go on live; the sequence ends with the daemon")
    func events() async throws {
        try await serving { berth, server in
            let request = HostClient.ClaimRequest(cpus: HostClient.CPURequest(.count(1)))
            for name in ["a", "b"] { _ = try await berth.put(HostClient.Holder(.run, name), request) }
            var seen: [String] = []
            for try await event in berth.events(after: 1) {
                guard case .decision(let decision) = event else { continue }
                seen.append("\(decision.sequence) \(decision.holder) \(decision.outcome)")
                if seen.count == 1 { _ = try await berth.delete(HostClient.Holder(.run, "a")) }
                if seen.count == 2 { break }
            }
            #expect(seen == ["2 run:b granted", "3 run:a released"])
            var all = 0
            for try await _ in berth.events(after: 0, follows: false) { all += 1 }
            #expect(all == 3)
            var newest: [HostEvent] = []
            for try await event in berth.events(last: 1, follows: false) { newest.append(event) }
            guard newest.count == 1, case .decision(let last) = newest[0] else {
                throw BerthError.malformed("\(newest)")
            }
            #expect(last.sequence == 3)
            let count = Counter()
            let waiting = Task { for try await _ in berth.events(after: 0) { count.add() } }
            #expect(try await eventually { count.value == 3 })
            await server.stop()
            try await waiting.value
        }
    }

    @Test("who follows hears that CPUs went offline or came back, and reads the machine's cores anew")
    func machineChanged() async throws {
        try await serving { berth, server in
            let machine = try await berth.machine()
            #expect(machine.coreCPUs == ["0,4", "1,5", "2,6", "3,7"] && machine.housekeeping == "0,4")
            _ = try await berth.put(
                HostClient.Holder(.run, "a"), HostClient.ClaimRequest(cpus: HostClient.CPURequest(.count(1))))
            var seen: [HostEvent] = []
            for try await event in berth.events(after: 0) {
                if !seen.isEmpty { return #expect(event == .machine) }
                seen.append(event)
                server.host.machineChanged()
            }
        }
    }

    @Test("a cancelled task waits for no event any more")
    func cancelled() async throws {
        try await serving { berth, _ in
            let waiting = Task { for try await _ in berth.events() {} }
            try await Task.sleep(for: .milliseconds(100))
            waiting.cancel()
            _ = await waiting.result
        }
    }

    @Test("hundreds of calls at a time share a few connections, and more claims than a page are all listed")
    func many() async throws {
        try await serving { berth, server in
            try await withThrowingTaskGroup { group in
                for number in 0..<300 {
                    group.addTask {
                        let request = HostClient.ClaimRequest(
                            cpus: {
                                var cpus = HostClient.CPURequest(.count(1))
                                cpus.level = .none
                                return cpus
                            }())
                        _ = try await berth.put(HostClient.Holder(.run, "\(number)"), request)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await berth.claims().count == 300)
            #expect(server.host.ledger.count == 300)
        }
    }

    @Test("where nobody serves it is said at once; a daemon that began again is met by the same client")
    func restart() async throws {
        let directory = try TemporaryDirectory()
        let client = BerthClient(socket: "\(directory.path)/berth.sock")
        let absent = await #expect(throws: BerthError.self) { try await client.daemon() }
        guard case .unreachable = absent else { throw BerthError.malformed("\(String(describing: absent))") }
        for _ in 0..<2 {
            let server = try Server(directory)
            #expect(try await client.daemon().version == "1.2.3")
            await server.stop()
        }
    }

    @Test("a daemon that does not answer is waited for no longer than was asked")
    func silent() async throws {
        let fake = try FakeDaemon { _ in .stalling([]) }
        let client = BerthClient(socket: fake.path, timeLimit: .milliseconds(200))
        let error = await #expect(throws: BerthError.self) { try await client.pools() }
        #expect(error == .timedOut)
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
            "nonsense\r\n\r\n", "",
        ] {
            let bad = try FakeDaemon { _ in .text(text) }
            let error = await #expect(throws: BerthError.self) {
                try await BerthClient(socket: bad.path, timeLimit: .seconds(5)).pools()
            }
            #expect(error != .timedOut && error?.problem == nil)
        }
    }

    @Test("the example claims cores, shows what that did, and gives them back")
    func example() async throws {
        try await serving { _, server in
            let result = try await Program.run([try Program.built("berth-client-example"), server.path, "engine"])
            #expect(result.status == 0)
            #expect(
                result.text == """
                    pool isolated: 6 of 6 CPUs are free
                    pool ordinary: 0 of 0 CPUs are free
                    run:engine has the CPUs 1-2,5-6
                    released the CPUs 1-2,5-6
                    1: put of run:engine: granted
                    2: release of run:engine: released

                    """, "\(result)")
        }
    }
}

/// A number that several tasks count up.
private final class Counter: Sendable {
    private let number = Atomic(0)
    var value: Int { number.load(ordering: .relaxed) }
    func add() { number.add(1, ordering: .relaxed) }
}
