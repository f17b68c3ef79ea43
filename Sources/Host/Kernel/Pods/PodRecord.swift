import Ledger
import Machine

/// The CPUs and memory nodes that a pod is kept on.
package struct PodConfinement: Equatable, Sendable {
    /// The pod's uid.
    package var uid: String
    /// Where its containers may run; never empty.
    package var cpus: CPUSet
    /// The memory nodes that they may use; empty where that does not matter.
    package var memoryNodes: CPUSet
    /// The digits of the ids of its containers, ascending.
    package var containers: [String]

    /// A confinement.
    package init(uid: String, cpus: CPUSet, memoryNodes: CPUSet = CPUSet(), containers: [String] = []) {
        self.uid = uid
        self.cpus = cpus
        self.memoryNodes = memoryNodes
        self.containers = containers
    }

}

/// What Berth has changed in the cgroups of pods, and what was there before. Containers come and go by themselves, so this is
/// no part of a claim's steps.
package struct PodRecord: Equatable, Sendable {
    /// The cpuset files of one cgroup.
    package struct Masks: Equatable, Sendable {
        /// `cpuset.cpus`.
        package var cpus: CPUSet
        /// `cpuset.mems`.
        package var mems: CPUSet

        /// Masks.
        package init(cpus: CPUSet, mems: CPUSet = CPUSet()) { (self.cpus, self.mems) = (cpus, mems) }
    }

    /// A cgroup that was changed.
    package struct Change: Equatable, Sendable {
        /// What was there.
        package var before: Masks
        /// What is written.
        package var after: Masks
        /// What was there right before that: the write may fail, or never come.
        package var former: Masks

        /// A change.
        package init(before: Masks, after: Masks, former: Masks? = nil) {
            (self.before, self.after, self.former) = (before, after, former ?? before)
        }

        /// Whether masks are what was there, or what was written, wholly or in part.
        func explains(_ masks: Masks) -> Bool {
            [\Masks.cpus, \Masks.mems].allSatisfy { part in
                let (found, after, former) = (masks[keyPath: part], after[keyPath: part], former[keyPath: part])
                return [before[keyPath: part], after, former, former.union(after)].contains(found)
            }
        }
    }

    /// The boot in which there are these cgroups.
    package let bootID: String
    /// The CPUs that pods without a claim are kept off.
    package var off = CPUSet()
    /// The pods that have a claim, by uid.
    package var pods: [String: PodConfinement] = [:]
    /// The cgroups that were changed, by path.
    package var changes: [String: Change] = [:]

    /// A record of nothing.
    package init(bootID: String) { self.bootID = bootID }

    /// Whether nothing is to be done, and nothing was.
    package var isEmpty: Bool { off.isEmpty && pods.isEmpty && changes.isEmpty }
}

// MARK: - Text

extension PodConfinement {
    /// `UID cpus 2-3 mems 0 containers ID,ID`.
    var text: String {
        var text = "\(uid) cpus \(cpus.list)"
        if !memoryNodes.isEmpty { text += " mems \(memoryNodes.list)" }
        if !containers.isEmpty { text += " containers \(containers.joined(separator: ","))" }
        return text
    }

    /// The confinement of a ``text``; nil where it is none.
    init?(words: [String]) {
        guard words.count >= 3, words.count % 2 == 1, PodReference.isUID(words[0]), words[1] == "cpus",
            let cpus = try? CPUSet(list: words[2]), !cpus.isEmpty
        else { return nil }
        self.init(uid: words[0], cpus: cpus)
        for index in stride(from: 3, to: words.count, by: 2) {
            switch words[index] {
            case "mems":
                guard let nodes = try? CPUSet(list: words[index + 1]), !nodes.isEmpty else { return nil }
                memoryNodes = nodes
            case "containers":
                containers = words[index + 1].split(separator: ",").map(String.init)
                guard containers.allSatisfy({ PodTree.container($0) == $0 }) else { return nil }
            default: return nil
            }
        }
    }
}

extension PodRecord {
    /// A line `boot ID`, `off 2-3`, `pod …` for each pod with a claim, and `cgroup PATH CPUS MEMS from CPUS MEMS was CPUS MEMS`
    /// for each cgroup; `-` is an empty mask.
    package var text: String {
        var lines = ["boot \(bootID)"]
        if !off.isEmpty { lines.append("off \(off.list)") }
        lines += pods.values.sorted { $0.uid < $1.uid }.map { "pod \($0.text)" }
        lines += changes.sorted { $0.key < $1.key }.map { path, change in
            "cgroup \(encoded(path)) \(change.after.text) from \(change.former.text) was \(change.before.text)"
        }
        return (lines + [""]).joined(separator: "\n")
    }

    /// The record of a ``text``; nil where it is none.
    package init?(text: String) {
        var lines = text.split(separator: "\n")[...]
        guard let first = lines.popFirst(), first.hasPrefix("boot ") else { return nil }
        self.init(bootID: String(first.dropFirst(5)))
        for line in lines {
            let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            switch words[0] {
            case "off" where words.count == 2:
                guard let cpus = try? CPUSet(list: words[1]) else { return nil }
                off = cpus
            case "pod":
                guard let pod = PodConfinement(words: Array(words.dropFirst())) else { return nil }
                pods[pod.uid] = pod
            case "cgroup" where words.count == 10 && words[4] == "from" && words[7] == "was":
                guard let path = decoded(words[1]), let after = Masks(words[2], words[3]),
                    let former = Masks(words[5], words[6]), let before = Masks(words[8], words[9])
                else { return nil }
                changes[path] = Change(before: before, after: after, former: former)
            default: return nil
            }
        }
    }
}

extension PodRecord.Masks {
    fileprivate var text: String { "\(Self.word(cpus)) \(Self.word(mems))" }

    private static func word(_ set: CPUSet) -> String { set.isEmpty ? "-" : set.list }

    fileprivate init?(_ cpus: String, _ mems: String) {
        guard let cpus = try? CPUSet(list: cpus == "-" ? "" : cpus),
            let mems = try? CPUSet(list: mems == "-" ? "" : mems)
        else { return nil }
        self.init(cpus: cpus, mems: mems)
    }
}
