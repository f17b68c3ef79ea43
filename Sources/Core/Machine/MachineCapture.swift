import Synchronization

/// Copies the files that describe a machine, to replay it elsewhere.
package enum MachineCapture {
    /// The files of `files` that ``MachineReader`` reads, and some more that help a person who studies the machine.
    /// Reading the capture gives the machine that reading `files` gives.
    ///
    /// - Parameter name: what to call the machine.
    package static func capture(_ files: any MachineFiles, name: String) -> CapturedFiles {
        let recorder = RecordingFiles(files)
        let reader = MachineReader(files: recorder)
        // A machine that cannot be read is captured as far as it goes: that is what a report of the fault needs.
        let machine = try? reader.read()
        _ = try? reader.isolated()
        let nodeIDs = reader.nodeIDs() ?? []
        for file in ["online", "offline", "present", "possible", "nohz_full", "kernel_max"] {
            _ = recorder.read("\(SysPath.cpus)/\(file)")
        }
        for file in ["online", "possible", "has_cpu", "has_memory", "has_normal_memory"] where !nodeIDs.isEmpty {
            _ = recorder.read("\(SysPath.nodes)/\(file)")
        }
        for id in nodeIDs {
            _ = try? reader.nodeCPUs(id)
            for pool in reader.hugePages(ofNode: id) ?? [] {
                _ = recorder.read("\(SysPath.hugePages)/hugepages-\(pool.sizeKB)kB/resv_hugepages")
            }
            _ = recorder.read("\(SysPath.node(id))/meminfo")
            _ = recorder.read("\(SysPath.node(id))/distance")
        }
        let cpus = machine?.present ?? reader.online() ?? CPUSet()
        for cpu in cpus.intersection(CPUSet(0...MachineError.highestCPU)) { readAll(of: cpu, recorder) }
        return CapturedFiles(name: name, files: recorder.recorded)
    }

    private static let topologyLists = [
        "thread_siblings", "core_cpus", "core_siblings", "package_cpus", "die_cpus", "cluster_cpus", "book_siblings",
        "drawer_siblings",
    ]
    private static let topologyIDs = [
        "core_id", "physical_package_id", "die_id", "cluster_id", "book_id", "drawer_id",
    ]

    /// Reads all files of a CPU. The reader skips those that other CPUs' files already imply; a person wants to see them.
    private static func readAll(of cpu: Int, _ files: RecordingFiles) {
        let signs = ["online", "topology/thread_siblings_list", "topology/core_id", "cache/index0/level"]
        guard signs.filter({ files.read("\(SysPath.cpu(cpu))/\($0)") != nil }).count > 0 else { return }
        _ = files.read(SysPath.capacity(of: cpu))
        _ = files.read(SysPath.model(of: cpu))
        for file in topologyLists where files.read(SysPath.topology(of: cpu, "\(file)_list")) == nil {
            _ = files.read(SysPath.topology(of: cpu, file))
        }
        for file in topologyIDs { _ = files.read(SysPath.topology(of: cpu, file)) }
        for index in 0..<10 where files.read(SysPath.cache(of: cpu, index, "level")) != nil {
            for file in ["type", "size", "id"] { _ = files.read(SysPath.cache(of: cpu, index, file)) }
            if files.read(SysPath.cache(of: cpu, index, "shared_cpu_list")) == nil {
                _ = files.read(SysPath.cache(of: cpu, index, "shared_cpu_map"))
            }
        }
    }
}

/// Records what is read of other files.
private final class RecordingFiles: MachineFiles {
    private let files: any MachineFiles
    private let record = Mutex<[String: String]>([:])

    init(_ files: any MachineFiles) {
        self.files = files
    }

    /// What was read, by path.
    var recorded: [String: String] { record.withLock { $0 } }

    func read(_ path: String) -> [UInt8]? {
        guard let content = files.read(path) else { return nil }
        record.withLock { $0[path] = String(decoding: content, as: UTF8.self) }
        return content
    }

    func entries(of directory: String) -> [String]? {
        guard let names = files.entries(of: directory) else { return nil }
        record.withLock { record in
            record["\(directory)/"] = ""
            // Directories whose existence alone means something, unlike `has_cpu` or `cpumap`.
            for name in names where ["node", "cpu", "hugepages-"].contains(where: { Self.isNumbered(name, $0) }) {
                record["\(directory)/\(name)/"] = ""
            }
        }
        return names
    }

    private static func isNumbered(_ name: String, _ prefix: String) -> Bool {
        KernelText.number(in: name, after: prefix, before: name.hasSuffix("kB") ? "kB" : "") != nil
    }
}
