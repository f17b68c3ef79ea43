/// The capabilities of a node: `NodeCapabilities` on the wire (domain specification, section 1.2).
package struct NodeCapabilities: Hashable, Sendable {
    /// Logical CPUs.
    package var cpus: UInt32 = 0
    /// The CPUs' model.
    package var cpuModel = ""
    /// The CPUs' speed, in a unit of the node's choice (the EDGELESS documentation says BogoMIPS, its nodes send MHz).
    package var cpuFrequency: Float = 0
    /// Physical cores.
    package var cores: UInt32 = 0
    /// Memory in MiB.
    package var memoryMiB: UInt32 = 0
    /// Free-form texts, e.g. `hostname=n3`.
    package var labels: [String] = []
    /// Whether it runs in a trusted execution environment.
    package var hasTEE = false
    /// Whether it has a trusted platform module.
    package var hasTPM = false
    /// The function run-times that it supports, e.g. `RUST_WASM`.
    package var runtimes: [String] = []
    /// Disk space in MiB.
    package var diskMiB: UInt32 = 0
    /// Graphics processors.
    package var gpus: UInt32 = 0
    /// Their model.
    package var gpuModel = ""
    /// Their memory in MiB.
    package var gpuMemoryMiB: UInt32 = 0

    /// Creates empty capabilities.
    package init() {}

    /// The value of the first label `hostname=…`; nil if it is missing or empty.
    package var hostname: String? {
        let prefix = "hostname="
        guard let label = labels.first(where: { $0.hasPrefix(prefix) }), label != prefix else { return nil }
        return String(label.dropFirst(prefix.count))
    }

    /// Whether it can run functions at all (section 4.3).
    package var runsFunctions: Bool { cpus != 0 && cores != 0 }

    /// Its weight with the Random strategy (section 4.4): the larger of cores and CPUs times the frequency, or 1 if
    /// the result is not a positive finite number.
    package var weight: Double {
        let frequency = Double(cpuFrequency)
        guard frequency.isFinite, frequency > 0 else { return 1 }
        let weight = Double(max(cores, cpus)) * frequency
        return weight > 0 ? weight : 1
    }
}

/// A resource provider of a node: `ResourceProviderSpecification` on the wire.
package struct ResourceProvider: Hashable, Sendable {
    /// Its name, unique in the domain.
    package var id: String
    /// The class of its resources, e.g. `file-log`.
    package var classType: String
    /// The names of their output channels.
    package var outputs: [String]

    /// A provider.
    package init(id: String, classType: String, outputs: [String] = []) {
        self.id = id
        self.classType = classType
        self.outputs = outputs
    }
}

/// What a node reports about itself at each registration and refresh.
package struct NodeDescription: Hashable, Sendable {
    /// Where its agent listens.
    package var agentURL: String
    /// Where functions of other nodes invoke its functions.
    package var invocationURL: String
    /// Its resource providers, in its order.
    package var providers: [ResourceProvider]
    /// Its capabilities.
    package var capabilities: NodeCapabilities

    /// Creates a description.
    package init(
        agentURL: String, invocationURL: String, providers: [ResourceProvider] = [],
        capabilities: NodeCapabilities = NodeCapabilities()
    ) {
        self.agentURL = agentURL
        self.invocationURL = invocationURL
        self.providers = providers
        self.capabilities = capabilities
    }
}

/// The capabilities of a domain for its controller: `DomainCapabilities` on the wire.
package struct DomainCapabilities: Hashable, Sendable {
    /// The number of nodes.
    package var nodes: UInt32 = 0
    /// Logical CPUs.
    package var cpus: UInt32 = 0
    /// Physical cores.
    package var cores: UInt32 = 0
    /// Memory in MiB.
    package var memoryMiB: UInt32 = 0
    /// All labels.
    package var labels: Set<String> = []
    /// Nodes in a trusted execution environment.
    package var tees: UInt32 = 0
    /// Nodes with a trusted platform module.
    package var tpms: UInt32 = 0
    /// All run-times.
    package var runtimes: Set<String> = []
    /// Disk space in MiB.
    package var diskMiB: UInt32 = 0
    /// Graphics processors.
    package var gpus: UInt32 = 0
    /// Their memory in MiB.
    package var gpuMemoryMiB: UInt32 = 0
    /// The names of all providers.
    package var providers: Set<String> = []
    /// The classes of all providers.
    package var providerClasses: Set<String> = []

    /// A domain without nodes.
    package init() {}

    /// Adds the capabilities of a node (section 3.3): saturating sums, unions and counts.
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
