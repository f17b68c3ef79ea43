import Kernel
import Machine
import TestSupport

/// Plain files that look like those of a kernel with cgroup v2. They follow nothing by themselves.
struct FileKernel {
    private let directory: TemporaryDirectory
    private let cpus: CPUSet
    private static let mount = "/sys/fs/cgroup"
    private static let claims = "\(mount)/berth.slice/claims"
    private let settings = KernelSettings(mount: mount)

    /// A machine of so many CPUs, on which nothing is enforced.
    init(cpus count: Int) throws {
        directory = try TemporaryDirectory(in: "/dev/shm")
        cpus = CPUSet(0...(count - 1))
        try write("/sys/devices/system/cpu", ["online": cpus.list, "isolated": ""])
        try write("/sys/devices/system/cpu/cpu0/topology", ["thread_siblings_list": "0-1"])
        try write(
            Self.mount,
            ["cgroup.controllers": "cpuset cpu memory", "cpuset.cpus.effective": cpus.list, "cpuset.cpus.isolated": ""])
    }

    private var files: RootedKernelFiles { RootedKernelFiles(root: directory.path) }
    var enforcer: KernelEnforcer { KernelEnforcer(files: files, settings: settings) }

    func state() throws -> KernelState { try KernelState.read(files, enforcer.hierarchy, settings) }

    /// Makes the cgroup of a claim.
    func add(_ cgroup: ClaimCgroup) throws {
        try write(
            "\(Self.mount)\(cgroup.path)",
            [
                "cpuset.cpus": cgroup.cpus.list, "cpuset.cpus.effective": cgroup.cpus.list,
                "cpuset.mems": cgroup.memoryNodes.list, "cgroup.procs": "",
            ])
    }

    /// Makes the partition of all claims.
    func follow(_ partition: CPUSet) throws {
        let files = [
            "cpuset.cpus": partition.list, "cpuset.cpus.effective": partition.list,
            "cpuset.cpus.exclusive": "", "cpuset.cpus.partition": "root", "cgroup.procs": "",
        ]
        try write("\(Self.mount)/berth.slice", files)
        try write(Self.claims, files.merging(["cpuset.cpus.partition": "member"]) { $1 })
        try write(Self.mount, ["cpuset.cpus.effective": cpus.subtracting(partition).list])
    }

    private func write(_ place: String, _ files: [String: String]) throws {
        try directory.write(
            Dictionary(uniqueKeysWithValues: files.map { ("\(place.dropFirst())/\($0.key)", $0.value + "\n") }))
    }
}
