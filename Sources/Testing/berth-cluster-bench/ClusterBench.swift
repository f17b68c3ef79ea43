import ArgumentParser
import Cluster
import ClusterStandIn
import Glibc
import KubernetesClient
import Logging

/// Measures the programs of a cluster in this process, against a stand-in for an API server; prints a JSON object a line, for
/// `Benchmarks/run`.
@main
struct ClusterBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-cluster-bench",
        abstract: "Measures the controller and the extender of a cluster with many nodes.")

    @Option(help: "The nodes, of 128 CPUs each.")
    var nodes = 5_000

    @Option(help: "The bindings that there are.")
    var bindings = 50_000

    @Option(help: "How often a filter and a prioritize are asked.")
    var rounds = 500

    @Option(help: "The pods that are scheduled, on a tenth of the nodes: a scheduler looks at no more of so many.")
    var pods = 10_000

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let cluster = try await BenchCluster(nodes: nodes, bindings: bindings)
        let clock = ContinuousClock()
        let controller = try ControllerProcess(kubeconfig: cluster.kubeconfig)
        try await measure(controller, cluster)
        let extender = Extender(try cluster.client())
        let running = Task { await extender.run() }
        let start = try await clock.measure {
            while !extender.isReady || extender.known.bindings < bindings {
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        report("extender-start", "s", [start / .seconds(1)])
        try await questions(ExtenderPaths(extender, prefix: ""), cluster)
        try await schedule(ExtenderPaths(extender, prefix: ""), cluster)
        running.cancel()
        await running.value
        await cluster.server.stop()
    }

    /// The controller's start, what it then uses, and how long a new binding waits for its claim.
    private func measure(_ controller: ControllerProcess, _ cluster: BenchCluster) async throws {
        let clock = ContinuousClock()
        let start = try await clock.measure {
            while await controller.reconciled() < bindings { try await Task.sleep(for: .milliseconds(20)) }
        }
        report("controller-start", "s", [start / .seconds(1)])
        let before = controller.usage
        report("controller-memory", "MB", [before.memory])
        try await Task.sleep(for: .seconds(10))
        report("controller-idle", "%", [(controller.usage.cpu - before.cpu) * 10])
        let hears = controller.usage
        let others = 2_000
        for number in 0..<others { cluster.makeOtherPod(number) }
        try await Task.sleep(for: .seconds(2))
        report("controller-other-pods", "ms", [(controller.usage.cpu - hears.cpu) * 1_000 / Double(others)])
        try await follow(cluster)
        var times: [Double] = []
        for round in 0..<min(rounds, 200, cluster.names.count) {
            let node = cluster.names[round]
            let begin = clock.now
            // The last core, which no other binding has.
            let path = cluster.makeBinding(named: "new-\(round)", on: node, cpu: 63)
            while cluster.get(path)["status"]?["claim"] == nil { try await Task.sleep(for: .milliseconds(1)) }
            times.append((clock.now - begin) / .milliseconds(1))
        }
        report("controller-claim", "ms", times)
        try await pin(cluster)
    }

    /// What `berth-node` uses beside all these bindings, when its node's topology is published and nothing changes.
    private func follow(_ cluster: BenchCluster) async throws {
        let name = "quiet.example.internal"
        cluster.makeNode(name, isPublished: false)
        let node = try NodePrograms(name, kubeconfig: cluster.kubeconfig)
        let clock = ContinuousClock()
        let begin = clock.now
        while !cluster.isPublished(name) {
            guard clock.now - begin < .seconds(60) else { throw NotPublished(node: name) }
            try await Task.sleep(for: .milliseconds(10))
        }
        try await Task.sleep(for: .seconds(2))
        let before = node.usage
        report("node-memory", "MB", [before.memory])
        let version = cluster.version(ofNode: name)
        try await Task.sleep(for: .seconds(10))
        report("node-idle", "%", [(node.usage.cpu - before.cpu) * 10])
        guard cluster.version(ofNode: name) == version else { throw NotPublished(node: name) }
    }

    /// A node does not publish its topology once, and no more.
    private struct NotPublished: Error {
        let node: String
    }

    /// How long a new binding of a running pod waits until its node has written the pod's CPUs and read them back. The pods
    /// stay, and their CPUs with them.
    private func pin(_ cluster: BenchCluster) async throws {
        let (name, clock) = ("pinning.example.internal", ContinuousClock())
        cluster.makeNode(name)
        let node = try BenchNode(name, cluster.client())
        while !node.isReady { try await Task.sleep(for: .milliseconds(10)) }
        var times: [Double] = []
        for cpu in 2..<min(2 + rounds, 127) where cpu != 64 {
            let pod = cluster.makeRunningPod("pinned-\(cpu)", on: name, bindings + cpu)
            try node.start(pod)
            let begin = clock.now
            let path = cluster.makeBinding(of: pod.name, cpu: cpu)
            while cluster.get(path)["status"]?["node"]?["state"] != "Enforced" {
                guard clock.now - begin < .seconds(30) else { throw NotPinned(binding: cluster.get(path)) }
                try await Task.sleep(for: .milliseconds(1))
            }
            times.append((clock.now - begin) / .milliseconds(1))
            guard node.cpus(of: pod) == "\(cpu)" else { throw NotPinned(binding: cluster.get(path)) }
        }
        await node.stop()
        report("node-pinned", "ms", times)
    }

    /// A node does not do what its binding says.
    private struct NotPinned: Error {
        let binding: JSONValue
    }

    /// A filter and a prioritize over HTTP, as one figure; and the same exchange with answers that are there already.
    private func questions(_ paths: ExtenderPaths, _ cluster: BenchCluster) async throws {
        guard let address = ListenAddress("127.0.0.1:0") else { return }
        let quiet = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
        let listener = HTTPListener(address, limits: ExtenderPaths.limits, logger: quiet) {
            await paths.respond(to: $0)
        }
        try await listener.start()
        for (name, cpus) in [("fits", "8"), ("refused", "60")] {
            let filter = BenchCluster.question(pod: BenchCluster.pod("x", cpus: cpus), cluster.names)
            let client = try BlockingClient(port: listener.port)
            let answers = [try client.post("/filter", filter), try client.post("/prioritize", filter)]
            let floor = HTTPListener(address, limits: ExtenderPaths.limits, logger: quiet) { request in
                ServedAnswer(200, "application/json", answers[request.path == "/filter" ? 0 : 1])
            }
            try await floor.start()
            let bare = try BlockingClient(port: floor.port)
            var (times, floors): ([Double], [Double]) = ([], [])
            let clock = ContinuousClock()
            for _ in 0..<rounds {
                times.append(
                    try clock.measure {
                        _ = try client.post("/filter", filter)
                        _ = try client.post("/prioritize", filter)
                    } / .milliseconds(1))
                floors.append(
                    try clock.measure {
                        _ = try bare.post("/filter", filter)
                        _ = try bare.post("/prioritize", filter)
                    } / .milliseconds(1))
            }
            report("extender-\(name)", "ms", times, floors: floors)
            await floor.stop()
        }
        await listener.stop()
    }

    /// All pods, through a scheduler's loop.
    private func schedule(_ paths: ExtenderPaths, _ cluster: BenchCluster) async throws {
        let waiting = (0..<pods).map { cluster.makePod("pod-\($0)") }
        let loop = SchedulerLoop(
            waiting, nodes: Array(cluster.names.prefix(max(nodes / 10, 1))), seed: 1, backoff: .seconds(1))
        let time = await ContinuousClock().measure {
            await loop.run { verb, question in
                let answer = await paths.respond(
                    to: ServedRequest(method: "POST", path: "/\(verb)", body: question.bytes))
                return try? JSONValue(answer.body)
            }
        }
        for (error, count) in loop.errors { note("\(count) × \(error)") }
        report("extender-pods", "pods/s", [Double(loop.bound) / (time / .seconds(1))])
    }

    /// The median and the 99th percentile.
    private func report(_ name: String, _ unit: String, _ values: [Double], floors: [Double] = []) {
        func rank(_ values: [Double], _ part: Double) -> Double {
            values.sorted()[min(Int(Double(values.count) * part), values.count - 1)]
        }
        var json: JSONValue = ["name": .string(name), "unit": .string(unit)]
        json["p50"] = .number("\(rank(values, 0.5))")
        json["p99"] = .number("\(rank(values, 0.99))")
        if !floors.isEmpty {
            json["floor p50"] = .number("\(rank(floors, 0.5))")
            json["floor p99"] = .number("\(rank(floors, 0.99))")
        }
        print(String(decoding: json.bytes, as: UTF8.self))
        fflush(nil)
    }

    private func note(_ text: String) { _ = "\(text)\n".withCString { write(STDERR_FILENO, $0, strlen($0)) } }
}
