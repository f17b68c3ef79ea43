import Machine
import TestSupport
import Testing

@testable import Bindings

/// Random nodes, bindings and pods.
@Suite struct AllocationPropertyTests {
    @Test(
        "W2, W17, W49: A pod fits exactly where it gets CPUs: enough of them, nobody's, and some are left",
        arguments: 0..<40 as Range<UInt64>)
    func fitsWhereAllocated(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<60 {
            let features = Set(WorkloadAwareArgs.Feature.allCases.filter { _ in Bool.random(using: &random) })
            let policy = WorkloadAwareArgs.Policy.allCases.randomElement(using: &random) ?? .promise
            var cluster = ClusterCPUs(args: WorkloadAwareArgs(policy: policy, features: features))
            let machines = [Examples.t1, Examples.t2, Examples.server(cores: 5)]
            let topology = machines.randomElement(using: &random) ?? Examples.t1
            let cpu = 0...(topology.cpus.last ?? 0)
            func some(_ most: Int) -> CPUSet {
                CPUSet((0..<Int.random(in: 0...most, using: &random)).map { _ in Int.random(in: cpu, using: &random) })
            }
            let facts = NodeFacts(name: "n", topology: topology, allocated: some(2), reserved: some(1))
            cluster.setNode(facts)
            var (exclusive, shared) = (facts.allocated.union(facts.reserved), CPUSet())
            for index in 0..<Int.random(in: 0...3, using: &random) {
                let cpus = some(2)
                let level = ExclusivenessLevel.allCases.randomElement(using: &random) ?? .none
                cluster.see(
                    Binding(
                        key: ObjectKey("a", "b\(index)"), uid: "\(index)", created: 1, podName: "p\(index)",
                        cpuSet: Array(cpus), level: level), node: "n")
                exclusive.formUnion(topology.exclusive(cpus, level))
                if level == .none { shared.formUnion(cpus) }
            }
            let family = WorkloadFamily.allCases.randomElement(using: &random) ?? .cpuBound
            let pod = PodRequest(
                pod: ObjectKey("a", "pod"), uid: "u", familyLabel: family.rawValue,
                request: Int.random(in: 0...8, using: &random) * 500)
            let fits = cluster.filter(pod, ["n"]).fitting == ["n"]
            let (demand, node) = try (#require(Demand(pod, cluster.args)), #require(cluster.nodes["n"]))
            if let cpus = Allocation(demand, node).cpus, fits || node.refusal(of: demand) == .starves(minimum: 1) {
                let hold = Hold(cpus: cpus, level: demand.level)
                #expect(fits != node.isStarved(by: hold), "seed \(seed)")
                let taken = topology.exclusive(cpus, demand.level)
                #expect((node.figures.withdrawal(of: demand) ?? taken.count) == taken.count, "seed \(seed)")
            }
            let choice = try? cluster.bind(pod, to: "n").choice
            #expect(fits == (choice != nil), "seed \(seed)")
            guard let choice else { continue }
            let taken = topology.exclusive(choice.cpus, choice.level)
            #expect(choice.cpus.isDisjoint(with: exclusive) && taken.isDisjoint(with: exclusive.union(shared)))
            #expect(family == .bestEffort ? choice.cpus.count == 1 : choice.cpus.count * 1000 >= pod.request)
            #expect(taken.isEmpty || !facts.isStarved(by: taken.union(cluster.nodes["n"]?.exclusive ?? [])))
            // Its controller has nothing against it.
            let contention = Contention(node: facts, rivals: [])
            let binding = ExtenderTests.binding(choice)
            #expect(contention.defect(of: binding) == nil)
            #expect(contention.refusal(of: binding, isHolder: false, isClaimed: false) == nil)
        }
    }

    @Test("W47: What is kept up to date is what a fresh count gives", arguments: 0..<10 as Range<UInt64>)
    func incremental(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let facts = NodeFacts(name: "n", topology: Examples.server(cores: 8), allocated: [3])
        var node = NodeCPUs(facts)
        var holds: [Hold] = []
        for _ in 0..<300 {
            if holds.isEmpty || Int.random(in: 0..<5, using: &random) > 1 {
                let cpus = CPUSet((0..<3).map { _ in Int.random(in: 0..<34, using: &random) })
                let hold = Hold(
                    cpus: cpus, level: ExclusivenessLevel.allCases.randomElement(using: &random) ?? .none)
                holds.append(hold)
                node.add(hold)
            } else {
                node.remove(holds.remove(at: Int.random(in: holds.indices, using: &random)))
            }
            let fresh = NodeCPUs(facts, holds: holds)
            #expect(node.forShared == fresh.forShared && node.forExclusive == fresh.forExclusive)
        }
    }

    @Test("W47: The answers for many nodes are those of each node alone")
    func manyNodes() throws {
        var cluster = ClusterCPUs(args: WorkloadAwareArgs(features: [.physicalCores]))
        let names = (0..<200).map { "worker-\($0)" }
        for name in names { cluster.setNode(NodeFacts(name: name, topology: Examples.server(cores: 8))) }
        // The first node has 16 free cores, the next 15, and so on.
        for index in 0..<names.count * 10 where index / names.count < index % names.count % 10 {
            cluster.see(
                Binding(
                    key: ObjectKey("a", "b\(index)"), uid: "\(index)", created: 1, podName: "p\(index)",
                    cpuSet: [index / names.count], level: .core), node: names[index % names.count])
        }
        let answer = cluster.filter(ExtenderTests.pod("pod", request: 12_000), names)
        #expect(answer.fitting == names.indices.filter { $0 % 10 <= 3 }.map { names[$0] })
        #expect(answer.refused[0].reason == .starves(minimum: 1))
        #expect(answer.refused[1].reason == .request(.cores, 12_000, available: 11_000))
        let scores = cluster.prioritize(ExtenderTests.pod("pod"), names)
        #expect(scores == names.indices.map { $0 % 10 * 10 / 9 })
        #expect(try cluster.bind(ExtenderTests.pod("pod", request: 12_000), to: names[3]).choice.cpus.count == 12)
    }
}
