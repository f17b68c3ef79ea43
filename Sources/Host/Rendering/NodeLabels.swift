import Machine

extension Machine {
    /// The labels by which an edge node tells what it has set apart for functions, for the strategy LoadAware of `berth-domain`:
    /// the isolated CPUs that are online and the free huge pages of each NUMA node; nothing for what there is none of.
    package var edgeNodeLabels: [String] {
        nodes.flatMap { node in
            let pages = node.hugePages.compactMap { pool in
                Self.pageNames[pool.sizeKB].map { (name: "hugepages-\($0)", count: pool.free) }
            }
            let figures = [(name: "cpus", count: node.cpus.intersection(isolated).count)] + pages
            return figures.filter { $0.count > 0 }.map { "berth-numa-\(node.id)-\($0.name)=\($0.count)" }
        }
    }

    /// The sizes that functions can ask for, in kB.
    private static let pageNames = [2_048: "2M", 1_048_576: "1G"]
}
