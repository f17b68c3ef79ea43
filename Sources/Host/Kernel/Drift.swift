import Ledger
import Machine

/// A difference between what was granted and what the kernel does.
package enum Drift: Equatable, Sendable {
    /// A thread may run on CPUs that only these holders may use.
    case intruder(ObservedThread, cpus: CPUSet, of: [Holder])
    /// A thread of the holder may run on CPUs that it does not have.
    case outside(ObservedThread, cpus: CPUSet, of: Holder)
    /// An interrupt may be delivered to CPUs that only these holders may use, or was: so often since the last look.
    case interrupt(ObservedInterrupt, cpus: CPUSet, delivered: Int, of: [Holder])
    /// New interrupts, or unbound workqueues, may use CPUs that only these holders may use.
    case mask(SharedMask, cpus: CPUSet, of: [Holder])
    /// A cgroup is no valid partition; `state` is what the kernel says.
    case partition(cgroup: String, expected: String, state: String, of: [Holder])
    /// Cgroups outside the partition may use CPUs that only the holder may use.
    case notAlone(cpus: CPUSet, of: Holder)
    /// The processes of the holder's cgroup can have other CPUs than the online ones of the claim.
    case cpus(expected: CPUSet, found: CPUSet, cgroup: String, of: Holder)
    /// The holder's cgroup takes memory of other nodes than the claim's.
    case memoryNodes(expected: [Int], found: [Int], cgroup: String, of: Holder)
    /// A process of the holder has memory on nodes that the claim does not have: kB by node.
    case memory(ObservedMemory, elsewhere: [Int: Int])
    /// CPUs of the holder are offline.
    case offline(cpus: CPUSet, of: Holder)
    /// The cgroup of the holder is not there.
    case missing(cgroup: String, of: Holder)
}

extension Drift {
    /// The kind, as JSON has it.
    package var kind: String {
        switch self {
        case .intruder: "intruder"
        case .outside: "outside"
        case .interrupt: "interrupt"
        case .mask: "mask"
        case .partition: "partition"
        case .notAlone: "not-alone"
        case .cpus: "cpus"
        case .memoryNodes: "memory-nodes"
        case .memory: "memory"
        case .offline: "offline"
        case .missing: "missing"
        }
    }

    /// Whose claims are concerned.
    package var holders: [Holder] {
        switch self {
        case .intruder(_, _, let holders), .mask(_, _, let holders), .interrupt(_, _, _, let holders),
            .partition(_, _, _, let holders):
            holders
        case .outside(_, _, let holder), .notAlone(_, let holder), .cpus(_, _, _, let holder),
            .memoryNodes(_, _, _, let holder), .offline(_, let holder), .missing(_, let holder):
            [holder]
        case .memory(let memory, _): [memory.holder]
        }
    }

    /// Whether the claim itself is not enforced: false for what others do on its CPUs, for the holder's memory and for CPUs
    /// that are offline.
    package var isOfEnforcement: Bool {
        switch self {
        case .partition, .notAlone, .cpus, .memoryNodes, .missing, .outside: true
        case .interrupt, .mask, .intruder, .memory, .offline: false
        }
    }

    /// Whether the claim's own steps, taken again, may mend it.
    package var isRepairable: Bool {
        switch self {
        case .interrupt, .mask: true
        default: isOfEnforcement
        }
    }

    /// One sentence for people.
    package var text: String {
        let names = holders.map(\.fullName).joined(separator: ", ")
        switch self {
        case .intruder(let thread, let cpus, _):
            return "\(thread.label(thread.place)) may run on \(cpus.phrase), which only \(names) may use"
        case .outside(let thread, let cpus, _):
            return "\(thread.label(nil)) of \(names) may run on \(cpus.phrase), which it does not have"
        case .interrupt(let interrupt, let cpus, let delivered, _):
            let name = interrupt.name.isEmpty ? "" : " (\(interrupt.name))"
            let count = delivered > 0 ? "; \(delivered) came there since the last look" : ""
            return "interrupt \(interrupt.number)\(name) may go to \(cpus.phrase), which only \(names) may use\(count)"
        case .mask(let mask, let cpus, _):
            return "\(mask.rawValue) may use \(cpus.phrase), which only \(names) may use"
        case .partition(let cgroup, let expected, let state, _):
            let says = state.isEmpty ? "says nothing of it" : "says “\(state)”, not “\(expected)”"
            return "the cgroup \(cgroup) is no valid partition for \(names): the kernel \(says)"
        case .notAlone(let cpus, _):
            return "other cgroups may use \(cpus.phrase), which only \(names) may use"
        case .cpus(let expected, let found, let cgroup, _):
            return "the cgroup \(cgroup) of \(names) has \(found.phrase), not \(expected.phrase)"
        case .memoryNodes(let expected, let found, let cgroup, _):
            return
                "the cgroup \(cgroup) of \(names) takes memory of nodes \(Self.list(found)), not \(Self.list(expected))"
        case .memory(let memory, let elsewhere):
            let parts = elsewhere.sorted { $0.key < $1.key }.map { "\($0.value) kB on node \($0.key)" }
            return "process \(memory.pid) (\(memory.name)) of \(names) has \(parts.joined(separator: ", "))"
        case .offline(let cpus, _): return "\(cpus.phrase) of \(names) \(cpus.count == 1 ? "is" : "are") offline"
        case .missing(let cgroup, _): return "the cgroup \(cgroup) of \(names) is gone"
        }
    }

