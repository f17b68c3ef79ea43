/// The CPUs of a node.
public struct NodeCPUTopology: KubernetesResource {
    /// The kind.
    public static let resourceKind = ResourceKind(
        group: "cslab.ece.ntua.gr", version: "v1alpha1", kind: "NodeCPUTopology", plural: "nodecputopologies",
        isNamespaced: false)

    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// How fresh the topology is. A newer server may have further values.
    public struct ResourceStatus: RawRepresentable, Hashable, Sendable {
        /// As it is spelt.
        public let rawValue: String

        /// The value that is spelt so.
        public init(rawValue: String) { self.rawValue = rawValue }

        /// It is still to be read.
        public static let needsSync = ResourceStatus(rawValue: "NeedsSync")
        /// There is no such node.
        public static let nodeNotFound = ResourceStatus(rawValue: "NodeNotFound")
        /// It is what the node has.
        public static let fresh = ResourceStatus(rawValue: "Fresh")
        /// It could not be read.
        public static let failed = ResourceStatus(rawValue: "Failed")
    }

    /// The sockets, cores, NUMA nodes and CPUs of a node.
    public struct Topology: Equatable, Sendable {
        /// The sockets, in ascending order of their ids.
        public var sockets: [Socket]
        /// The NUMA nodes, in ascending order of their ids.
        public var numaNodes: [NUMANode]
        /// All logical CPUs.
        public var cpus: [Int]

        /// A topology.
        public init(sockets: [Socket], numaNodes: [NUMANode], cpus: [Int]) {
            self.sockets = sockets
            self.numaNodes = numaNodes
            self.cpus = cpus
        }
    }

    /// A socket.
    public struct Socket: Equatable, Sendable {
        /// Its number.
        public var id: Int
        /// Its cores, in ascending order of their ids.
        public var cores: [Core]
        /// Its logical CPUs.
        public var cpus: [Int]

        /// A socket.
        public init(id: Int, cores: [Core], cpus: [Int]) {
            self.id = id
            self.cores = cores
            self.cpus = cpus
        }
    }

    /// A core.
    public struct Core: Equatable, Sendable {
        /// Its number.
        public var id: Int
        /// Its logical CPUs.
        public var cpus: [Int]

        /// A core.
        public init(id: Int, cpus: [Int]) {
            self.id = id
            self.cpus = cpus
        }
    }

    /// A NUMA node.
    public struct NUMANode: Equatable, Sendable {
        /// Its number.
        public var id: Int
        /// Its logical CPUs.
        public var cpus: [Int]

        /// A NUMA node.
        public init(id: Int, cpus: [Int]) {
            self.id = id
            self.cpus = cpus
        }
    }

    /// The node's name.
    public var nodeName: String {
        get { text("spec", "nodeName") ?? "" }
        set { set(newValue, "spec", "nodeName") }
    }

    /// The node's CPUs; nil where they are missing, or not as the CRD says (an id that is no decimal number, a CPU that is no
    /// integer). To set it replaces all of it.
    public var topology: Topology? {
        get { json[["spec", "topology"]].flatMap { Topology($0) } }
        set { set(newValue?.json, "spec", "topology") }
    }

    /// How fresh it is; nil before anybody has said so.
    public var resourceStatus: ResourceStatus? {
        get { text("status", "resourceStatus").flatMap { $0.isEmpty ? nil : ResourceStatus(rawValue: $0) } }
        set { set(newValue?.rawValue, "status", "resourceStatus") }
    }
    /// The node's address within the cluster; empty where it is not known.
    public var internalIP: String {
        get { text("status", "internalIP") ?? "" }
        set { set(newValue, "status", "internalIP") }
    }
    /// The CPUs that services and programs of the node hold.
    public var allocatedCPUs: [Int] {
        get { numbers("status", "allocatedCPUs") }
        set { set(newValue, "status", "allocatedCPUs") }
    }
    /// The CPUs that the node gives to no pod exclusively.
    public var reservedCPUs: [Int] {
        get { numbers("status", "reservedCPUs") }
        set { set(newValue, "status", "reservedCPUs") }
    }
    /// The generation of the spec that the status is about; nil in a status that actimanager wrote.
    public var observedGeneration: Int? {
        get { number("status", "observedGeneration") }
        set { set(newValue, "status", "observedGeneration") }
    }
    /// Its conditions.
    public var conditions: [Condition] {
        get { list("status", "conditions") }
        set { set(newValue, "status", "conditions") }
    }
}

