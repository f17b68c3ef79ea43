/// How a node is at the moment: `NodeHealthStatus` on the wire, in its units; −1 where the node cannot tell.
public struct NodeHealth: Hashable, Sendable {
    /// kB.
    public var memoryFree: Int32 = 0
    /// kB.
    public var memoryUsed: Int32 = 0
    /// kB.
    public var memoryAvailable: Int32 = 0
    /// Percent of a CPU that the node's own process uses.
    public var processCPU: Int32 = 0
    /// kB.
    public var processMemory: Int32 = 0
    /// kB.
    public var processVirtualMemory: Int32 = 0
    /// Hundredths.
    public var load1: Int32 = 0
    /// Hundredths.
    public var load5: Int32 = 0
    /// Hundredths.
    public var load15: Int32 = 0
    /// Over all its networks, since it started.
    public var receivedBytes: Int64 = 0
    /// Likewise.
    public var receivedPackets: Int64 = 0
    /// Likewise.
    public var receiveErrors: Int64 = 0
    /// Likewise.
    public var sentBytes: Int64 = 0
    /// Likewise.
    public var sentPackets: Int64 = 0
    /// Likewise.
    public var sendErrors: Int64 = 0
    /// Bytes.
    public var diskFree: Int64 = 0
    /// Since it started.
    public var diskReads: Int64 = 0
    /// Since it started.
    public var diskWrites: Int64 = 0
    /// Percent.
    public var gpuLoad: Int32 = 0
    /// Thousandths of a degree Celsius.
    public var gpuTemperature: Int32 = 0
    /// mW.
    public var activePower: Int32 = 0

    /// All zero, as a message without health reads.
    public init() {}
}

/// A figure with the time at which the node took it.
public struct Sample: Hashable, Sendable {
    /// Seconds since 1970, by the node's clock.
    public var seconds: Int64
    /// Nanoseconds after that.
    public var nanoseconds: UInt32
    /// The figure, in seconds.
    public var value: Double

    /// A figure.
    public init(seconds: Int64, nanoseconds: UInt32, value: Double) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
        self.value = value
    }
}

/// A line that a function has logged.
public struct FunctionLogEntry: Hashable, Sendable {
    /// Seconds since 1970, by the node's clock.
    public var seconds: Int64
    /// Nanoseconds after that.
    public var nanoseconds: UInt32
    /// Which log of the function's.
    public var target: String
    /// The line.
    public var message: String

    /// A line.
    public init(seconds: Int64, nanoseconds: UInt32, target: String, message: String) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
        self.target = target
        self.message = message
    }
}

/// What a node has measured of its functions since its last report: `NodePerformanceSamples` on the wire.
public struct PerformanceSamples: Hashable, Sendable {
    /// What was measured; the raw value is the metric's name in Redis.
    public enum Metric: String, CaseIterable, Hashable, Sendable {
        /// Making the instance.
        case instantiation = "function_instantiate_time"
        /// Its own beginning.
        case initialisation = "function_init_time"
        /// Handling one call.
        case execution = "function_execution_time"
        /// Ending.
        case stop = "function_stop_time"
        /// Passing a message on.
        case transfer = "function_transfer_time"
    }

    /// The figures of each metric by component.
    public var samples: [Metric: [ComponentID: [Sample]]] = [:]
    /// The log lines of each component.
    public var logEntries: [ComponentID: [FunctionLogEntry]] = [:]

    /// Nothing.
    public init() {}
}

/// What a node sends to register and to refresh: `UpdateNodeRequest` on the wire.
public struct NodeUpdate: Hashable, Sendable {
    /// Which node.
    public var node: NodeID
    /// What it says of itself.
    public var description: NodeDescription
    /// Until when it will have refreshed, seconds since 1970 by the node's clock.
    public var refreshDeadline: UInt64
    /// A number that the node draws when it starts: another one means that it has restarted.
    public var nonce: UInt64
    /// How it is.
    public var health: NodeHealth
    /// What it has measured.
    public var samples: PerformanceSamples

    /// An update.
    public init(
        node: NodeID, description: NodeDescription, refreshDeadline: UInt64, nonce: UInt64,
        health: NodeHealth = NodeHealth(), samples: PerformanceSamples = PerformanceSamples()
    ) {
        self.node = node
        self.description = description
        self.refreshDeadline = refreshDeadline
        self.nonce = nonce
        self.health = health
        self.samples = samples
    }
}

/// What a domain sends to its controller: `UpdateDomainRequest` on the wire.
public struct DomainUpdate: Hashable, Sendable {
    /// Which domain.
    public var domainID: String
    /// Where the controller reaches its orchestrator.
    public var orchestratorURL: String
    /// What it can do.
    public var capabilities: DomainCapabilities
    /// Until when it will have refreshed, seconds since 1970.
    public var refreshDeadline: UInt64
    /// Rises with each change of the capabilities.
    public var counter: UInt64
    /// Drawn when the domain's state begins.
    public var nonce: UInt64

    /// An update.
    public init(
        domainID: String, orchestratorURL: String, capabilities: DomainCapabilities, refreshDeadline: UInt64,
        counter: UInt64, nonce: UInt64
    ) {
        self.domainID = domainID
        self.orchestratorURL = orchestratorURL
        self.capabilities = capabilities
        self.refreshDeadline = refreshDeadline
        self.counter = counter
        self.nonce = nonce
    }
}

/// What the controller answered to a ``DomainUpdate``.
public enum DomainUpdateOutcome: Hashable, Sendable {
    /// All is as it was.
    case accepted
    /// The controller knows nothing of what runs here: all of it is to be stopped.
    case reset
    /// The controller does not take the update.
    case refused(DomainRefusal)
    /// It cannot be reached, or gave no answer in time.
    case failed(String)

    /// Why it has not taken the update; nil where it has.
    var problem: String? {
        switch self {
        case .accepted, .reset: nil
        case .refused(let refusal): refusal.sentence
        case .failed(let reason): reason
        }
    }
}
