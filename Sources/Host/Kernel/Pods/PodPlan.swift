import Ledger
import Machine

/// Decides what is written to the cgroups of pods: from what Berth wants and has written, and what is there now. Changes
/// nothing.
struct PodPlan {
    /// A cgroup as it is.
    struct Node: Equatable {
        var path: String
        /// The uid of its pod; nil where that is not known.
        var uid: String?
        /// Whether pods without a claim may be in it.
        var isKubelets: Bool
        /// The pod with a claim that it belongs to; nil where it belongs to none.
        var claimed: String?
        var masks: PodRecord.Masks
        /// What the cgroup above has, where its own are empty with cgroup v1: whoever makes it is about to write that.
        var above: PodRecord.Masks?
    }

    /// A write to one file of a cgroup.
    struct Write: Equatable {
        var path: String
        var file: String
        var value: CPUSet
    }

    /// What the record is once the writes are begun.
    private(set) var record: PodRecord
    /// The writes, in order.
    private(set) var writes: [Write] = []
    /// What somebody else has changed, and what cannot be done, for people.
    private(set) var notices: [String] = []

    /// The units of systemd whose properties are to be what is written, because systemd may have set other ones.
    private(set) var units: [String: PodRecord.Masks] = [:]

    private let isV1: Bool
    private let kubelet: KubeletCPUs?
    private let online: CPUSet
    private let all: CPUSet

    /// A plan.
    ///
    /// - Parameters:
    ///   - nodes: the cgroups that matter, each after the one above it.
    ///   - isV1: whether a cgroup has to have what those below it have (cgroup v1).
    ///   - all: the CPUs of the machine, offline ones among them.
    ///   - allNodes: its memory nodes.
    ///   - kubelet: what a kubelet gives to containers by itself; nil where none does.
    init(
        _ record: PodRecord, _ nodes: [Node], isV1: Bool, online: CPUSet, all: CPUSet, allNodes: CPUSet = CPUSet(),
        kubelet: KubeletCPUs? = nil
    ) {
        self.kubelet = kubelet
        self.record = record
        self.isV1 = isV1
        self.online = online
        self.all = all
        let present = Set(nodes.map(\.path))
        self.record.changes = record.changes.filter { present.contains($0.key) }
        var nodes = nodes
        for index in nodes.indices {
            // The kernel does not let a mask become empty again, so all that there is was written in its place.
            guard let before = record.changes[nodes[index].path]?.before else { continue }
            if before.cpus.isEmpty && nodes[index].masks.cpus == all { nodes[index].masks.cpus = CPUSet() }
            if before.mems.isEmpty && nodes[index].masks.mems == allNodes { nodes[index].masks.mems = CPUSet() }
        }
        var wanted: [(node: Node, masks: PodRecord.Masks)] = []
        for node in nodes { inherit(node) }
        for node in nodes {
            if let masks = masks(for: node) { wanted.append((node, masks)) }
        }
        write(wanted)
    }

    /// On cgroup v1 a cgroup begins with what the one above has, which may be less than it would have without Berth.
    private mutating func inherit(_ node: Node) {
        guard isV1, record.changes[node.path] == nil, let slash = node.path.lastIndex(of: "/") else { return }
        let above = record.changes[String(node.path[..<slash])]
        guard above?.after == node.masks || node.above != nil, let before = above?.before ?? node.above else { return }
        record.changes[node.path] = PodRecord.Change(before: before, after: node.masks, former: node.masks)
    }

