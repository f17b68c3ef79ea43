/// How a node is at the moment: `NodeHealthStatus` on the wire, in its units; −1 where the node cannot tell.
package struct NodeHealth: Hashable, Sendable {
    /// kB.
    package var memoryFree: Int32 = 0
    /// kB.
    package var memoryUsed: Int32 = 0
    /// kB.
    package var memoryAvailable: Int32 = 0
    /// Percent of a CPU that the node's own process uses.
    package var processCPU: Int32 = 0
    /// kB.
    package var processMemory: Int32 = 0
    /// kB.
    package var processVirtualMemory: Int32 = 0
    /// Hundredths.
    package var load1: Int32 = 0
    /// Hundredths.
    package var load5: Int32 = 0
    /// Hundredths.
    package var load15: Int32 = 0
    /// Over all its networks, since it started.
    package var receivedBytes: Int64 = 0
    /// Likewise.
    package var receivedPackets: Int64 = 0
    /// Likewise.
    package var receiveErrors: Int64 = 0
    /// Likewise.
    package var sentBytes: Int64 = 0
    /// Likewise.
    package var sentPackets: Int64 = 0
    /// Likewise.
    package var sendErrors: Int64 = 0
    /// Bytes.
    package var diskFree: Int64 = 0
    /// Since it started.
    package var diskReads: Int64 = 0
    /// Since it started.
    package var diskWrites: Int64 = 0
    /// Percent.
    package var gpuLoad: Int32 = 0
    /// Thousandths of a degree Celsius.
    package var gpuTemperature: Int32 = 0
    /// mW.
    package var activePower: Int32 = 0

    /// All zero, as a message without health reads.
    package init() {}
}

/// A figure with the time at which the node took it.
package struct Sample: Hashable, Sendable {
    /// Seconds since 1970, by the node's clock.
    package var seconds: Int64
    /// Nanoseconds after that.
    package var nanoseconds: UInt32
    /// The figure, in seconds.
    package var value: Double

    /// A figure.
    package init(seconds: Int64, nanoseconds: UInt32, value: Double) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
        self.value = value
    }
}

/// A line that a function has logged.
package struct FunctionLogEntry: Hashable, Sendable {
    /// Seconds since 1970, by the node's clock.
    package var seconds: Int64
    /// Nanoseconds after that.
    package var nanoseconds: UInt32
    /// Which log of the function's.
    package var target: String
    /// The line.
    package var message: String

    /// A line.
    package init(seconds: Int64, nanoseconds: UInt32, target: String, message: String) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
        self.target = target
        self.message = message
    }
}

/// What a node has measured of its functions since its last report: `NodePerformanceSamples` on the wire.
package struct PerformanceSamples: Hashable, Sendable {
    /// What was measured; the raw value is the metric's name in Redis.
    package enum Metric: String, CaseIterable, Hashable, Sendable {
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
    package var samples: [Metric: [ComponentID: [Sample]]] = [:]
    /// The log lines of each component.
    package var logEntries: [ComponentID: [FunctionLogEntry]] = [:]

    /// Nothing.
    package init() {}
}

/// What a node sends to register and to refresh: `UpdateNodeRequest` on the wire.
package struct NodeUpdate: Hashable, Sendable {
    /// Which node.
    package var node: NodeID
    /// What it says of itself.
    package var description: NodeDescription
    /// Until when it will have refreshed, seconds since 1970 by the node's clock.
    package var refreshDeadline: UInt64
    /// A number that the node draws when it starts: another one means that it has restarted.
    package var nonce: UInt64
    /// How it is.
    package var health: NodeHealth
    /// What it has measured.
    package var samples: PerformanceSamples

    /// An update.
    package init(
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
package struct DomainUpdate: Hashable, Sendable {
    /// Which domain.
    package var domainID: String
    /// Where the controller reaches its orchestrator.
    package var orchestratorURL: String
    /// What it can do.
    package var capabilities: DomainCapabilities
    /// Until when it will have refreshed, seconds since 1970.
    package var refreshDeadline: UInt64
    /// Rises with each change of the capabilities.
    package var counter: UInt64
    /// Drawn when the domain's state begins.
    package var nonce: UInt64

    /// An update.
    package init(
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
package enum DomainUpdateOutcome: Hashable, Sendable {
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
