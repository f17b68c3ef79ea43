/// Reads everything that a ``Machine`` holds, once.
struct TopologyPass {
    let files: any MachineFiles
    private let reader: MachineReader
    var problems: [MachineProblem] = []
    /// Sets by their text: the CPUs of a package all repeat the same list.
    private var known: [[UInt8]: CPUSet] = [:]

    init(files: any MachineFiles) {
        self.files = files
        reader = MachineReader(files: files)
    }

    mutating func machine() throws(MachineError) -> Machine {
        let isolated = try isolated()
        let online = try online()
        let present = list("\(SysPath.cpus)/present").flatMap { $0.isEmpty ? nil : $0 }
        let cores = Groups(online: online) { cpu in
            shared(cpu, "thread_siblings") ?? shared(cpu, "core_cpus")
        }
        let packages = packages(of: online)
        let coreSets = CPUPartition(cores.sets)
        let dies = groups(of: online, "die_cpus", id: "die_id").sets.filter { coreSets.areWhole(in: $0) }
        let clusters = groups(of: online, "cluster_cpus", id: "cluster_id").sets.filter { coreSets.areWhole(in: $0) }
        let books = groups(of: online, "book_siblings", id: nil)
        let drawers = groups(of: online, "drawer_siblings", id: nil)
        let caches = caches(of: online, cores: coreSets)
        let coreKinds = coreKinds(of: online)
        let nodes = nodes(online: online)
        let nohzFull = list("\(SysPath.cpus)/nohz_full") ?? CPUSet()
        return Machine(
            online: online, present: present, isolated: isolated, nohzFull: nohzFull, cores: cores.sets,
            packages: packages, dies: dies, clusters: clusters, books: books.sets, drawers: drawers.sets,
            l2Groups: caches.l2, l3Groups: caches.l3, coreKinds: coreKinds, nodes: nodes,
            problems: problems)
    }

    // MARK: - CPUs

    private func isolated() throws(MachineError) -> CPUSet {
        do {
            return try reader.isolated()
        } catch {
            throw .malformed(path: "\(SysPath.cpus)/isolated", error)
        }
    }

    private func online() throws(MachineError) -> CPUSet {
        if let text = files.read("\(SysPath.cpus)/online") {
            do {
                _ = try KernelText.list(text)
            } catch {
                throw .malformed(path: "\(SysPath.cpus)/online", error)
            }
        }
        guard let online = reader.online() else { throw .noCPUs }
        if let last = online.last, last > MachineError.highestCPU { throw .tooHigh(last) }
        return online
    }

    // MARK: - Groups of CPUs

    /// Disjoint sets of online CPUs, found by reading the files of each CPU that is in none yet.
    struct Groups {
        let online: CPUSet
        var sets: [CPUSet] = []
        var members = CPUSet()

        init(online: CPUSet) {
            self.online = online
        }

        /// The groups that `shared` returns; a CPU for which it returns nil is alone.
        init(online: CPUSet, shared: (Int) -> CPUSet?) {
            self.init(online: online)
            for cpu in online where !members.contains(cpu) {
                add(shared(cpu) ?? CPUSet(), with: cpu)
            }
        }

        /// Adds what `shared` holds of online CPUs in no group yet, and `cpu` in any case.
        mutating func add(_ shared: CPUSet, with cpu: Int) {
            var set = shared.intersection(online).subtracting(members)
            set.insert(cpu)
            members.formUnion(set)
            sets.append(set)
        }

        func contains(_ cpu: Int) -> Bool { members.contains(cpu) }
    }

    /// The groups that `<file>_list` or the mask `<file>` lists. A CPU without the file, or whose id is unknown to the
    /// kernel (-1; 65535 on x86), is in none.
    private mutating func groups(of online: CPUSet, _ file: String, id: String?) -> Groups {
        var groups = Groups(online: online)
        for cpu in online where !groups.contains(cpu) {
            guard let shared = shared(cpu, file) else { continue }
            if let id, let number = KernelText.number(files.read(SysPath.topology(of: cpu, id))),
                number < 0 || number == 65_535
            {
                continue
            }
            groups.add(shared, with: cpu)
        }
        return groups
    }

    /// The groups of whole cores that share unified or data caches of level 2 and 3. A group with part of a core is left
    /// out, as hwloc does: hypervisors and hotplug make such groups, and no cache is like that.
    private mutating func caches(of online: CPUSet, cores: CPUPartition) -> (l2: [CPUSet], l3: [CPUSet]) {
        var l2 = Groups(online: online)
        var l3 = Groups(online: online)
        for cpu in online where !(l2.contains(cpu) && l3.contains(cpu)) {
            for index in 0..<10 {
                guard let levelText = files.read(SysPath.cache(of: cpu, index, "level")) else { break }
                let level = KernelText.number(levelText)
                guard level == 2 && !l2.contains(cpu) || level == 3 && !l3.contains(cpu) else { continue }
                let type = files.read(SysPath.cache(of: cpu, index, "type")).map(KernelText.trimmed) ?? []
                guard !type.elementsEqual("Instruction".utf8) else { continue }
                guard
                    var shared = cpus(
                        list: SysPath.cache(of: cpu, index, "shared_cpu_list"),
                        mask: SysPath.cache(of: cpu, index, "shared_cpu_map"))
                else { continue }
                // Some kernels leave the set of a core's own cache empty.
                if shared.isEmpty { shared = cores.group(of: cpu) ?? shared }
                if level == 2 { l2.add(shared, with: cpu) } else { l3.add(shared, with: cpu) }
            }
        }
        return (whole(l2, "L2", cores), whole(l3, "L3", cores))
    }

