import Machine

extension Machine {
    /// The labels of an edge node for the strategy LoadAware of `berth-domain`: the isolated CPUs that are online and the
    /// huge pages that the kernel can give, by NUMA node. Counts of 0 have no label.
    package var edgeNodeLabels: [String] {
        var left = isolated.intersection(online)
        return nodes.flatMap { node in
            // Where nodes overlap, a CPU counts in the first: LoadAware adds the nodes up.
            let cpus = node.cpus.intersection(left)
            left.subtract(cpus)
            let pages = node.hugePages.compactMap { pool in
                Self.pageNames[pool.sizeKB].map { (name: "hugepages-\($0)", count: pool.available) }
            }
            let figures = [(name: "cpus", count: cpus.count)] + pages
            return figures.filter { $0.count > 0 }.map { "berth-numa-\(node.id)-\($0.name)=\($0.count)" }
        }
    }

    /// The sizes that functions can ask for, in kB.
    private static let pageNames = [2_048: "2M", 1_048_576: "1G"]
}