extension NodeCPUTopology {
    /// The name that the controller gives to the topology of a node.
    public static func name(ofNode node: String) -> String { "\(node)-cputopology" }

    /// The one of several topologies of a node that counts: that with the controller's name, else the first by name. The others
    /// are left alone.
    public static func effective(_ topologies: some Sequence<NodeCPUTopology>) -> NodeCPUTopology? {
        topologies.min { one, other in
            let ranks = [one, other].map { $0.metadata.name == name(ofNode: $0.nodeName) ? 0 : 1 }
            return (ranks[0], one.metadata.name) < (ranks[1], other.metadata.name)
        }
    }
}

extension NodeCPUTopology.Topology {
    fileprivate init?(_ json: JSONValue) {
        guard json.members != nil,
            let sockets = Self.entries(
                json["sockets"],
                { id, json -> NodeCPUTopology.Socket? in
                    guard
                        let cores = Self.entries(
                            json["cores"],
                            { id, json in
                                Self.cpus(json["cpus"]).map { NodeCPUTopology.Core(id: id, cpus: $0) }
                            }), let cpus = Self.cpus(json["cpus"])
                    else { return nil }
                    return NodeCPUTopology.Socket(id: id, cores: cores.sorted { $0.id < $1.id }, cpus: cpus)
                }),
            let numaNodes = Self.entries(
                json["numaNodes"],
                { id, json in
                    Self.cpus(json["cpus"]).map { NodeCPUTopology.NUMANode(id: id, cpus: $0) }
                }), let cpus = Self.cpus(json["cpus"])
        else { return nil }
        self.sockets = sockets.sorted { $0.id < $1.id }
        self.numaNodes = numaNodes.sorted { $0.id < $1.id }
        self.cpus = cpus
    }

    /// The entries of a map by ids; none where it is missing or null.
    private static func entries<Entry>(_ json: JSONValue?, _ read: (Int, JSONValue) -> Entry?) -> [Entry]? {
        guard let json, json != .null else { return [] }
        guard let members = json.members else { return nil }
        var entries: [Entry] = []
        for member in members {
            guard let id = Int(member.name), let entry = read(id, member.value) else { return nil }
            entries.append(entry)
        }
        return entries
    }

    /// A list of CPUs; none where it is missing or null.
    private static func cpus(_ json: JSONValue?) -> [Int]? {
        guard let json, json != .null else { return [] }
        guard let elements = json.array else { return nil }
        let cpus = elements.compactMap(\.integer)
        return cpus.count == elements.count ? cpus : nil
    }

    fileprivate var json: JSONValue {
        func cpus(_ cpus: [Int]) -> JSONValue { .array(cpus.map { JSONValue($0) }) }
        func map<Entry>(_ entries: [Entry], _ write: (Entry) -> (id: Int, json: JSONValue)) -> JSONValue {
            .object(entries.map(write).map { JSONValue.Member(name: String($0.id), value: $0.json) })
        }
        return [
            "sockets": map(sockets) { socket in
                let cores = map(socket.cores) { ($0.id, ["cpus": cpus($0.cpus)]) }
                return (socket.id, ["cores": cores, "cpus": cpus(socket.cpus)])
            },
            "numaNodes": map(numaNodes) { ($0.id, ["cpus": cpus($0.cpus)]) },
            "cpus": cpus(self.cpus),
        ]
    }
}
