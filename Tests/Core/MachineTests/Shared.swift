import FoundationEssentials
import Machine
import Testing

/// The folder of real machines and recordings beside the checkout.
enum Shared {
    static let folder: String = {
        if let named = ProcessInfo.processInfo.environment["BERTH_SHARED"], !named.isEmpty { return named }
        let checkout = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return checkout.deletingLastPathComponent().appending(path: "shared").path
    }()

    static let isThere = FileManager.default.fileExists(atPath: "\(folder)/topologies")
    static let whySkipped: Comment = "no ../shared/topologies beside the checkout and BERTH_SHARED not set"

    private static func names(in subfolder: String) -> [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(subfolder)")) ?? []
        return files.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
    }

    /// The names of the real machines.
    static let machines = names(in: "topologies")
    /// The names of the machines of the recordings.
    static let goldenMachines = names(in: "golden/topologies")

    static func machine(_ name: String) throws -> CapturedFiles {
        try CapturedFiles(contentsOf: "\(folder)/topologies/\(name).json")
    }

    static func goldenMachine(_ name: String) throws -> CapturedFiles {
        let data = try Data(contentsOf: URL(filePath: "\(folder)/golden/topologies/\(name).json"))
        let files = try JSONDecoder().decode([String: String].self, from: data)
        return CapturedFiles(
            name: name, files: Dictionary(uniqueKeysWithValues: files.map { ("devices/system/\($0)", $1) }))
    }

    static func expected(_ name: String) throws -> Expected {
        let data = try Data(contentsOf: URL(filePath: "\(folder)/topologies/expected/\(name).json"))
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

/// A folder that is removed at the end.
struct TemporaryDirectory: ~Copyable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "berth-machine-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes `files` as a tree.
    func write(_ files: CapturedFiles) throws {
        for (path, content) in files.files { try write(path, content) }
    }

    func write(_ path: String, _ content: String) throws {
        let file = "\(self.path)/\(path)"
        let folder = path.hasSuffix("/") ? file : String(file[..<(file.lastIndex(of: "/") ?? file.startIndex)])
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        if !path.hasSuffix("/") { try Data(content.utf8).write(to: URL(filePath: file)) }
    }
}