    /// What a cgroup is to have; nil where it is to stay as it is.
    private mutating func masks(for node: Node) -> PodRecord.Masks? {
        let change = record.changes[node.path]
        var before = change?.before ?? node.masks
        if let uid = node.claimed, let pod = record.pods[uid] {
            if let change, change.former == change.after, node.masks != change.after {
                // Somebody else has set it since. What the kubelet sets by itself, it would set again.
                if kubelet?.mayHaveSet(node.masks.cpus) ?? false { return nil }
                if !isOurs(node.masks, change) { before = node.masks }
            }
            var masks = before
            masks.cpus = isV1 ? pod.cpus.intersection(online) : pod.cpus
            if !pod.memoryNodes.isEmpty { masks.mems = pod.memoryNodes }
            return keep(node, before, masks.cpus.isEmpty ? node.masks : masks)
        }
        if node.isKubelets, !record.off.isEmpty {
            // Somebody else has set them since: that is what the pod is to have.
            if let change, !isOurs(node.masks, change) { before = node.masks }
            let rest = (before.cpus.isEmpty ? all : before.cpus).subtracting(record.off)
            if rest.isDisjoint(with: online) {
                notices.append("\(node.path) stays on CPUs \(before.cpus.shown): it would have no other")
            } else if before.cpus.isEmpty || rest != before.cpus {
                return keep(node, before, PodRecord.Masks(cpus: rest, mems: before.mems))
            }
        }
        guard let change else { return nil }
        record.changes[node.path] = nil
        guard isOurs(node.masks, change) else {
            notices.append("\(node.path) stays on CPUs \(node.masks.cpus.shown): somebody else has set them")
            return nil
        }
        return change.before
    }

    /// Whether masks are what was there, or was written. With cgroup v1 CPUs that go offline leave them.
    private func isOurs(_ masks: PodRecord.Masks, _ change: PodRecord.Change) -> Bool {
        if change.explains(masks) { return true }
        guard isV1 else { return false }
        var seen = change
        for part in [\PodRecord.Change.before, \.after, \.former] { seen[keyPath: part].cpus.formIntersection(online) }
        return seen.explains(masks)
    }

    /// Whether the cgroup is a unit of the machine's systemd, and not of one in a container.
    static func isUnit(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        guard let name = parts.last, name.hasSuffix(".scope") || name.hasSuffix(".slice") else { return false }
        return parts.dropLast().allSatisfy { $0.hasSuffix(".slice") }
    }

    private mutating func keep(
        _ node: Node, _ before: PodRecord.Masks, _ masks: PodRecord.Masks
    ) -> PodRecord.Masks? {
        if record.changes[node.path] != nil || masks != before {
            record.changes[node.path] = PodRecord.Change(before: before, after: masks, former: node.masks)
        }
        return masks
    }

    private mutating func write(_ wanted: [(node: Node, masks: PodRecord.Masks)]) {
        for (node, masks) in wanted where node.masks != masks && Self.isUnit(node.path) && !isV1 {
            let before = record.changes[node.path]?.before ?? masks
            // What was empty before is no property of the unit, and systemd leaves such files alone.
            let value = PodRecord.Masks(
                cpus: before.cpus.isEmpty ? CPUSet() : masks.cpus, mems: before.mems.isEmpty ? CPUSet() : masks.mems)
            if value != PodRecord.Masks(cpus: CPUSet()) { units[node.path] = value }
        }
        for (file, part) in [("cpuset.cpus", \PodRecord.Masks.cpus), ("cpuset.mems", \PodRecord.Masks.mems)] {
            guard isV1 else {
                for (node, masks) in wanted where node.masks[keyPath: part] != masks[keyPath: part] {
                    writes.append(Write(path: node.path, file: file, value: masks[keyPath: part]))
                }
                continue
            }
            // From the top what is new is added, then from the bottom what is old is taken away.
            for (node, masks) in wanted {
                let (now, next) = (node.masks[keyPath: part], masks[keyPath: part])
                if !next.isSubset(of: now) {
                    writes.append(Write(path: node.path, file: file, value: now.union(next)))
                }
            }
            for (node, masks) in wanted.reversed() {
                let (now, next) = (node.masks[keyPath: part], masks[keyPath: part])
                if !now.isSubset(of: next) { writes.append(Write(path: node.path, file: file, value: next)) }
            }
        }
    }
}
