/// What a node can do: `NodeCapabilities` on the wire (domain specification, section 1.2).
public struct NodeCapabilities: Hashable, Sendable {
    /// Logical CPUs.
    public var cpus: UInt32 = 0
    /// The CPUs' model.
    public var cpuModel = ""
    /// The CPUs' speed, in a unit of the node's choice (the reference's documents say BogoMIPS, its nodes send MHz).
    public var cpuFrequency: Float = 0
    /// Physical cores.
    public var cores: UInt32 = 0
    /// Memory in MiB.
    public var memoryMiB: UInt32 = 0
    /// Free texts, e.g. `hostname=n3`.
    public var labels: [String] = []
    /// Whether it runs in a trusted execution environment.
    public var hasTEE = false
    /// Whether it has a trusted platform module.
    public var hasTPM = false
    /// The run-times of functions that it has, e.g. `RUST_WASM`.
    public var runtimes: [String] = []
    /// Disk space in MiB.
    public var diskMiB: UInt32 = 0
    /// Graphics processors.
    public var gpus: UInt32 = 0
    /// Their model.
    public var gpuModel = ""
    /// Their memory in MiB.
    public var gpuMemoryMiB: UInt32 = 0

    /// A node that can do nothing.
    public init() {}

    /// Whether it may run functions at all (section 4.3).
    public var runsFunctions: Bool { cpus != 0 && cores != 0 }

    /// How likely the strategy Random is to choose it (section 4.4): the larger of cores and CPUs times the frequency; 1 where
    /// that is not positive or the frequency is no finite, positive number.
    public var weight: Double {
        let frequency = Double(cpuFrequency)
        guard frequency.isFinite, frequency > 0 else { return 1 }
        let weight = Double(max(cores, cpus)) * frequency
        return weight > 0 ? weight : 1
    }
}

/// A resource that a node offers: `ResourceProviderSpecification` on the wire.
public struct ResourceProvider: Hashable, Sendable {
    /// Its name, unique in the domain.
    public var id: String
    /// The class of its resources, e.g. `file-log`.
    public var classType: String
    /// The names of their output channels.
    public var outputs: [String]

    /// A provider.
    public init(id: String, classType: String, outputs: [String] = []) {
        self.id = id
        self.classType = classType
        self.outputs = outputs
    }
}

/// What a node says of itself when it registers and each time it refreshes.
public struct NodeDescription: Hashable, Sendable {
    /// Where its agent listens.
    public var agentURL: String
    /// Where its functions are invoked by those of other nodes.
    public var invocationURL: String
    /// What it offers, in its order.
    public var providers: [ResourceProvider]
    /// What it can do.
    public var capabilities: NodeCapabilities

    /// A node's description.
    public init(
        agentURL: String, invocationURL: String, providers: [ResourceProvider] = [],
        capabilities: NodeCapabilities = NodeCapabilities()
    ) {
        self.agentURL = agentURL
        self.invocationURL = invocationURL
        self.providers = providers
        self.capabilities = capabilities
    }
}

/// What a domain can do, for its controller: `DomainCapabilities` on the wire.
public struct DomainCapabilities: Hashable, Sendable {
    /// How many nodes it has.
    public var nodes: UInt32 = 0
    /// Logical CPUs.
    public var cpus: UInt32 = 0
    /// Physical cores.
    public var cores: UInt32 = 0
    /// Memory in MiB.
    public var memoryMiB: UInt32 = 0
    /// All labels.
    public var labels: Set<String> = []
    /// Nodes in a trusted execution environment.
    public var tees: UInt32 = 0
    /// Nodes with a trusted platform module.
    public var tpms: UInt32 = 0
    /// All run-times.
    public var runtimes: Set<String> = []
    /// Disk space in MiB.
    public var diskMiB: UInt32 = 0
    /// Graphics processors.
    public var gpus: UInt32 = 0
    /// Their memory in MiB.
    public var gpuMemoryMiB: UInt32 = 0
    /// The names of all providers.
    public var providers: Set<String> = []
    /// The classes of all providers.
    public var providerClasses: Set<String> = []

    /// A domain without nodes.
    public init() {}

    /// Adds what one node can do (section 3.3): sums that stop at the largest number, unions, counts of flags.
    mutating func add(_ node: NodeCapabilities) {
        func add(_ sum: inout UInt32, _ value: UInt32) {
            let (result, overflow) = sum.addingReportingOverflow(value)
            sum = overflow ? .max : result
        }
        add(&cpus, node.cpus)
        add(&cores, node.cores)
        add(&memoryMiB, node.memoryMiB)
        add(&diskMiB, node.diskMiB)
        add(&gpus, node.gpus)
        add(&gpuMemoryMiB, node.gpuMemoryMiB)
        if node.hasTEE { add(&tees, 1) }
        if node.hasTPM { add(&tpms, 1) }
        labels.formUnion(node.labels)
        runtimes.formUnion(node.runtimes)
    }
}
