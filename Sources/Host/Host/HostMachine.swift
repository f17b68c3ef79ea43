import Ledger
import Machine
import Placement
import Synchronization

/// The machine as requests and questions need it. Each opens only the files that its answer depends on; what costs a look
/// at every CPU or node is cached until the files that it follows from change.
package final class HostMachine: Sendable {
    /// Reads single facts.
    package let reader: MachineReader
    /// The configured pools by name, besides the isolated CPUs.
    private let configured: Mutex<[String: CPUSet]>
    /// The CPUs that are never in the pool ``Pool/ordinary``; nil for the first core.
    private let reserved = Mutex<CPUSet?>(nil)
    private let cache = Mutex(Cache())

    private struct Cache {
        var isolatedText: [UInt8]?
        var isolated = CPUSet()
        var onlineText: [UInt8]?
        var online: CPUSet?
        /// Which CPUs of a pool are siblings, for one state of the online CPUs.
        var cores: [String: (online: CPUSet?, pool: CPUSet, index: CoreIndex)] = [:]
        var machine: (key: MachineKey, machine: Machine)?
    }

    /// What the whole machine follows from, as far as it changes while the kernel runs.
    private struct MachineKey: Equatable {
        let online: [UInt8]?
        let present: [UInt8]?
        let nodes: [String]?
    }

    /// The machine that `files` describe.
    package init(files: any MachineFiles, pools: [String: CPUSet] = [:]) {
        reader = MachineReader(files: files)
        configured = Mutex(pools)
    }

    /// Sets the configured pools by name.
    package func configure(pools: [String: CPUSet]) { configured.withLock { $0 = pools } }

    /// Sets the housekeeping CPUs; nil for the first core.
    package func configure(housekeeping: CPUSet?) { reserved.withLock { $0 = housekeeping } }

    /// The CPUs that stay with the rest of the machine, whatever is claimed: the configured ones that are online, else the
    /// core of the first CPU that is online and not isolated.
    package func housekeeping() throws(CPUListError) -> CPUSet {
        housekeeping(online: online() ?? CPUSet(), isolated: try isolated())
    }

    private func housekeeping(online: CPUSet, isolated: CPUSet) -> CPUSet {
        let ordinary = online.subtracting(isolated)
        let configured = reserved.withLock { $0 }?.intersection(online) ?? CPUSet()
        guard configured.isDisjoint(with: ordinary) else { return configured }
        guard let first = ordinary.first else { return configured }
        return configured.union((reader.siblings(of: first) ?? CPUSet([first])).intersection(ordinary))
    }

    /// Every online CPU that is neither isolated nor a housekeeping CPU.
    package func ordinary() throws(CPUListError) -> CPUSet { ordinary(online: online(), isolated: try isolated()) }

    private func ordinary(online: CPUSet?, isolated: CPUSet) -> CPUSet {
        guard let online else { return CPUSet() }
        return online.subtracting(isolated).subtracting(housekeeping(online: online, isolated: isolated))
    }

    /// The pool that a request which names none takes its CPUs from, outside the EPA protocol: the isolated CPUs where the
    /// kernel isolates any, else the ordinary ones.
    package func defaultPool() throws(CPUListError) -> String {
        try isolated().isEmpty ? Pool.ordinary : Pool.isolated
    }

    /// The names of all pools: the isolated and the ordinary CPUs, then the configured ones.
    package var poolNames: [String] { [Pool.isolated, Pool.ordinary] + configured.withLock { $0.keys.sorted() } }

    /// The CPUs of a configured pool; nil where there is none of this name.
    package func configuredPool(_ name: String) -> CPUSet? { configured.withLock { $0[name] } }

    /// The isolated CPUs. The file is read each time; its text is parsed only when it is another one than last time.
    package func isolated() throws(CPUListError) -> CPUSet {
        let text = reader.isolatedText()
        let known: CPUSet? = cache.withLock { $0.isolatedText == text && text != nil ? $0.isolated : nil }
        if let known { return known }
        let cpus = try MachineReader.isolated(text)
        cache.withLock { ($0.isolatedText, $0.isolated) = (text, cpus) }
        return cpus
    }

    /// The CPUs that run; nil where nothing says so.
    package func online() -> CPUSet? {
        guard let text = reader.onlineText() else { return reader.online() }
        let known: CPUSet? = cache.withLock { $0.onlineText == text ? $0.online : nil }
        if let known { return known }
        let cpus = reader.online()
        cache.withLock { ($0.onlineText, $0.online) = (text, cpus) }
        return cpus
    }

    /// The CPUs of `pool` that may be given now; nil where there is no such pool.
    package func eligible(_ pool: String, onlineOnly: Bool) throws(CPUListError) -> CPUSet? {
        guard pool != Pool.isolated else {
            let isolated = try isolated()
            guard onlineOnly, let online = online() else { return isolated }
            return isolated.intersection(online)
        }
        guard pool != Pool.ordinary else { return try ordinary() }
        guard pool != Pool.machine else { return online() }
        guard let configured = configuredPool(pool) else { return nil }
        guard let online = online() else { return configured }
        return configured.intersection(online)
    }

    /// The pools of huge pages of every node, ascending by id. The figures are read each time: the kernel says nothing when
    /// they change.
    ///
    /// - Parameter onlyFree: reads only how many pages there are and how many are free; the other counts are 0.
    package func pageNodes(onlyFree: Bool) -> [PageNode] {
        (reader.nodeIDs() ?? []).map { PageNode(id: $0, pools: reader.hugePages(ofNode: $0, onlyFree: onlyFree) ?? []) }
    }

    /// What a decision on `request` depends on.
    ///
    /// - Throws: ``FactsError`` where a file of the machine that it depends on cannot be understood.
    package func facts(for request: Request) throws(FactsError) -> MachineFacts {
        guard case .claim(let claim) = request else { return MachineFacts() }
        var facts = MachineFacts()
        for cpus in claim.grants {
            do throws(CPUListError) { try gather(&facts, for: cpus) } catch {
                throw FactsError(description: error.description)
            }
        }
        for pages in claim.reservations where pages.count > 0 {
            facts.pages[pages.node] = reader.hugePages(ofNode: pages.node)
        }
        if claim.needsWholeMachine {
            do throws(MachineError) { facts.machine = try machine() } catch {
                throw FactsError(description: error.description)
            }
        }
        return facts
    }

    /// What `Ledger.refill` needs for `claim`: where the free CPUs of its pool are.
    ///
    /// - Throws: ``FactsError`` where a file of the machine cannot be understood.
    func facts(toRefill claim: Claim) throws(FactsError) -> MachineFacts {
        let cpus = CPURequest(.count(1), pool: claim.pool, spread: .nodes, onlineOnly: true)
        var facts = try facts(for: .claim(ClaimRequest(holder: claim.holder, cpus: cpus)))
        for node in facts.machine?.nodes ?? [] where !node.rawCPUs.isEmpty { facts.nodes[node.id] = node.rawCPUs }
        facts.hasNUMA = !facts.nodes.isEmpty
        return facts
    }

    private func gather(_ facts: inout MachineFacts, for request: CPURequest) throws(CPUListError) {
        facts.pools = configured.withLock { $0 }
        let name = request.pool ?? Pool.isolated
        let isLimited = request.demand != .nothing || request.onlineOnly || name != Pool.isolated
        let isolated = try isolated()
        let online = isLimited ? online() : nil
        facts.pools[Pool.isolated] = isolated
        if request.pool == Pool.machine {
            facts.pools[Pool.machine] = online ?? CPUSet()
            facts.housekeeping = housekeeping(online: online ?? CPUSet(), isolated: isolated)
        }
        if request.pool == Pool.ordinary { facts.pools[Pool.ordinary] = ordinary(online: online, isolated: isolated) }
        for id in request.nodes ?? [] {
            if let cpus = try reader.nodeCPUs(id), !cpus.isEmpty { facts.nodes[id] = cpus }
        }
        if let nodes = request.nodes {
            facts.hasNUMA = nodes.allSatisfy { facts.nodes[$0] != nil }
            if !facts.hasNUMA { facts.hasNUMA = try hasNUMA() }
        }
        guard isLimited else { return }
        facts.online = online
        if let pool = facts.pools[name] { facts.cores = cores(name, pool, online: facts.online) }
    }

    /// Whether any node has CPUs.
    private func hasNUMA() throws(CPUListError) -> Bool {
        for id in reader.nodeIDs() ?? [] {
            if let cpus = try reader.nodeCPUs(id), !cpus.isEmpty { return true }
        }
        return false
    }

    /// Which CPUs of a pool are siblings.
    private func cores(_ name: String, _ pool: CPUSet, online: CPUSet?) -> CoreIndex {
        let cached: CoreIndex? = cache.withLock { cache in
            guard let known = cache.cores[name], online != nil, known.online == online, known.pool == pool else {
                return nil
            }
            return known.index
        }
        if let cached { return cached }
        let index = CoreIndex(of: pool) { reader.siblings(of: $0) }
        cache.withLock { $0.cores[name] = (online, pool, index) }
        return index
    }

    /// The whole machine, read again when CPUs or nodes came or went; its figures of huge pages are those of that time.
    ///
    /// - Throws: `MachineError` where the machine cannot be understood.
    package func machine() throws(MachineError) -> Machine {
        let key = MachineKey(
            online: reader.onlineText(), present: reader.presentText(), nodes: reader.nodeEntries())
        let known: Machine? = cache.withLock { $0.machine?.key == key ? $0.machine?.machine : nil }
        if let known { return known }
        let machine = try reader.read()
        cache.withLock { $0.machine = (key, machine) }
        return machine
    }
}

/// The pools of huge pages of one NUMA node.
package struct PageNode: Equatable, Sendable {
    /// The node.
    package let id: Int
    /// Its pools, ascending by size.
    package let pools: [HugePagePool]
}

/// A file of the machine that a request depends on cannot be understood.
package struct FactsError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One sentence for people.
    package let description: String

    /// An error with this text.
    package init(description: String) { self.description = description }
}

extension ClaimRequest {
    /// Whether more than pools, node lists and siblings must be known.
    fileprivate var needsWholeMachine: Bool {
        if memoryNodes?.isEmpty == false { return true }
        return grants.contains { cpus in
            if case .wholeCores = cpus.demand { return true }
            return cpus.smt != .any || cpus.spread != nil || (cpus.level != .none && cpus.level != .cpu)
        }
    }
}
