import Domain

extension NodeHealth {
    init(wire: EdgelessApi_NodeHealthStatus) {
        self.init()
        memoryFree = wire.memFree
        memoryUsed = wire.memUsed
        memoryAvailable = wire.memAvailable
        processCPU = wire.procCpuUsage
        processMemory = wire.procMemory
        processVirtualMemory = wire.procVmemory
        load1 = wire.loadAvg1
        load5 = wire.loadAvg5
        load15 = wire.loadAvg15
        receivedBytes = wire.totRxBytes
        receivedPackets = wire.totRxPkts
        receiveErrors = wire.totRxErrs
        sentBytes = wire.totTxBytes
        sentPackets = wire.totTxPkts
        sendErrors = wire.totTxErrs
        diskFree = wire.diskFreeSpace
        diskReads = wire.diskTotReads
        diskWrites = wire.diskTotWrites
        gpuLoad = wire.gpuLoadPerc
        gpuTemperature = wire.gpuTempCels
        activePower = wire.activePower
    }
}

extension EdgelessApi_NodeHealthStatus {
    init(_ health: NodeHealth) {
        self.init()
        memFree = health.memoryFree
        memUsed = health.memoryUsed
        memAvailable = health.memoryAvailable
        procCpuUsage = health.processCPU
        procMemory = health.processMemory
        procVmemory = health.processVirtualMemory
        loadAvg1 = health.load1
        loadAvg5 = health.load5
        loadAvg15 = health.load15
        totRxBytes = health.receivedBytes
        totRxPkts = health.receivedPackets
        totRxErrs = health.receiveErrors
        totTxBytes = health.sentBytes
        totTxPkts = health.sentPackets
        totTxErrs = health.sendErrors
        diskFreeSpace = health.diskFree
        diskTotReads = health.diskReads
        diskTotWrites = health.diskWrites
        gpuLoadPerc = health.gpuLoad
        gpuTempCels = health.gpuTemperature
        activePower = health.activePower
    }
}

extension PerformanceSamples.Metric {
    /// The message field of the metric.
    fileprivate var field: WritableKeyPath<EdgelessApi_NodePerformanceSamples, [EdgelessApi_Samples]> {
        switch self {
        case .instantiation: \.functionInstantiateTimes
        case .initialisation: \.functionInitTimes
        case .execution: \.functionExecutionTimes
        case .stop: \.functionStopTimes
        case .transfer: \.functionTransferTimes
        }
    }
}

extension PerformanceSamples {
    /// Parses measurements. Samples without a valid component id are dropped; of duplicate ids the last counts.
    init(wire: EdgelessApi_NodePerformanceSamples) {
        self.init()
        for metric in Metric.allCases {
            for samples in wire[keyPath: metric.field] {
                guard let component = ComponentID(samples.id) else { continue }
                self.samples[metric, default: [:]][component] = samples.samples.map {
                    Sample(seconds: $0.timestampSec, nanoseconds: $0.timestampNs, value: $0.sample)
                }
            }
        }
        for entries in wire.functionLogEntries {
            guard let component = ComponentID(entries.id) else { continue }
            logEntries[component] = entries.entries.map {
                FunctionLogEntry(
                    seconds: $0.timestampSec, nanoseconds: $0.timestampNs, target: $0.target, message: $0.msg)
            }
        }
    }
}

extension EdgelessApi_NodePerformanceSamples {
    /// Creates the message, ordered by component so that equal samples give equal bytes.
    init(_ samples: PerformanceSamples) {
        self.init()
        for metric in PerformanceSamples.Metric.allCases {
            for (component, samples) in (samples.samples[metric] ?? [:]).sorted(by: { $0.key < $1.key }) {
                var message = EdgelessApi_Samples()
                message.id = component.description
                message.samples = samples.map { EdgelessApi_Sample($0) }
                self[keyPath: metric.field].append(message)
            }
        }
        for (component, entries) in samples.logEntries.sorted(by: { $0.key < $1.key }) {
            var message = EdgelessApi_FunctionLogEntries()
            message.id = component.description
            message.entries = entries.map { EdgelessApi_FunctionLogEntry($0) }
            functionLogEntries.append(message)
        }
    }
}

extension EdgelessApi_Sample {
    fileprivate init(_ sample: Sample) {
        self.init()
        timestampSec = sample.seconds
        timestampNs = sample.nanoseconds
        self.sample = sample.value
    }
}

extension EdgelessApi_FunctionLogEntry {
    fileprivate init(_ entry: FunctionLogEntry) {
        self.init()
        timestampSec = entry.seconds
        timestampNs = entry.nanoseconds
        target = entry.target
        msg = entry.message
    }
}
