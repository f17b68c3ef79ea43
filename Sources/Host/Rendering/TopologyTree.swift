import Machine
import Terminal

/// A machine as a tree: packages, nodes, caches, clusters, and the CPUs of each.
package struct TopologyTree {
    private let title: String
    private let machine: Machine
    private let style: Style
    private let root: Branch

    /// The tree of `machine`, which is called `title`.
    package init(title: String, machine: Machine, style: Style) {
        self.title = title
        self.machine = machine
        self.style = style
        root = Branch.tree(of: machine)
    }

    /// The lines.
    package var lines: [StyledText] {
        var heading = StyledText(Printable.text(title), .heading)
        heading.append(
            ": \(Quantity.count(machine.online.count, "CPU")) in \(Quantity.count(machine.cores.count, "core")), "
                + "\(Quantity.count(machine.packages.count, "package")), "
                + Self.nodeCount(machine))
        var table = Table([("", .left), ("", .left)])
        func add(_ name: String, _ cpus: CPUSet) {
            table.add([StyledText(name), StyledText(cpus.isEmpty ? "-" : cpus.list)])
        }
        add("online", machine.online)
        add("offline", machine.offline)
        add("isolated", machine.isolated)
        add("nohz_full", machine.nohzFull)
        for kind in machine.coreKinds { add(kind.name, kind.cpus) }
        var lines = [heading] + table.lines(hasHeading: false, indent: 2)
        lines.append("")
        for branch in root.branches { draw(branch, prefix: "", mark: "", to: &lines) }
        let rest = root.loose(machine)
        if !rest.isEmpty { lines.append(cores(rest, prefix: "")) }
        for problem in machine.problems {
            lines.append(
                StyledText("note: ", .warning) + StyledText("cannot be used: \(Printable.text(problem.description))"))
        }
        return lines
    }

    /// How many NUMA nodes a machine has, in words.
    static func nodeCount(_ machine: Machine) -> String {
        guard machine.hasNUMA else { return "no NUMA" }
        let empty = machine.emptyNodes.count
        return Quantity.count(machine.nodes.count, "NUMA node") + (empty == 0 ? "" : " (\(empty) empty)")
    }

    /// Nodes with a remark that is true of all of them: `Nodes 2-8, empty`.
    static func nodes(_ ids: [Int], _ remark: String) -> String {
        // Ids above the highest CPU number do not fit a set; no kernel has them.
        let fit = ids.allSatisfy { $0 <= CPUSet.maximumCPU }
        let list = fit ? CPUSet(ids).list : ids.map(String.init).joined(separator: ",")
        return "Node\(ids.count == 1 ? "" : "s") \(list), \(remark)"
    }

    private func cores(_ cores: [CPUSet], prefix: String) -> StyledText {
        var text = StyledText(prefix, .faint)
        text.append(Quantity.count(cores.count, "core"), .heading)
        if cores.contains(where: { $0.count > 1 }) { text.append("  " + cores.map(\.list).joined(separator: "  ")) }
        return text
    }

    private func draw(_ branch: Branch, prefix: String, mark: String, to lines: inout [StyledText]) {
        var line = StyledText(prefix + mark, .faint)
        line.append(branch.labels.joined(separator: ", "), .heading)
        if !branch.cpus.isEmpty { line.append("  \(branch.cpus.list)") }
        for detail in branch.details { line.append("  \(detail)", .faint) }
        let deeper = prefix + (mark.isEmpty ? "" : mark == last ? "   " : style.usesUnicode ? "│  " : "|  ")
        var cores = branch.loose(machine)
        if branch.branches.isEmpty, !cores.isEmpty, cores.allSatisfy({ $0.count == 1 }) {
            line.append("  \(Quantity.count(cores.count, "core"))", .faint)
            cores = []
        }
        lines.append(line)
        let below = branch.branches.count + (cores.isEmpty ? 0 : 1)
        for (index, child) in branch.branches.enumerated() {
            draw(child, prefix: deeper, mark: index == below - 1 ? last : middle, to: &lines)
        }
        if !cores.isEmpty { lines.append(self.cores(cores, prefix: deeper + last)) }
    }

    private var middle: String { style.usesUnicode ? "├─ " : "|- " }
    private var last: String { style.usesUnicode ? "└─ " : "`- " }
}

/// A set of CPUs that the kernel lists, and the sets within it.
private struct Branch {
    var labels: [String]
    let cpus: CPUSet
    var details: [String] = []
    var branches: [Branch] = []
    /// Whether one of the labels is a node's.
    var isNode = false
    /// Whether its cores are drawn elsewhere.
    var hasNoCores = false

