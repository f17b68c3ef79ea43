/// Reads a machine from the files of `/sys`.
///
/// Nothing is cached between calls: each answer is what the files say now. The narrow reads are what the EPA frontend
/// needs for a request; ``read()`` reads everything.
package struct MachineReader: Sendable {
    let files: any MachineFiles

    /// A reader of `files`.
    package init(files: any MachineFiles) {
        self.files = files
    }

    /// The whole machine.
    ///
    /// A file that only part of the model depends on and that cannot be parsed is named in ``Machine/problems`` and left
    /// out.
    ///
    /// - Throws: ``MachineError`` where no CPU is known to run, or the list of online or isolated CPUs is malformed.
    package func read() throws(MachineError) -> Machine {
        var pass = TopologyPass(files: files)
        return try pass.machine()
    }

    /// The isolated CPUs (`cpu/isolated`), absent and offline ones included. Empty where the file is absent or
    /// unreadable, or says nothing (whitespace, NUL, `(null)`).
    ///
    /// - Throws: ``CPUListError`` where the list is malformed.
    package func isolated() throws(CPUListError) -> CPUSet {
        try Self.isolated(isolatedText())
    }

    /// The content of `cpu/isolated`, or nil where the file is absent or unreadable.
    package func isolatedText() -> [UInt8]? { files.read("\(SysPath.cpus)/isolated") }

    /// The content of `cpu/online`, or nil where the file is absent or unreadable.
    package func onlineText() -> [UInt8]? { files.read("\(SysPath.cpus)/online") }

    /// The content of `cpu/present`, or nil where the file is absent or unreadable.
    package func presentText() -> [UInt8]? { files.read("\(SysPath.cpus)/present") }

    /// The names in the directory of the NUMA nodes; nil where there is none.
    package func nodeEntries() -> [String]? { files.entries(of: SysPath.nodes) }

    /// The isolated CPUs that the content of `cpu/isolated` names.
    package static func isolated(_ text: [UInt8]?) throws(CPUListError) -> CPUSet {
        guard let text else { return CPUSet() }
        return try KernelText.list(text)
    }

    /// The CPUs without the periodic tick (`cpu/nohz_full`); empty where the file says nothing or is malformed.
    package func nohzFull() -> CPUSet {
        files.read("\(SysPath.cpus)/nohz_full").flatMap { try? KernelText.list($0) } ?? CPUSet()
    }

    /// The CPUs that run: `cpu/online`, or what follows from other files where that is absent or empty. Nil where
    /// nothing says so or the list is malformed.
    package func online() -> CPUSet? {
        if let text = files.read("\(SysPath.cpus)/online") {
            guard let listed = try? KernelText.list(text) else { return nil }
            if !listed.isEmpty { return listed }
        }
        let derived = derivedOnline()
        return derived.isEmpty ? nil : derived
    }

    /// The ids of the NUMA nodes, ascending: the directories `node<digits>`. Nil where there is no directory of nodes.
    package func nodeIDs() -> [Int]? {
        guard let names = files.entries(of: SysPath.nodes) else { return nil }
        let ids = names.compactMap { name in
            // The directory is opened by its number again, so `node007` does not count.
            KernelText.number(in: name, after: "node").flatMap { name == "node\($0)" ? $0 : nil }
        }
        return Set(ids).sorted()
    }

    /// The CPUs of a node as the kernel lists them, offline ones included: its `cpulist`, else its `cpumap`, else its
    /// `cpu<N>` entries. Nil where there is no such node or it has none of these.
    ///
    /// - Throws: ``CPUListError`` where the first of these files that exists is malformed.
    package func nodeCPUs(_ id: Int) throws(CPUListError) -> CPUSet? {
        let directory = SysPath.node(id)
        if let text = files.read("\(directory)/cpulist") { return try KernelText.list(text) }
        if let text = files.read("\(directory)/cpumap") { return try KernelText.mask(text) }
        let cpus = CPUSet(
            (files.entries(of: directory) ?? []).lazy.compactMap { KernelText.number(in: $0, after: "cpu") })
        return cpus.isEmpty ? nil : cpus
    }

    /// The siblings of `cpu` as the kernel lists them, itself and offline ones included (`thread_siblings_list`, else
    /// the mask `thread_siblings`). Nil where neither file exists or its content is malformed.
    package func siblings(of cpu: Int) -> CPUSet? {
        if let text = files.read(SysPath.topology(of: cpu, "thread_siblings_list")) {
            return try? KernelText.list(text)
        }
        return files.read(SysPath.topology(of: cpu, "thread_siblings")).flatMap { try? KernelText.mask($0) }
    }

    /// The pools of huge pages of a node, ascending by size: the directories `hugepages-<digits>kB` that have
    /// `nr_hugepages`. A count that is unreadable or no number is 0. Nil where there is no such node; empty where it
    /// has no pools.
    ///
    /// - Parameter onlyFree: reads only how many pages there are and how many are free; the other counts are 0.
    package func hugePages(ofNode id: Int, onlyFree: Bool = false) -> [HugePagePool]? {
        if let pools = pools(ofNode: id, onlyFree: onlyFree) { return pools }
        // One read usually shows that the node exists; its CPU list may be missing in a dump.
        let exists =
            files.read("\(SysPath.node(id))/cpulist") != nil
            || files.entries(of: SysPath.nodes)?.contains("node\(id)") == true
        return exists ? [] : nil
    }

    /// The pools of a node; nil where it has no directory of them.
    func pools(ofNode id: Int, onlyFree: Bool = false) -> [HugePagePool]? {
        let directory = "\(SysPath.node(id))/hugepages"
        guard let names = files.entries(of: directory) else { return nil }
        var pools: [HugePagePool] = []
        for name in names {
            guard let size = KernelText.number(in: name, after: "hugepages-", before: "kB"),
                pools.last?.sizeKB != size,
                let total = files.read("\(directory)/\(name)/nr_hugepages")
            else { continue }
            func count(_ content: [UInt8]?) -> Int { max(KernelText.number(content) ?? 0, 0) }
            let free = count(files.read("\(directory)/\(name)/free_hugepages"))
            if onlyFree {
                pools.append(HugePagePool(sizeKB: size, total: count(total), free: free))
                continue
            }
            // Kernels of today count reservations for the whole machine only.
            let reserved = count(
                files.read("\(directory)/\(name)/resv_hugepages")
                    ?? files.read("\(SysPath.hugePages)/\(name)/resv_hugepages"))
            pools.append(
                HugePagePool(
                    sizeKB: size, total: count(total), free: free,
                    surplus: count(files.read("\(directory)/\(name)/surplus_hugepages")),
                    reserved: min(reserved, free)))
        }
        return pools.sorted { $0.sizeKB < $1.sizeKB }
    }

    // MARK: - Online CPUs without `cpu/online`

    /// The highest CPU number that is probed where no list says how many CPUs there are.
    private static let furthestProbe = 8_191
    /// The search ends after this many absent CPUs in a row.
    private static let longestGap = 512

    /// The CPUs that run according to `cpuN/online`, for the CPUs that `present`, else `possible`, else the node lists, else
    /// the existence of their files name. Old kernels and many dumps have no `cpu/online`.
    private func derivedOnline() -> CPUSet {
        let readable = CPUSet(0...MachineError.highestCPU)
        if let present = list("\(SysPath.cpus)/present")?.intersection(readable) {
            // A CPU without the file cannot be taken offline.
            return CPUSet(present.lazy.filter { isSwitchedOn($0) != false })
        }
        var candidates = list("\(SysPath.cpus)/possible")
        if candidates == nil {
            let nodes = (nodeIDs() ?? []).compactMap { try? nodeCPUs($0) }.reduce(CPUSet()) { $0.union($1) }
            if !nodes.isEmpty { candidates = nodes }
        }
        if let candidates = candidates?.intersection(readable) {
            return CPUSet(candidates.lazy.filter { isSwitchedOn($0) ?? hasTopology($0) })
        }
        var online = CPUSet()
        var gap = 0
        for cpu in 0...Self.furthestProbe {
            guard let isOnline = isSwitchedOn(cpu) ?? (hasTopology(cpu) ? true : nil) else {
                gap += 1
                if gap == Self.longestGap { break }
                continue
            }
            gap = 0
            if isOnline { online.insert(cpu) }
        }
        return online
    }

    private func list(_ path: String) -> CPUSet? {
        guard let text = files.read(path), let list = try? KernelText.list(text), !list.isEmpty else { return nil }
        return list
    }

    private func isSwitchedOn(_ cpu: Int) -> Bool? {
        KernelText.number(files.read("\(SysPath.cpu(cpu))/online")).map { $0 != 0 }
    }

    private func hasTopology(_ cpu: Int) -> Bool {
        ["thread_siblings_list", "thread_siblings", "core_id", "physical_package_id"].contains {
            files.read(SysPath.topology(of: cpu, $0)) != nil
        }
    }
}
