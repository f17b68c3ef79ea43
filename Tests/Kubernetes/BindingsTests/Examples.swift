import Bindings
import Machine

/// The machines of the specification's worked examples.
enum Examples {
    /// 2 sockets of 2 cores of 2 CPUs: core 0 is {0, 4}, core 1 {1, 5}, core 2 {2, 6}, core 3 {3, 7}.
    static let t1 = NodeTopology(
        sockets: [
            .init(id: 1, cores: [.init(id: 3, cpus: [7, 3]), .init(id: 2, cpus: [2, 6])]),
            .init(id: 0, cores: [.init(id: 0, cpus: [0, 4]), .init(id: 1, cpus: [1, 5])]),
        ],
        numaNodes: [.init(id: 1, cpus: [2, 3, 6, 7]), .init(id: 0, cpus: [0, 1, 4, 5])])

    /// 2 sockets of 4 cores of one CPU.
    static let t2 = NodeTopology(
        sockets: (0..<2).map { socket in
            .init(id: socket, cores: (0..<4).map { .init(id: socket * 4 + $0, cpus: [socket * 4 + $0]) })
        },
        numaNodes: (0..<2).map { .init(id: $0, cpus: $0 * 4..<$0 * 4 + 4) })

    /// 2 sockets, `cores` cores of 2 CPUs each.
    static func server(cores: Int) -> NodeTopology {
        NodeTopology(
            sockets: (0..<2).map { socket in
                .init(
                    id: socket,
                    cores: (0..<cores).map { core in
                        let cpu = socket * cores + core
                        return .init(id: cpu, cpus: [cpu, cpu + 2 * cores])
                    })
            },
            numaNodes: (0..<2).map { node in
                .init(id: node, cpus: (0..<cores).flatMap { [node * cores + $0, (node + 2) * cores + $0] })
            })
    }
}