    /// A value of a field.
    package enum Value: Equatable, Sendable {
        /// Text; CPUs as a Linux list.
        case text(String)
        /// A number.
        case number(Int)
        /// Yes or no.
        case flag(Bool)
        /// Numbers, such as memory nodes.
        case numbers([Int])
        /// Texts, such as holders.
        case texts([String])
        /// Amounts by number, such as kB by node.
        case amounts([Int: Int])
    }

    /// Its facts by name, in a fixed order, for JSON; ``kind`` and ``text`` are not among them.
    package var fields: [(name: String, value: Value)] {
        var fields: [(name: String, value: Value)] = [("holders", .texts(holders.map(\.fullName)))]
        switch self {
        case .intruder(let thread, let cpus, _), .outside(let thread, let cpus, _):
            fields += [("cpus", .text(cpus.list))] + thread.fields
        case .interrupt(let interrupt, let cpus, let delivered, _):
            fields += [
                ("cpus", .text(cpus.list)), ("interrupt", .number(interrupt.number)), ("name", .text(interrupt.name)),
                ("allowed", .text(interrupt.allowed.list)), ("delivered", .number(delivered)),
                ("managed", .flag(interrupt.isManaged)),
            ]
            if let effective = interrupt.effective { fields.append(("effective", .text(effective.list))) }
        case .mask(let mask, let cpus, _): fields += [("cpus", .text(cpus.list)), ("mask", .text(mask.rawValue))]
        case .partition(let cgroup, let expected, let state, _):
            fields += [("cgroup", .text(cgroup)), ("expected", .text(expected)), ("state", .text(state))]
            if let reason = Self.reason(state) { fields.append(("reason", .text(reason))) }
        case .notAlone(let cpus, _), .offline(let cpus, _): fields.append(("cpus", .text(cpus.list)))
        case .cpus(let expected, let found, let cgroup, _):
            fields += [
                ("cgroup", .text(cgroup)), ("expected", .text(expected.list)), ("effective", .text(found.list)),
            ]
        case .memoryNodes(let expected, let found, let cgroup, _):
            fields += [("cgroup", .text(cgroup)), ("expected", .numbers(expected)), ("effective", .numbers(found))]
        case .memory(let memory, let elsewhere):
            fields += [
                ("pid", .number(memory.pid)), ("name", .text(memory.name)), ("kilobytes", .amounts(elsewhere)),
            ]
        case .missing(let cgroup, _): fields.append(("cgroup", .text(cgroup)))
        }
        return fields
    }

    /// The kernel's reason in `root invalid (Cpu list in cpuset.cpus not exclusive)`; nil where it gives none.
    private static func reason(_ state: String) -> String? {
        guard state.last == ")", let open = state.firstIndex(of: "(") else { return nil }
        return String(state[state.index(after: open)...].dropLast())
    }

    private static func list(_ nodes: [Int]) -> String { NumberList.text(nodes) }
}

extension ObservedThread {
    /// What it is, and where, for people.
    fileprivate func label(_ place: String?) -> String {
        guard !isKernelThread else { return "the kernel thread \(tid) (\(name))" }
        let place = place.map { " \($0)" } ?? ""
        return tid == pid ? "process \(pid) (\(name))\(place)" : "thread \(tid) (\(name)) of process \(pid)\(place)"
    }

    /// Its unit, or its cgroup where that belongs to no unit.
    fileprivate var place: String? { unit.map { "of \($0)" } ?? cgroup.map { "in \($0)" } }

    fileprivate var fields: [(name: String, value: Drift.Value)] {
        var fields: [(name: String, value: Drift.Value)] = [
            ("pid", .number(pid)), ("tid", .number(tid)), ("name", .text(name)), ("allowed", .text(allowed.list)),
            ("kernel_thread", .flag(isKernelThread)),
        ]
        if let cgroup { fields.append(("cgroup", .text(cgroup))) }
        if let unit { fields.append(("unit", .text(unit))) }
        if let lastCPU { fields.append(("last_cpu", .number(lastCPU))) }
        return fields
    }
}

extension CPUSet {
    /// `CPU 4`, `CPUs 4-7`, `no CPU`.
    fileprivate var phrase: String { isEmpty ? "no CPU" : count == 1 ? "CPU \(list)" : "CPUs \(list)" }
}
