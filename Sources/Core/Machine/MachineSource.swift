import Synchronization

/// The machine as it is now, without reading everything each time.
///
/// What hotplug changes is read again when `cpu/online`, `cpu/present` or the folders of nodes differ from the last
/// time; isolated CPUs, `nohz_full` and huge pages are read on each ask. A call that has to read everything holds up
/// the others meanwhile (milliseconds for hundreds of CPUs).
package final class MachineSource: Sendable {
    /// What reads the files.
    package let reader: MachineReader

    private struct State {
        var machine: Machine?
        var machineKey: Key?
        var siblings: [Int: CPUSet] = [:]
        /// The CPUs that `siblings` speaks of, those without a file included.
        var asked = CPUSet()
        var siblingsKey: [UInt8]?
    }

    private struct Key: Equatable {
        let online: [UInt8]
        let present: [UInt8]?
        let nodes: [String]?
    }

    private let state = Mutex(State())

    /// A source over `files`; nothing is read yet.
    package init(files: any MachineFiles) {
        reader = MachineReader(files: files)
    }

    /// The machine as it is now.
    ///
    /// - Throws: ``MachineError`` as ``MachineReader/read()``.
    package func current() throws(MachineError) -> Machine {
        try state.withLock { state throws(MachineError) in
            // The key is taken before the reading: a change during it shows at the next ask.
            let key = key()
            if let key, key == state.machineKey, let machine = try refreshed(state.machine) {
                state.machine = machine
                return machine
            }
            let machine = try reader.read()
            state.machine = machine
            state.machineKey = key
            return machine
        }
    }

    /// `machine` with what changes without hotplug as it is now; nil where the isolated CPUs differ, because which
    /// offline CPUs' siblings the model has depends on them.
    private func refreshed(_ machine: Machine?) throws(MachineError) -> Machine? {
        guard var machine else { return nil }
        let isolated: CPUSet
        do {
            isolated = try reader.isolated()
        } catch {
            throw .malformed(path: "\(SysPath.cpus)/isolated", error)
        }
        guard isolated == machine.isolated else { return nil }
        machine.nohzFull = reader.nohzFull()
        for position in machine.nodes.indices {
            machine.nodes[position].hugePages = reader.pools(ofNode: machine.nodes[position].id) ?? []
        }
        return machine
    }

    /// The siblings of `cpu` as ``MachineReader/siblings(of:)`` gives them, kept until `cpu/online` changes.
    package func siblings(of cpu: Int) -> CPUSet? {
        siblingTable(for: CPUSet(CollectionOfOne(cpu)))[cpu]
    }

    /// The siblings of each of `cpus`, as ``MachineReader/siblings(of:)`` gives them; a CPU without the file has no
    /// entry. CPUs asked for earlier may be in the table too: no copy is made.
    ///
    /// Costs one look at `cpu/online` where the CPUs were asked for before and it has not changed.
    package func siblingTable(for cpus: CPUSet) -> [Int: CPUSet] {
        state.withLock { state in
            let online = reader.files.read("\(SysPath.cpus)/online")
            if online == nil || online != state.siblingsKey {
                state.siblings = [:]
                state.asked = CPUSet()
                state.siblingsKey = online
            }
            guard !cpus.isSubset(of: state.asked) else { return state.siblings }
            for cpu in cpus.subtracting(state.asked) {
                state.siblings[cpu] = reader.siblings(of: cpu)
            }
            state.asked.formUnion(cpus)
            return state.siblings
        }
    }

    /// Nil where there is no `cpu/online`, so that nothing tells whether hotplug happened.
    private func key() -> Key? {
        let files = reader.files
        guard let online = files.read("\(SysPath.cpus)/online") else { return nil }
        return Key(
            online: online, present: files.read("\(SysPath.cpus)/present"), nodes: files.entries(of: SysPath.nodes))
    }
}
