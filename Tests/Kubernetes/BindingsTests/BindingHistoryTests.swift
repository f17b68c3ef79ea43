import Machine
import TestSupport
import Testing

@testable import Bindings

/// Random histories of one cluster: pods and bindings come, change and go, nodes fall silent, caches are behind, and two
/// controllers decide. Each node has a `berthd` that grants what nobody else has.
@Suite struct BindingHistoryTests {
    struct History {
        var random: SeededRandom
        var nodes = ["n", "m"].map { NodeFacts(name: $0, topology: Examples.t1) }
        var pods: [ObjectKey: PodFacts] = [:]
        var bindings: [ObjectKey: Binding] = [:]
        var claims: [ObjectKey: ClaimState] = [:]
        /// The node of each claim.
        var places: [ObjectKey: String] = [:]
        var silent: Set<String> = []
        /// What a program of the node n holds; its topology does not say so yet.
        var program = CPUSet()
        var made = 0
        /// Others' bindings as they were a while ago.
        var stale: [ObjectKey: Binding] = [:]

        /// The statuses that were written.
        var written: Set<BindingStatus.ResourceStatus> = []

        init(seed: UInt64) { random = SeededRandom(seed: seed) }

        mutating func pick<T>(_ values: some Collection<T>) -> T? { values.randomElement(using: &random) }

        mutating func change() {
            switch Int.random(in: 0..<13, using: &random) {
            case 0, 1:
                made += 1
                let key = ObjectKey("a", "p\(Int.random(in: 0..<6, using: &random))")
                if pods[key] == nil {
                    pods[key] = PodFacts(
                        uid: "\(made)", node: pick(["n", "m", nil]) ?? nil,
                        containers: [.init(name: "c", id: "c\(made)", state: .running)])
                }
            case 2, 3, 4:
                made += 1
                let key = ObjectKey("a", "b\(Int.random(in: 0..<8, using: &random))")
                let count = Int.random(in: 0...2, using: &random)
                let cpus = (0..<count).map { _ in Int.random(in: -1...8, using: &random) }
                let level = pick(ExclusivenessLevel.allCases) ?? .none
                if bindings[key] == nil {
                    bindings[key] = Binding(
                        key: key, uid: "\(made)", created: made / 3,
                        podName: "p\(Int.random(in: 0..<6, using: &random))", cpuSet: cpus, level: level)
                } else {
                    bindings[key]?.cpuSet = cpus
                    bindings[key]?.level = level
                    bindings[key]?.generation += 1
                }
            case 5: if let key = pick(bindings.keys.sorted()) { bindings[key]?.isBeingDeleted = true }
            case 6: if let key = pick(pods.keys.sorted()) { pods[key]?.isBeingDeleted = true }
            case 7: if let key = pick(pods.keys.sorted()) { pods[key]?.containers[0].state = .terminated }
            case 8: if let key = pick(pods.keys.sorted()), Bool.random(using: &random) { pods[key] = nil }
            case 9: if silent.isEmpty { silent.insert("n") } else { silent = [] }
            case 10:
                if let key = pick(pods.keys.sorted()) {
                    made += 1
                    pods[key]?.containers[0].id = "c\(made)"
                    if pods[key]?.node == nil { pods[key]?.node = "n" }
                }
            case 11:
                let held = claims.filter { places[$0.key] == "n" }.compactMap(\.value.held)
                let cpus = program.isEmpty ? CPUSet([0, 3]) : CPUSet()
                if held.allSatisfy({ $0.exclusive.isDisjoint(with: cpus) }) {
                    program = cpus
                    retry()
                }
            default: stale = bindings
            }
        }

        func snapshot(_ key: ObjectKey, stale others: [ObjectKey: Binding]? = nil) -> BindingSnapshot {
            let binding = bindings[key]
            let pod = binding.flatMap { pods[$0.pod] }
            let node = places[key] ?? pod?.node ?? binding?.status?.nodeName
            let claim: ClaimState = node.map(silent.contains) == true ? .unknown : claims[key] ?? .none
            return BindingSnapshot(
                binding: binding, pod: pod, node: nodes.first { $0.name == pod?.node },
                others: (others ?? bindings).values.filter { $0.key != key }.map { Rival($0, pod: pods[$0.pod]) },
                claim: claim)
        }

