/// The health of a node: `NodeHealthStatus` on the wire, in its units; −1 if the node cannot tell.
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

    /// All zero, as a message without health is read.
    package init() {}
}

/// A measurement with the node's timestamp.
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

/// A log line of a function.
package struct FunctionLogEntry: Hashable, Sendable {
    /// Seconds since 1970, by the node's clock.
    package var seconds: Int64
    /// Nanoseconds after that.
    package var nanoseconds: UInt32
    /// The log that it was written to.
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

/// Measurements of a node's functions since its last report: `NodePerformanceSamples` on the wire.
package struct PerformanceSamples: Hashable, Sendable {
    /// The metrics; the raw value is the name in Redis.
    package enum Metric: String, CaseIterable, Hashable, Sendable {
        /// Making the instance.
        case instantiation = "function_instantiate_time"
        /// Its own beginning.
        case initialisation = "function_init_time"
        /// Handling one call.
        case execution = "function_execution_time"
        /// ShutdownFlag.
        case stop = "function_stop_time"
        /// Passing a message on.
        case transfer = "function_transfer_time"
    }

    /// The samples of each metric by component.
    package var samples: [Metric: [ComponentID: [Sample]]] = [:]
    /// The log lines of each component.
    package var logEntries: [ComponentID: [FunctionLogEntry]] = [:]

    /// Nothing.
    package init() {}
}

/// A registration or refresh: `UpdateNodeRequest` on the wire.
package struct NodeUpdate: Hashable, Sendable {
    /// Which node.
    package var node: NodeID
    /// What the node reports about itself.
    package var description: NodeDescription
    /// The announced deadline of the next refresh, in seconds since 1970 on the node's clock.
    package var refreshDeadline: UInt64
    /// Drawn when the node starts: a new nonce means that it has restarted.
    package var nonce: UInt64
    /// Its health.
    package var health: NodeHealth
    /// Its measurements.
    package var samples: PerformanceSamples
    /// The address that it was sent from; empty if that is not known.
    package var client = ""

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

/// An update for the controller: `UpdateDomainRequest` on the wire.
package struct DomainUpdate: Hashable, Sendable {
    /// Which domain.
    package var domainID: String
    /// Where the controller reaches its orchestrator.
    package var orchestratorURL: String
    /// Its capabilities.
    package var capabilities: DomainCapabilities
    /// The deadline of the next update, in seconds since 1970.
    package var refreshDeadline: UInt64
    /// Incremented when the capabilities change.
    package var counter: UInt64
    /// Drawn when the state of the domain is created.
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

/// The controller's answer to a ``DomainUpdate``.
package enum DomainUpdateOutcome: Hashable, Sendable {
    /// The controller knows the domain.
    case accepted
    /// The controller does not know what runs here: the domain stops everything.
    case reset
    /// The controller refuses the update.
    case refused(DomainRefusal)
    /// The controller cannot be reached, or did not answer in time.
    case failed(String)

    /// Why the update was not accepted; nil if it was.
    var problem: String? {
        switch self {
        case .accepted, .reset: nil
        case .refused(let refusal): refusal.sentence
        case .failed(let reason): reason
        }
    }
}
