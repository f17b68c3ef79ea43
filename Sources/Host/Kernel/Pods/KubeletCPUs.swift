import Ledger
import Machine
import WireJSON

/// The CPUs that a kubelet gives to containers by itself: its CPU manager has the policy `static`. What it has set, it sets
/// again, so Berth leaves that alone.
package struct KubeletCPUs: Equatable, Sendable {
    /// Where the kubelet writes them.
    static let path = "/var/lib/kubelet/cpu_manager_state"

    /// What containers have that got none of their own.
    package var shared: CPUSet
    /// What each pod's containers have for themselves, by uid.
    package var pods: [String: CPUSet]

    /// CPUs.
    package init(shared: CPUSet, pods: [String: CPUSet] = [:]) { (self.shared, self.pods) = (shared, pods) }

    /// What the file says; nil where there is none, or the policy is another one.
    static func read(_ files: any KernelFiles) -> KubeletCPUs? {
        guard let text = try? files.read(path), let state = try? JSONValue(Array(text.utf8)),
            state["policyName"]?.string == "static"
        else { return nil }
        func cpus(_ value: JSONValue?) -> CPUSet { value?.string.flatMap { try? CPUSet(list: $0) } ?? CPUSet() }
        var pods: [String: CPUSet] = [:]
        for pod in state["entries"]?.members ?? [] {
            pods[pod.name] = (pod.value.members ?? []).reduce(into: CPUSet()) { $0.formUnion(cpus($1.value)) }
        }
        return KubeletCPUs(shared: cpus(state["defaultCpuSet"]), pods: pods)
    }

    /// Why a claim cannot have CPUs; nil where the kubelet does not mind.
    ///
    /// - Parameter uid: the pod of the claim; nil where it is of none.
    func obstacle(_ cpus: CPUSet, _ uid: String?) -> String? {
        if let uid, let own = pods[uid], !own.isEmpty {
            return "the kubelet's CPU manager (policy static) has given the pod CPUs \(own), and would set them again"
        }
        let taken = pods.values.reduce(into: CPUSet()) { $0.formUnion($1) }.intersection(cpus)
        guard !taken.isEmpty else { return nil }
        return "the kubelet's CPU manager (policy static) has given CPUs \(taken) to pods"
    }

    /// Whether it may have set a container's CPUs to these.
    func mayHaveSet(_ cpus: CPUSet) -> Bool { cpus == shared || pods.values.contains { cpus.isSubset(of: $0) } }
}
