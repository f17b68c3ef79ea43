import Glibc
import Machine
import TestSupport
import Testing
import WireJSON

@Suite("berth topology")
struct TopologyTests {
    @Test(
        "A tree that stands for /sys reads as hwloc and lscpu read the machine",
        .needsShared,
        arguments: ["xeon-snc2-optane-isolcpus", "s390-lpar-offline-nonuma"])
    func real(name: String) throws {
        let shared = "\(SharedDirectory.path ?? "")/topologies"
        let directory = try TemporaryDirectory()
        try directory.write(try CapturedFiles(contentsOf: "\(shared)/\(name).json").files)
        let result = try Program.run(["topology", "--json", "--sysfs-root", directory.path])
        #expect(result.status == 0 && result.errors.isEmpty)
        let found = try JSONValue(Array(result.output.utf8))
        let expected = try JSONValue(try #require(TemporaryDirectory.read("\(shared)/expected/\(name).json")))
        for key in ["packages", "numa_nodes", "cores", "cpus_online", "node_cpus", "smt_siblings", "l3_groups"] {
            #expect(found[key].map(Self.sorted) == expected[key].map(Self.sorted), "\(key)")
            #expect(found[key] != nil)
        }
    }

    @Test("The labels of an edge node count what is isolated and free on each NUMA node")
    func labels() throws {
        let result = try Program.run(["topology", "labels", "--simulate"])
        #expect(result.status == 0)
        let machine = try MachineReader(files: CapturedFiles.simulated).read()
        let expected = machine.nodes.map { ($0.id, $0.cpus.intersection(machine.isolated).count) }.filter { $0.1 > 0 }
        let lines = result.output.split(separator: "\n").filter { $0.contains("-cpus=") }
        #expect(!expected.isEmpty && lines.map(String.init) == expected.map { "berth-numa-\($0)-cpus=\($1)" })
        let json = try JSONValue(Array(try Program.run(["topology", "labels", "--simulate", "--json"]).output.utf8))
        let labels = result.output.split(separator: "\n").map { JSONValue.string(String($0)) }
        #expect(json["labels"] == .array(labels))
    }

    /// Members by name: their order says nothing.
    private static func sorted(_ value: JSONValue) -> [String: JSONValue] {
        guard let members = value.members else { return ["": value] }
        return Dictionary(members.map { ($0.name, $0.value) }) { first, _ in first }
    }

    @Test("A captured machine is replayed as it was, by file and by tree")
    func capture() throws {
        let directory = try TemporaryDirectory()
        let file = "\(directory.path)/machine.json"
        let captured = try Program.run(["topology", "capture", file, "--simulate"])
        #expect(captured.status == 0 && captured.output.hasPrefix("\(file): "), "\(captured)")
        let direct = try Program.run(["topology", "--simulate", "--json"])
        #expect(try Program.run(["topology", "--machine", file, "--json"]).output == direct.output)
        let printed = try Program.run(["topology", "capture", "-", "--machine", file])
        #expect(Array(printed.output.utf8) == TemporaryDirectory.read(file))
        try directory.write(CapturedFiles.simulated.files)
        let tree = try Program.run(["topology", "--sysfs-root", directory.path])
        let shown = try Program.run(["topology", "--simulate"]).output
        #expect(tree.output == shown.replacing("simulated:", with: "This machine:"))
    }

    @Test("The machine at hand is drawn without a daemon")
    func thisMachine() throws {
        let result = try Program.run(["map", "--no-daemon"])
        #expect(result.status == 0 && result.output.hasPrefix("This machine: "), "\(result)")
    }
}