    /// The groups that consist of whole cores; the others are problems.
    private mutating func whole(_ groups: Groups, _ level: String, _ cores: CPUPartition) -> [CPUSet] {
        groups.sets.filter { group in
            if cores.areWhole(in: group) { return true }
            problems.append(
                MachineProblem(
                    path: "\(SysPath.cpu(group.first ?? 0))/cache",
                    reason: "the \(level) cache of CPUs \(group.list) has part of a core only"))
            return false
        }
    }

    // MARK: - Nodes

    private mutating func nodes(online: CPUSet) -> [Node] {
        guard let ids = reader.nodeIDs() else { return [] }
        let onlineNodes = list("\(SysPath.nodes)/online").map(Array.init) ?? ids
        return ids.map { id in
            Node(
                id: id, rawCPUs: nodeCPUs(id), online: online, memoryBytes: memory(ofNode: id),
                distances: distances(ofNode: id, onlineNodes: onlineNodes, directories: ids),
                hugePages: reader.pools(ofNode: id) ?? [])
        }
    }

    private mutating func nodeCPUs(_ id: Int) -> CPUSet {
        do {
            return try reader.nodeCPUs(id) ?? CPUSet()
        } catch {
            problems.append(MachineProblem(path: "\(SysPath.node(id))/cpulist", reason: "\(error)"))
            return mask("\(SysPath.node(id))/cpumap") ?? CPUSet()
        }
    }

    private mutating func memory(ofNode id: Int) -> Int? {
        let path = "\(SysPath.node(id))/meminfo"
        guard let text = files.read(path) else { return nil }
        let fields = text.split { $0 <= 0x20 }
        guard let label = fields.firstIndex(where: { $0.elementsEqual("MemTotal:".utf8) }), label + 1 < fields.count,
            let kilobytes = KernelText.number(Array(fields[label + 1])), kilobytes >= 0
        else {
            problems.append(MachineProblem(path: path, reason: "no MemTotal (expected \"MemTotal: N kB\")"))
            return nil
        }
        let (bytes, overflow) = kilobytes.multipliedReportingOverflow(by: 1_024)
        return overflow ? nil : bytes
    }

    /// The columns are the online nodes in the order of their ids, whatever the ids are.
    private mutating func distances(ofNode id: Int, onlineNodes: [Int], directories: [Int]) -> [Int: Int] {
        let path = "\(SysPath.node(id))/distance"
        guard let text = files.read(path) else { return [:] }
        let fields = KernelText.trimmed(text).split { $0 <= 0x20 }
        let values = fields.compactMap { KernelText.number(Array($0)) }
        guard values.count == fields.count,
            let columns = [onlineNodes, directories].first(where: { $0.count == values.count })
        else {
            let reason = "expected \(onlineNodes.count) numbers, one for each online node"
            problems.append(MachineProblem(path: path, reason: reason))
            return [:]
        }
        return Dictionary(zip(columns, values)) { first, _ in first }
    }

    // MARK: - Sets in files

    /// The CPUs that `cpu` shares something with: `topology/<file>_list`, else the mask `topology/<file>`.
    mutating func shared(_ cpu: Int, _ file: String) -> CPUSet? {
        cpus(list: SysPath.topology(of: cpu, "\(file)_list"), mask: SysPath.topology(of: cpu, file))
    }

    private mutating func cpus(list: String, mask: String) -> CPUSet? {
        self.list(list) ?? self.mask(mask)
    }

    mutating func list(_ path: String) -> CPUSet? {
        set(at: path) { text throws(CPUListError) in try KernelText.list(text) }
    }

    private mutating func mask(_ path: String) -> CPUSet? {
        // Masks are not cached: "10" as a list is another set.
        guard let text = files.read(path) else { return nil }
        return parsed(path, text) { text throws(CPUListError) in try KernelText.mask(text) }
    }

    private mutating func set(at path: String, parse: ([UInt8]) throws(CPUListError) -> CPUSet) -> CPUSet? {
        guard let text = files.read(path) else { return nil }
        if let set = known[text] { return set }
        let set = parsed(path, text, parse: parse)
        if let set { known[text] = set }
        return set
    }

    private mutating func parsed(
        _ path: String, _ text: [UInt8], parse: ([UInt8]) throws(CPUListError) -> CPUSet
    ) -> CPUSet? {
        do {
            return try parse(text)
        } catch {
            problems.append(MachineProblem(path: path, reason: "\(error)"))
            return nil
        }
    }
}
