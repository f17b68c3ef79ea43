import FoundationEssentials
import Machine
import TestSupport
import Testing

/// The machines of the directory beside the checkout.
enum Shared {
    private static func path(_ file: String) throws -> String { "\(try #require(SharedDirectory.path))/\(file)" }

    static func machine(_ name: String) throws -> CapturedFiles {
        try CapturedFiles(contentsOf: path("topologies/\(name).json"))
    }

    /// A machine of a public bug report.
    static func reported(_ name: String) throws -> Machine {
        try MachineReader(files: CapturedFiles(contentsOf: path("cases/machines/\(name).json"))).read()
    }

    static func goldenMachine(_ name: String) throws -> CapturedFiles {
        let data = try Data(contentsOf: URL(filePath: path("golden/topologies/\(name).json")))
        let files = try JSONDecoder().decode([String: String].self, from: data)
        return CapturedFiles(
            name: name, files: Dictionary(uniqueKeysWithValues: files.map { ("devices/system/\($0)", $1) }))
    }

    static func expected(_ name: String) throws -> Expected {
        let data = try Data(contentsOf: URL(filePath: path("topologies/expected/\(name).json")))
        return try JSONDecoder().decode(Expected.self, from: data)
    }

    /// What hwloc and lscpu say about a machine: the keys of `expected/` that are about the machine.
    struct Expected: Decodable, Equatable {
        struct Distances: Decodable, Equatable {
            let nodes: [Int]
            let rows: [[Int]]
        }

        let packages: Int
        let numaNodes: [Int]
        let memoryOnlyNodes: [Int]
        let cores: Int
        let cpusOnline: String
        let cpusOnlineCount: Int
        let nodeCpus: [String: String]
        let smtSiblings: [String]
        let l3Groups: [String]
        let nodeMemoryBytes: [String: Int]
        var nodeNrHugepages: [String: [String: Int]]
        let nodeDistances: Distances?

        private enum CodingKeys: String, CodingKey {
            case packages, cores
            case numaNodes = "numa_nodes"
            case memoryOnlyNodes = "memory_only_nodes"
            case cpusOnline = "cpus_online"
            case cpusOnlineCount = "cpus_online_count"
            case nodeCpus = "node_cpus"
            case smtSiblings = "smt_siblings"
            case l3Groups = "l3_groups"
            case nodeMemoryBytes = "node_memory_bytes"
            case nodeNrHugepages = "node_nr_hugepages"
            case nodeDistances = "node_distances"
        }
    }
}
