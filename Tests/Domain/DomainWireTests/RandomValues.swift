import Domain
import DomainWire
import FoundationEssentials
import TestSupport

/// Random values of every kind on the wire.
struct RandomValues {
    var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    mutating func id<Kind>() -> Identifier<Kind> { Identifier(random: &random) }

    mutating func physical() -> PhysicalID { PhysicalID(node: id(), component: id()) }

    mutating func count() -> Int { Int.random(in: 0...3, using: &random) }

    mutating func number<Number: FixedWidthInteger>() -> Number {
        let edges: [Number] = [.min, 0, 1, .max]
        return Bool.random(using: &random)
            ? Number.random(in: .min ... .max, using: &random) : edges[Int.random(in: 0..<edges.count, using: &random)]
    }

    mutating func text() -> String {
        let pieces = ["", "a", "red", "é", "\n", "=", ",", "\u{1F9ED}", " ", "node-1", "\"", "\0"]
        return (0..<count()).map { _ in pieces[Int.random(in: 0..<pieces.count, using: &random)] }.joined()
    }

    /// For fields in which an empty text means none.
    mutating func fullText() -> String { "x" + text() }

    mutating func texts() -> [String] { (0..<count()).map { _ in text() } }

    mutating func textMap() -> [String: String] {
        Dictionary((0..<count()).map { _ in (text(), text()) }) { first, _ in first }
    }

    mutating func bytes(_ most: Int) -> [UInt8] {
        (0..<Int.random(in: 0...most, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    mutating func double() -> Double {
        [0, -1.5, .infinity, .pi, .greatestFiniteMagnitude][Int.random(in: 0..<5, using: &random)]
    }

    mutating func refusal() -> DomainRefusal {
        DomainRefusal(text(), detail: Bool.random(using: &random) ? text() : nil)
    }

    mutating func function(binaries: BinaryInterner) -> FunctionSpecification {
        let code = bytes(300)
        return FunctionSpecification(
            functionClass: FunctionClass(
                id: text(), runtime: text(), version: text(), binary: code.isEmpty ? nil : binaries.binary(.init(code)),
                code: Bool.random(using: &random) ? fullText() : nil, outputs: texts()),
            annotations: textMap(), stateID: id(), statePolicy: StatePolicy(rawValue: count() % 3) ?? .transient,
            workflowID: text())
    }

    mutating func resource() -> ResourceSpecification {
        ResourceSpecification(classType: text(), configuration: textMap(), workflowID: text())
    }

    mutating func capabilities() -> NodeCapabilities {
        var capabilities = NodeCapabilities()
        capabilities.cpus = number()
        capabilities.cpuModel = text()
        capabilities.cpuFrequency = Float(double())
        capabilities.cores = number()
        capabilities.memoryMiB = number()
        capabilities.labels = texts()
        capabilities.hasTEE = Bool.random(using: &random)
        capabilities.hasTPM = Bool.random(using: &random)
        capabilities.runtimes = texts()
        capabilities.diskMiB = number()
        capabilities.gpus = number()
        capabilities.gpuModel = text()
        capabilities.gpuMemoryMiB = number()
        return capabilities
    }

    mutating func health() -> NodeHealth {
        var health = NodeHealth()
        for field in [
            \NodeHealth.memoryFree, \.memoryUsed, \.memoryAvailable, \.processCPU, \.processMemory,
            \.processVirtualMemory, \.load1, \.load5, \.load15, \.gpuLoad, \.gpuTemperature, \.activePower,
        ] {
            health[keyPath: field] = number()
        }
        for field in [
            \NodeHealth.receivedBytes, \.receivedPackets, \.receiveErrors, \.sentBytes, \.sentPackets, \.sendErrors,
            \.diskFree, \.diskReads, \.diskWrites,
        ] {
            health[keyPath: field] = number()
        }
        return health
    }

    mutating func samples() -> PerformanceSamples {
        var samples = PerformanceSamples()
        for metric in PerformanceSamples.Metric.allCases {
            for _ in 0..<count() {
                samples.samples[metric, default: [:]][id()] = (0..<count()).map { _ in
                    Sample(seconds: number(), nanoseconds: number(), value: double())
                }
            }
        }
        for _ in 0..<count() {
            samples.logEntries[id()] = (0..<count()).map { _ in
                FunctionLogEntry(seconds: number(), nanoseconds: number(), target: text(), message: text())
            }
        }
        return samples
    }

    mutating func nodeUpdate() -> NodeUpdate {
        NodeUpdate(
            node: id(),
            description: NodeDescription(
                agentURL: text(), invocationURL: text(),
                providers: (0..<count()).map { _ in
                    ResourceProvider(id: fullText(), classType: fullText(), outputs: texts())
                }, capabilities: capabilities()),
            refreshDeadline: number(), nonce: number(), health: health(), samples: samples())
    }

    mutating func domainUpdate() -> DomainUpdate {
        var capabilities = DomainCapabilities()
        for field in [
            \DomainCapabilities.nodes, \.cpus, \.cores, \.memoryMiB, \.tees, \.tpms, \.diskMiB, \.gpus, \.gpuMemoryMiB,
        ] {
            capabilities[keyPath: field] = number()
        }
        for field in [\DomainCapabilities.labels, \.runtimes, \.providers, \.providerClasses] {
            capabilities[keyPath: field] = Set(texts())
        }
        return DomainUpdate(
            domainID: text(), orchestratorURL: text(), capabilities: capabilities, refreshDeadline: number(),
            counter: number(), nonce: number())
    }
}
