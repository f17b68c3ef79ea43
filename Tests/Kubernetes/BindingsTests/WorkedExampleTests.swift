import Machine
import Testing

@testable import Bindings

/// The nineteen worked examples of the specification, 4.7.
@Suite struct WorkedExampleTests {
    struct Example: Sendable, CustomTestStringConvertible {
        var number: Int
        var topology = Examples.t1
        var held: [Hold] = []
        var family: String
        var request: Int
        var features: Set<WorkloadAwareArgs.Feature> = []
        /// The CPUs, and the text of the refusal where there are none.
        var canonical: CPUSet?
        var refusal: String?
        var promise: CPUSet
        var level: ExclusivenessLevel
        var exclusive: CPUSet?

        var testDescription: String { "example \(number)" }

        func choose(_ policy: WorkloadAwareArgs.Policy) throws(BindRefusal) -> BindingChoice {
            var cluster = ClusterCPUs(args: WorkloadAwareArgs(policy: policy, features: features))
            // Example 10 leaves no CPU to pods without a binding, which is refused by default.
            cluster.setNode(NodeFacts(name: "n", topology: topology, minimumShared: 0))
            for (index, hold) in held.enumerated() {
                let status = BindingStatus(.applied, nodeName: "n", reason: .applied, message: "", holds: [hold])
                cluster.see(
                    Binding(
                        key: ObjectKey("a", "b\(index)"), uid: "\(index)", created: index, podName: "p\(index)",
                        cpuSet: Array(hold.cpus), level: hold.level, status: status), node: "n")
            }
            let pod = PodRequest(pod: ObjectKey("a", "pod"), uid: "u", familyLabel: family, request: request)
            let fits = cluster.filter(pod, ["n"])
            do {
                let choice = try cluster.bind(pod, to: "n").choice
                #expect(fits.fitting == ["n"])
                return choice
            } catch {
                #expect(fits.refused.map { BindRefusal.doesNotFit($0.reason) } == [error])
                throw error
            }
        }
    }

    static func hold(_ level: ExclusivenessLevel, _ cpus: CPUSet) -> Hold { Hold(cpus: cpus, level: level) }

    static let examples: [Example] = [
        .init(
            number: 1, family: "memory-bound", request: 2000, features: [.physicalCores], canonical: [0, 2],
            promise: [0, 2], level: .core, exclusive: [0, 2, 4, 6]),
        .init(
            number: 2, held: [hold(.cpu, [0])], family: "cpu-bound", request: 2000, canonical: [1, 4],
            promise: [2, 3], level: .cpu),
        .init(
            number: 3, held: [hold(.core, [0])], family: "cpu-bound", request: 2000, features: [.physicalCores],
            canonical: [1, 2], promise: [2, 3], level: .core),
        .init(number: 4, family: "io-bound", request: 2000, canonical: [0, 4], promise: [0, 4], level: .cpu),
        .init(
            number: 5, family: "io-bound", request: 3000, features: [.physicalCores], canonical: [0, 1, 4],
            promise: [0, 1, 4], level: .core, exclusive: [0, 1, 4, 5]),
        .init(
            number: 6, held: [hold(.none, [0])], family: "best-effort", request: 1000,
            features: [.physicalCores, .bestEffortSharedCPUs], canonical: [4], promise: [1], level: .none,
            exclusive: []),
        .init(
            number: 7, held: [hold(.none, [0]), hold(.none, [4])], family: "best-effort", request: 1000,
            features: [.physicalCores, .bestEffortSharedCPUs], canonical: [0], promise: [1], level: .none,
            exclusive: []),
        .init(
            number: 8, family: "memory-bound", request: 4000, canonical: [0, 1, 2, 3], promise: [0, 1, 2, 3],
            level: .cpu),
        // The reference never ends here.
        .init(
            number: 9, family: "memory-bound", request: 5000,
            refusal: "not enough cores, request: 5000m, available: 4000m", promise: [0, 1, 2, 3, 4], level: .cpu),
        .init(
            number: 10, family: "memory-bound", request: 2000, features: [.memoryBoundExclusiveSockets],
            canonical: [0, 2], promise: [0, 2], level: .socket, exclusive: [0, 1, 2, 3, 4, 5, 6, 7]),
        .init(
            number: 11, family: "memory-bound", request: 3000, features: [.memoryBoundExclusiveSockets],
            refusal: "not enough sockets, request: 3000m, available: 2000m", promise: [0, 1, 2], level: .socket),
        .init(
            number: 12, held: [hold(.cpu, [5])], family: "memory-bound", request: 1000,
            features: [.memoryBoundExclusiveSockets], canonical: [2], promise: [2], level: .socket,
            exclusive: [2, 3, 6, 7]),
        .init(
            number: 13, held: [hold(.core, [0]), hold(.core, [2])], family: "memory-bound", request: 2000,
            features: [.physicalCores], canonical: [1, 3], promise: [1, 3], level: .core),
        .init(
            number: 14, held: [hold(.socket, [0])], family: "memory-bound", request: 2000,
            features: [.physicalCores], canonical: [2, 3], promise: [2, 3], level: .core),
        .init(
            number: 15, held: [hold(.cpu, [0]), hold(.cpu, [5])], family: "io-bound", request: 2000,
            canonical: [1, 4], promise: [2, 6], level: .cpu),
        .init(number: 16, family: "cpu-bound", request: 500, canonical: [0], promise: [0], level: .cpu),
        .init(number: 17, family: "cpu-bound", request: 0, canonical: [], promise: [0], level: .cpu),
        .init(
            number: 18, topology: Examples.t2, held: [hold(.cpu, [0, 1])], family: "cpu-bound", request: 3000,
            canonical: [2, 3, 4], promise: [4, 5, 6], level: .cpu),
        // The reference gives CPU 0 in this order of the bindings, which another pod has, and 7 in the other order.
        .init(
            number: 19, held: [hold(.cpu, [0, 1, 2, 3, 4, 5, 6]), hold(.none, [0])], family: "best-effort",
            request: 1000, canonical: [7], promise: [7], level: .cpu),
    ]

    @Test("A worked example comes out as in the specification", arguments: examples)
    func canonical(example: Example) throws {
        for policy in [WorkloadAwareArgs.Policy.maximumUtilization, .balanced] {
            do {
                let choice = try example.choose(policy)
                #expect(choice.cpus == example.canonical && choice.level == example.level)
                if let exclusive = example.exclusive {
                    #expect(example.topology.exclusive(choice.cpus, choice.level) == exclusive)
                }
            } catch {
                #expect(error.description == "failed to create pod cpu binding: \(example.refusal ?? "")")
                #expect(example.canonical == nil)
            }
        }
    }

    @Test("With the policy Promise a worked example gets what its family is promised", arguments: examples)
    func promise(example: Example) throws {
        let choice = try example.choose(.promise)
        #expect(choice.cpus == example.promise && choice.level == example.level)
    }
}
