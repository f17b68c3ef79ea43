import Ledger
import Machine
import Placement
import Synchronization

/// The machine as the faces ask for it: each question opens only the files that its answer depends on; what costs a look
/// at every CPU is kept until the online or the isolated CPUs change.
package final class HostMachine: Sendable {
    /// The narrow reads.
    package let reader: MachineReader

    private struct Index {
        var online: CPUSet?
        var isolated = CPUSet()
        var cores = CoreIndex(of: CPUSet()) { _ in nil }
    }

    private let index = Mutex(Index())
    private let lastIsolated = Mutex<(text: [UInt8]?, cpus: CPUSet)?>(nil)

    /// The machine that `files` describe.
    package init(files: any MachineFiles) {
        reader = MachineReader(files: files)
    }

    /// The isolated CPUs, only online ones of them where `onlineOnly`.
    package func isolated(onlineOnly: Bool) throws(CPUListError) -> CPUSet {
        let isolated = try readIsolated()
        guard onlineOnly, let online = reader.online() else { return isolated }
        return isolated.intersection(online)
    }

    /// The file is read each time; its text is looked into only when it is not the same as last time.
    private func readIsolated() throws(CPUListError) -> CPUSet {
        let text = reader.isolatedText()
        if let known = lastIsolated.withLock({ $0 }), known.text == text { return known.cpus }
        let cpus = try MachineReader.isolated(text)
        lastIsolated.withLock { $0 = (text, cpus) }
        return cpus
    }

    /// Which of the isolated CPUs are siblings.
    package func cores(isolated: CPUSet) -> CoreIndex {
        let online = reader.online()
        if online != nil, let kept = index.withLock({ $0.online == online && $0.isolated == isolated ? $0.cores : nil })
        {
            return kept
        }
        let cores = CoreIndex(of: isolated) { reader.siblings(of: $0) }
        index.withLock { $0 = Index(online: online, isolated: isolated, cores: cores) }
        return cores
    }

    /// What a request that names NUMA node `id` depends on.
    package func node(_ id: Int) throws(CPUListError) -> NodeFacts {
        if let cpus = try reader.nodeCPUs(id), !cpus.isEmpty { return .cpus(node: id, cpus) }
        for other in reader.nodeIDs() ?? [] {
            if let cpus = try reader.nodeCPUs(other), !cpus.isEmpty { return .missing(node: id) }
        }
        return .noTopology
    }

    /// What a request for huge pages of one size on node `id` depends on.
    package func pages(node id: Int, sizeKB: Int) -> PageCapacity {
        guard let pools = reader.hugePages(ofNode: id) else { return .noSuchNode }
        guard let pool = pools.first(where: { $0.sizeKB == sizeKB }) else { return .noSuchSize }
        return .pages(total: pool.total, free: pool.free)
    }
}
