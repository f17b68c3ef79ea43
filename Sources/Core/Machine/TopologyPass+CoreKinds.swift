extension TopologyPass {
    /// The kinds of core, the strongest first: by the performance counters of hybrid Intel machines, else by the models of
    /// Arm cores, else by capacity. Empty where all cores are alike.
    mutating func coreKinds(of online: CPUSet) -> [CoreKind] {
        let kinds = countedKinds(of: online) ?? modelKinds(of: online) ?? capacityKinds(of: online)
        return kinds.count > 1 ? kinds : []
    }

    /// The kinds that have performance counters of their own; nil where no counters name CPUs.
    private mutating func countedKinds(of online: CPUSet) -> [CoreKind]? {
        var left = online
        var kinds: [CoreKind] = []
        for (directory, name) in [
            ("cpu_core", "performance"), ("cpu_atom", "efficiency"), ("cpu_lowpower", "low-power"),
        ] {
            guard let cpus = list("devices/\(directory)/cpus")?.intersection(left), !cpus.isEmpty else { continue }
            left.subtract(cpus)
            kinds.append(CoreKind(name: name, cpus: cpus))
        }
        return kinds.isEmpty ? nil : kinds
    }

    /// The kinds by implementer and part of MIDR_EL1; variant and revision make no other model. Nil where a CPU lacks the
    /// register.
    private mutating func modelKinds(of online: CPUSet) -> [CoreKind]? {
        var models: [UInt64: CPUSet] = [:]
        for cpu in online {
            let path = SysPath.model(of: cpu)
            guard let text = files.read(path) else { return nil }
            guard let register = KernelText.hexadecimal(text) else {
                problems.append(MachineProblem(path: path, reason: "expected a hexadecimal number"))
                return nil
            }
            models[register & 0xFF00_FFF0, default: CPUSet()].insert(cpu)
        }
        guard models.count > 1 else { return [] }
        let kinds = models.map { model, cpus in
            let implementer = String(model >> 24, radix: 16)
            let part = String((model >> 4) & 0xFFF, radix: 16)
            return CoreKind(
                name: "model-0x\(implementer)-0x\(part)", capacity: cpus.compactMap { capacity(of: $0) }.max(),
                cpus: cpus)
        }
        return kinds.sorted { one, other in
            (other.capacity ?? 0, one.cpus.first ?? 0) < (one.capacity ?? 0, other.cpus.first ?? 0)
        }
    }

    /// The kinds by capacity. Firmware measures it for each core: neighbouring values within 5 % are one kind.
    private func capacityKinds(of online: CPUSet) -> [CoreKind] {
        var byCapacity: [Int: CPUSet] = [:]
        for cpu in online {
            // The kernel gives the file to all CPUs or to none.
            guard !byCapacity.isEmpty || files.read(SysPath.capacity(of: cpu)) != nil else { break }
            guard let capacity = capacity(of: cpu) else { continue }
            byCapacity[capacity, default: CPUSet()].insert(cpu)
        }
        var kinds: [(highest: Int, lowest: Int, cpus: CPUSet)] = []
        for (capacity, cpus) in byCapacity.sorted(by: { $0.key > $1.key }) {
            if let last = kinds.last, last.lowest - capacity <= last.lowest / 20 {
                kinds[kinds.count - 1].lowest = capacity
                kinds[kinds.count - 1].cpus.formUnion(cpus)
            } else {
                kinds.append((capacity, capacity, cpus))
            }
        }
        return kinds.map { CoreKind(name: "capacity-\($0.highest)", capacity: $0.highest, cpus: $0.cpus) }
    }

    private func capacity(of cpu: Int) -> Int? {
        KernelText.number(files.read(SysPath.capacity(of: cpu))).flatMap { $0 >= 0 ? $0 : nil }
    }
}