        /// Decides for one binding, perhaps on an old view of the others, and carries it out.
        @discardableResult
        mutating func decide(_ key: ObjectKey, stale others: [ObjectKey: Binding]? = nil) -> BindingAction {
            let snapshot = snapshot(key, stale: others)
            let action = snapshot.decide()
            var shuffled = snapshot
            shuffled.others.shuffle(using: &random)
            #expect(shuffled.decide() == action, "the order of the others matters")
            if let status = action.status {
                bindings[key]?.status = status
                written.insert(status.resourceStatus)
            }
            if action.finalizer == .add { bindings[key]?.hasFinalizer = true }
            if action.deletesBinding { bindings[key]?.isBeingDeleted = true }
            switch action.claim {
            case .release: claims[key] = nil
            case .make(let claim), .change(let claim): enforce(claim, key, snapshot.pod)
            case nil: break
            }
            if claims[key] == nil { places[key] = nil }
            if let binding = bindings[key], binding.isBeingDeleted, action.finalizer == .remove || !binding.hasFinalizer
            {
                bindings[key] = nil
            }
            // A refusal lasts until something on the node changes.
            if action.claim == .release || action.finalizer == .remove { retry() }
            // The node agent pins new containers.
            if case .enforced(let claim, _) = claims[key], let pod = snapshot.pod, pod.uid == claim.podUID {
                claims[key] = .enforced(claim, containers: Set(pod.running))
            }
            return action
        }

        private mutating func retry() {
            claims = claims.filter { if case .refused(_, _, nil) = $0.value { false } else { true } }
        }

        private mutating func enforce(_ claim: PodClaim, _ key: ObjectKey, _ pod: PodFacts?) {
            guard let node = pod?.node, !silent.contains(node) else { return }
            let held = claims[key]?.held
            let clash = claims.contains { other, state in
                guard other != key, places[other] == node, let state = state.held else { return false }
                return !claim.exclusive.isDisjoint(with: state.cpus.union(state.exclusive))
                    || !state.exclusive.isDisjoint(with: claim.cpus)
            }
            let isProgram = node == "n" && !program.isDisjoint(with: claim.exclusive)
            places[key] = node
            claims[key] =
                clash || isProgram
                ? .refused(claim, reason: "held", held: held)
                : .enforced(claim, containers: Set(pod?.running ?? []))
        }

        /// Lets something happen and a few bindings be decided, some on an old view of the others.
        mutating func live() {
            change()
            for _ in 0..<3 {
                guard let key = pick(bindings.keys.sorted()) else { break }
                decide(key, stale: Bool.random(using: &random) ? stale : nil)
            }
        }

        /// Lets every binding be decided until nobody has anything to do.
        mutating func settle() -> Bool {
            for _ in 0..<60 {
                var isQuiet = true
                for key in Set(bindings.keys).union(claims.keys).sorted() where !decide(key).isEmpty { isQuiet = false }
                if isQuiet { return true }
            }
            return false
        }

        /// What the claims of one node have in common that they must not.
        func violations() -> [String] {
            let held = claims.compactMap { key, state in state.held.map { (key, places[key] ?? "", $0) } }
            return held.flatMap { (key, node, claim) in
                held.filter { $0.0 != key && $0.1 == node && !$0.2.cpus.isDisjoint(with: claim.exclusive) }
                    .map { "\($0.0) runs on exclusive CPUs of \(key)" }
            }
        }
    }

    @Test("The histories reach every status that needs no refusal of berthd")
    func statuses() {
        var written: Set<BindingStatus.ResourceStatus> = []
        for seed in 0..<10 as Range<UInt64> {
            var history = History(seed: seed)
            for _ in 0..<150 { history.live() }
            written.formUnion(history.written)
        }
        #expect(written.union([.failed]) == Set(BindingStatus.ResourceStatus.allCases))
    }

    @Test(
        "No CPU is exclusive to two or over a shared one, nothing is stuck, and all is given back",
        arguments: 0..<60 as Range<UInt64>)
    func histories(seed: UInt64) {
        var history = History(seed: seed)
        for _ in 0..<150 {
            history.live()
            #expect(history.violations().isEmpty, "seed \(seed)")
        }
        history.silent = []
        var isSettled = history.settle()
        #expect(isSettled, "seed \(seed): it never settles")
        // What is applied is enforced, one binding a pod.
        let applied = history.bindings.values.filter { $0.status?.resourceStatus == .applied }
        for binding in applied where !binding.cpus.isEmpty {
            #expect(history.claims[binding.key]?.held?.cpus == binding.cpus, "seed \(seed)")
        }
        #expect(Set(applied.map(\.pod)).count == applied.count, "seed \(seed)")
        #expect(history.violations().isEmpty)
        for key in history.bindings.keys { history.bindings[key]?.isBeingDeleted = true }
        isSettled = history.settle()
        #expect(isSettled && history.bindings.isEmpty && history.claims.isEmpty, "seed \(seed)")
    }
}
