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
import TestSupport

/// `berthd` and `berth-node` of one node, in this process. The kernel's control groups are plain files in memory.
final class BenchNode: Sendable {
    private let directory: TemporaryDirectory
    private let kernel: FollowingFiles
    private let host: Host
    private let api: APIServer
    private let socket: SocketFile
    private let decisionLog: DecisionLog
    private let agent: NodeAgent
    private let running: Task<Void, Never>

    struct NoStore: Error {}

    private static let cgroups = "/sys/fs/cgroup"

    /// Starts them for a node of ``BenchCluster``.
    init(_ name: String, _ client: ClusterClient) throws {
        let quiet = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
        directory = try TemporaryDirectory(in: "/dev/shm")
        kernel = FollowingFiles(directory)
        var shape = CapturedFiles.Shape()
        (shape.packages, shape.coresPerNode, shape.threadsPerCore) = (2, 32, 2)
        let machine = CapturedFiles(shape)
        try kernel.make(
            "/sys/devices/system/cpu", ["online": "0-127", "present": "0-127", "possible": "0-127", "isolated": ""])
        try kernel.make("/sys/devices/system/cpu/cpu0/topology", ["thread_siblings_list": "0,64"])
        try kernel.make("/proc/sys/kernel/random", ["boot_id": "bench"])
        try kernel.makeCgroup("", cpus: "0-127")
        for path in ["/kubepods", "/kubepods/burstable"] { try kernel.makeCgroup(path) }
        decisionLog = try DecisionLog(
            audit: AuditLog(sink: try LineSink(path: "\(directory.path)/audit")), logger: quiet)
        guard
            case .ready(let store, let ledger) = try LedgerStore.open(
                directory: "\(directory.path)/state", imported: nil, vfs: nil, now: wallClock, report: { _ in })
        else { throw NoStore() }
        host = try Host(
            ledger: ledger, store: store, machine: HostMachine(files: machine),
            enforcer: KernelEnforcer(files: kernel, settings: KernelSettings(mount: Self.cgroups)))
        let path = "\(directory.path)/berth.sock"
        socket = try SocketFile(listeningAt: path, mode: 0o600, owner: nil, group: nil)
        api = APIServer(
            host: host, descriptor: socket.descriptor, providers: APIProviders(version: "0", machine: "captured"),
            settings: APISettings(), decisionLog: decisionLog, logger: quiet)
        api.start()
        let agent = NodeAgent(node: name, client: client, host: BerthHost(socket: path), log: quiet)
        running = Task { await agent.run() }
        self.agent = agent
    }

    /// Whether the cluster has been read.
    var isReady: Bool { agent.hasSynced }

    /// Makes the cgroups of a pod with one container, as a kubelet does.
    func start(_ pod: BenchCluster.RunningPod) throws {
        try kernel.makeCgroup(Self.path(pod))
        try kernel.makeCgroup("\(Self.path(pod))/\(pod.container.dropFirst("containerd://".count))")
    }

    /// The CPUs of a pod's cgroup.
    func cpus(of pod: BenchCluster.RunningPod) -> String { kernel.cpus(of: Self.path(pod)) }

    private static func path(_ pod: BenchCluster.RunningPod) -> String { "/kubepods/burstable/pod\(pod.uid)" }

    func stop() async {
        running.cancel()
        await running.value
        socket.remove()
        await api.stop(within: .seconds(5))
        close(socket.descriptor)
        host.stop()
        decisionLog.stop(within: 5)
    }
}

/// Plain files below a directory. What is written to a cgroup's CPUs is what its processes get, as a kernel does it.
private struct FollowingFiles: KernelFiles {
    private let directory: TemporaryDirectory
    private let files: RootedKernelFiles

    private static let mount = "/sys/fs/cgroup"
    private static let all = "0-127"

    init(_ directory: TemporaryDirectory) {
        self.directory = directory
        files = RootedKernelFiles(root: directory.path)
    }

    func make(_ place: String, _ contents: [String: String]) throws {
        try directory.write(
            Dictionary(uniqueKeysWithValues: contents.map { ("\(place.dropFirst())/\($0.key)", $0.value + "\n") }))
    }

    /// Makes a cgroup with the controllers that matter.
    func makeCgroup(_ path: String, cpus: String = "") throws {
        try make(
            Self.mount + path,
            [
                "cgroup.controllers": "cpuset cpu memory", "cgroup.subtree_control": "cpuset cpu memory",
                "cgroup.procs": "", "cpuset.cpus": cpus, "cpuset.mems": "", "cpuset.cpus.effective": Self.all,
                "cpuset.mems.effective": "0-1", "cpuset.cpus.partition": "member",
            ])
    }

    func cpus(of path: String) -> String {
        ((try? read("\(Self.mount)\(path)/cpuset.cpus")) ?? "").filter { $0 != "\n" }
    }

    func read(_ path: String) throws(SystemError) -> String { try files.read(path) }

    func write(_ text: String, to path: String) throws(SystemError) {
        try files.write(text, to: path)
        guard path.hasSuffix("/cpuset.cpus") else { return }
        try files.write(text == "\n" ? Self.all + "\n" : text, to: path + ".effective")
    }

    func entries(_ path: String) throws(SystemError) -> [String] { try files.entries(path) }
    func makeDirectory(_ path: String) throws(SystemError) { try files.makeDirectory(path) }
    func removeDirectory(_ path: String) throws(SystemError) { try files.removeDirectory(path) }
}
