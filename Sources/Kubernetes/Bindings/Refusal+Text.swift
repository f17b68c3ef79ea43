import Machine

extension Refusal {
    /// The status that a binding gets.
    var status: BindingStatus.ResourceStatus {
        switch self {
        case .unknownCPUs, .repeatedCPUs: .invalidCPUSet
        case .earlier: .pending
        case .podHasBinding, .heldByPods, .heldByHost, .reserved, .starves: .allocationFailed
        }
    }

    /// The reason in its condition.
    var reason: BindingStatus.Reason {
        switch self {
        case .unknownCPUs, .repeatedCPUs: .invalidCPUSet
        case .earlier: .earlierBinding
        case .podHasBinding: .podHasBinding
        case .heldByPods, .heldByHost: .cpusAllocated
        case .reserved: .cpusReserved
        case .starves: .noSharedCPUs
        }
    }

    /// The message of the event. Where actimanager refuses the same, it says so in the same words.
    func message(for binding: Binding, on node: NodeFacts) -> String {
        switch self {
        case .unknownCPUs(let cpus):
            "CPUs \(numberList(cpus)) do not exist in node \(node.topologyName)"
        case .repeatedCPUs(let cpus):
            "CPUs \(numberList(cpus)) are listed more than once"
        case .podHasBinding(let key):
            "pod \(binding.pod) already has the binding \(key.name)"
        case .heldByPods(let cpus, _):
            "CPUs \(numberList(cpus)) are already allocated to another pod"
        case .earlier(let key, let cpus):
            cpus.isEmpty
                ? "pod \(binding.pod) has the earlier binding \(key.name), which is decided first"
                : "the earlier binding \(key) asks for CPUs \(numberList(cpus)) and is decided first"
        case .heldByHost(let cpus):
            "CPUs \(numberList(cpus)) are already allocated to services or programs of node \(node.name)"
        case .reserved(let cpus):
            "CPUs \(numberList(cpus)) are reserved on node \(node.name)"
        case .starves(let minimum):
            "fewer than \(minimum) CPUs of node \(node.name) would be left for pods without a binding"
        }
    }

    /// What the condition says beyond the event: who has the CPUs. Empty where that is nobody, or said already.
    var holders: String {
        guard case .heldByPods(_, let keys) = self else { return "" }
        let names = keys.prefix(4).map(\.description).joined(separator: ", ")
        let more = keys.count > 4 ? " and \(keys.count - 4) more" : ""
        return "; \(keys.count == 1 ? "the binding \(names) has" : "the bindings \(names)\(more) have") them"
    }
}

/// Numbers as actimanager writes them, `[0 4]`; long lists are cut, since an event holds 1,024 bytes.
package func numberList(_ numbers: some Sequence<Int>) -> String {
    let numbers = Array(numbers)
    let shown = numbers.prefix(64).map(String.init).joined(separator: " ")
    return numbers.count > 64 ? "[\(shown) and \(numbers.count - 64) more]" : "[\(shown)]"
}