    static func tree(of machine: Machine) -> Branch {
        var root = Branch(labels: [], cpus: machine.online)
        var all: [Branch] = []
        func add(_ name: String, _ sets: CPUPartition) {
            for (number, cpus) in sets.enumerated() { all.append(Branch(labels: ["\(name) \(number)"], cpus: cpus)) }
        }
        func add(_ name: String, _ sets: CPUPartition, moreThan partition: CPUPartition) {
            for cpus in sets where !partition.contains(cpus) { all.append(Branch(labels: [name], cpus: cpus)) }
        }
        add("Drawer", machine.drawers)
        add("Book", machine.books)
        add("Package", CPUPartition(machine.packages.map(\.cpus)))
        for node in machine.nodes where !node.cpus.isEmpty { all.append(branch(of: node, "")) }
        if machine.dies.count > machine.packages.count { add("Die", machine.dies) }
        add("L3", machine.l3Groups, moreThan: [])
        add("Cluster", machine.clusters, moreThan: machine.cores)
        add("L2", machine.l2Groups, moreThan: machine.cores)
        // Larger sets first, so that each finds what contains it; equal sets in the order above.
        var drawn: Set<String> = []
        for branch in all.enumerated().sorted(by: {
            ($1.element.cpus.count, $0.offset) < ($0.element.cpus.count, $1.offset)
        }).map(\.element) where machine.cores.areWhole(in: branch.cpus) && root.insert(branch) {
            drawn.formUnion(branch.labels)
        }
        root.sort()
        // What overlaps with other sets, or has part of a core, does not fit a tree. Nodes have a line all the same.
        for node in machine.nodes where !node.cpus.isEmpty {
            var branch = branch(of: node, ", CPUs shown above")
            branch.hasNoCores = true
            if !drawn.contains("Node \(node.id)") { root.branches.append(branch) }
        }
        let empty = machine.emptyNodes
        for node in machine.nodes where node.cpus.isEmpty && !empty.contains(node) {
            let hasCPUs = !node.rawCPUs.isDisjoint(with: machine.present)
            let kind = hasCPUs ? "no CPU online" : machine.memoryOnlyNodes.contains(node) ? "memory only" : "no CPUs"
            root.branches.append(branch(of: node, ", \(kind)"))
        }
        if !empty.isEmpty {
            root.branches.append(Branch(labels: [TopologyTree.nodes(empty.map(\.id), "empty")], cpus: CPUSet()))
        }
        return root
    }

    private static func branch(of node: Node, _ remark: String) -> Branch {
        Branch(labels: ["Node \(node.id)\(remark)"], cpus: node.cpus, details: details(of: node), isNode: true)
    }

    /// Adds `branch` where it belongs. Returns false, and changes nothing, where it overlaps with another branch of which
    /// it is no part, or is a second node of the same CPUs.
    private mutating func insert(_ branch: Branch) -> Bool {
        guard let index = branches.firstIndex(where: { branch.cpus.isSubset(of: $0.cpus) }) else {
            guard branches.allSatisfy({ $0.cpus.isDisjoint(with: branch.cpus) }) else { return false }
            branches.append(branch)
            return true
        }
        guard branches[index].cpus == branch.cpus else { return branches[index].insert(branch) }
        guard !(branch.isNode && branches[index].isNode) else { return false }
        branches[index].isNode = branch.isNode || branches[index].isNode
        branches[index].labels += branch.labels
        branches[index].details += branch.details
        return true
    }

    private mutating func sort() {
        branches.sort { ($0.cpus.first ?? 0) < ($1.cpus.first ?? 0) }
        for index in branches.indices { branches[index].sort() }
    }

    /// The cores in no branch below.
    func loose(_ machine: Machine) -> [CPUSet] {
        guard !hasNoCores else { return [] }
        let below = branches.reduce(CPUSet()) { $0.union($1.cpus) }
        return machine.cores.filter { !$0.isDisjoint(with: cpus) && $0.isDisjoint(with: below) }
    }

    private static func details(of node: Node) -> [String] {
        var details: [String] = []
        if let bytes = node.memoryBytes { details.append(Quantity.bytes(bytes)) }
        for pool in node.hugePages where pool.total > 0 {
            details.append("\(Quantity.pageSize(kilobytes: pool.sizeKB)) pages: \(pool.total), \(pool.available) free")
        }
        if node.distances.count > 1 {
            let far = node.distances.sorted { $0.key < $1.key }.map { "\($0.value)" }
            details.append("distances \(far.joined(separator: " "))")
        }
        return details
    }
}
