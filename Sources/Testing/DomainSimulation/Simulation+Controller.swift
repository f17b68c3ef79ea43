import Domain

extension Simulation {
    /// The controller or the operator acts.
    mutating func act() {
        guard time >= controllerPausedUntil else { return }
        let known = wanted.sorted()
        switch chance(20) {
        case 0..<8: start()
        case 8..<11:
            guard let id = known.randomElement(using: &random) else { return start() }
            wanted.remove(id)
            stopped.insert(id)
            wirings[id] = nil
            take(.stop(id))
        case 11..<16:
            guard let origin = known.randomElement(using: &random) else { return start() }
            var wiring: [String: LogicalID] = [:]
            for channel in 0..<chance(4) { wiring["out-\(channel)"] = known.randomElement(using: &random) }
            wirings[origin] = wiring
            take(.patch(origin, wiring))
        case 16..<18:
            guard let id = known.randomElement(using: &random) else { return start() }
            let targets = (0..<2).compactMap { _ in order.randomElement(using: &random) }
            ask("intent:migrate:\(id)", targets.map(\.description).joined(separator: ","))
        case 18:
            guard let node = order.randomElement(using: &random) else { return }
            let isCordoned = Bool.random(using: &random)
            ask("intent:cordon:\(node)", isCordoned ? "yes" : "no")
        default: wantsReset = isLucky(20)
        }
    }

    private mutating func start() {
        let specification: Specification
        if isLucky(25) {
            specification = .resource(ResourceSpecification(classType: "file-log", workflowID: "wf"))
        } else {
            var annotations: [String: String] = [:]
            if isLucky(20) { annotations["isolated_cpus"] = "\(1 + chance(3))" }
            if isLucky(30) { annotations["label_match_all"] = Bool.random(using: &random) ? "even" : " odd," }
            specification = .function(
                FunctionSpecification(
                    functionClass: FunctionClass(
                        id: "f", runtime: isLucky(90) ? "RUST_WASM" : "CONTAINER", version: "1", outputs: []),
                    annotations: annotations, stateID: StateID(high: 1, low: 1), workflowID: "wf"))
        }
        lastRequest += 1
        let request = lastRequest
        pending.insert(request)
        take { $0.handle(.start(specification, request), at: $1) }
    }

    /// The controller answers an update; after a Reset it forgets earlier requests.
    mutating func answerController(_ number: UInt64) {
        guard wantsReset, !isHealed else { return take { $0.handle(.controllerAnswered(number, .accepted), at: $1) } }
        wantsReset = false
        let doomed = wanted.filter { (domain.records.instances[$0]?.created ?? 0) < number }
        wanted.subtract(doomed)
        stopped.formUnion(doomed)
        for id in doomed { wirings[id] = nil }
        take(.controllerAnswered(number, .reset))
    }

    // MARK: - Checks

    /// Checks that exactly the wanted instances run, after everything has recovered.
    mutating func check() {
        finishCommits()
        let records = stored
        if domain.records != records { violations.append("the stored records differ from the domain's") }
        func complain(_ text: String) { violations.append(text) }
        let owners = records.owners
        let promised = isolatedCPUs(in: records)
        for id in wanted.sorted() {
            guard let record = records.instances[id] else {
                complain("\(id) was started and is unknown")
                continue
            }
            let feasible = feasible(for: record.specification, owners)
            guard let physical = record.physical else {
                if let node = feasible.first(where: { hasRoom($0, for: record.specification, promised) }) {
                    complain("\(id) runs nowhere, although \(node) could take it")
                }
                continue
            }
            if nodes[physical.node]?.lost.contains(physical.component) == true { continue }
            if !feasible.contains(physical.node) { complain("\(id) runs on \(physical.node), which is not feasible") }
            guard let mapping = nodes[physical.node]?.running[physical.component] else {
                complain("\(id) should run on \(physical.node) and does not")
                continue
            }
            let wiring = (wirings[id] ?? [:]).filter { wanted.contains($0.value) }
            let expected = wiring.compactMapValues { records.instances[$0]?.physical }
            if wirings[id] != nil, mapping != expected { complain("\(id) leads to \(mapping), not to \(expected)") }
        }
        for request in pending.sorted() { complain("request \(request), a Start, is never answered") }
        for id in stopped where records.instances[id] != nil { complain("\(id) was stopped and is still there") }
        var known: [NodeID: Set<ComponentID>] = [:]
        for record in records.instances.values {
            if let physical = record.physical { known[physical.node, default: []].insert(physical.component) }
        }
        for physical in records.orphans.keys.sorted()
        where nodes[physical.node]?.lost.contains(physical.component) != true {
            complain("\(physical) has not been stopped yet")
        }
        for id in order {
            guard let node = nodes[id] else { continue }
            let unknown = Set(node.running.keys).subtracting(known[id] ?? [])
            if !unknown.isEmpty, !records.unknownOutcomes.contains(id) {
                complain("\(id) runs \(unknown.count) unknown components, without an unknown outcome")
            }
            guard records.nodes[id]?.isReset == true else {
                complain("\(id) is not in the domain")
                continue
            }
            let peers = Dictionary(uniqueKeysWithValues: order.map { ($0, nodes[$0]?.description.invocationURL ?? "") })
            if node.peers != peers {
                complain("\(id) knows other peers than there are: \(node.peers.filter { peers[$0.key] != $0.value })")
            }
        }
        if !records.patchesDue.filter({ records.instances[$0]?.physical != nil }).isEmpty {
            complain("patches are still due")
        }
        if !records.departed.isEmpty { complain("departed nodes are still known") }
    }

    /// Whether a node has the CPUs that an instance asks for.
    private func hasRoom(_ id: NodeID, for specification: Specification, _ promised: [NodeID: Int]) -> Bool {
        guard chosen.strategy == .loadAware, specification.isolatedCPUs > 0 else { return true }
        let all = nodes[id]?.description.capabilities.isolatedCPUs ?? 0
        return promised[id, default: 0] + specification.isolatedCPUs <= all
    }

    /// The nodes that can take an instance, as far as they have room for it.
    private func feasible(for specification: Specification, _ owners: [String: NodeID]) -> [NodeID] {
        guard let requirements = try? Requirements(specification.requirementTexts) else { return [] }
        return nodes.indices.compactMap { index -> NodeID? in
            let (id, description) = (nodes[index].id, nodes[index].description)
            switch specification {
            case .function(let function):
                guard description.capabilities.runtimes.contains(function.functionClass.runtime) else { return nil }
            case .resource(let resource):
                // A name belongs to one node at a time.
                guard
                    description.providers.contains(where: {
                        $0.classType == resource.classType && owners[$0.id] == id
                    })
                else { return nil }
            }
            let isMet = requirements.areMet(
                by: id, description.capabilities, providers: Set(description.providers.map(\.id)))
            return isMet ? id : nil
        }
    }
}

extension Specification {
    fileprivate var requirementTexts: [String: String] {
        switch self {
        case .function(let function): function.annotations
        case .resource(let resource): resource.configuration
        }
    }
}

extension DomainRecords {
    /// The owner of each provider name: the node with the oldest claim.
    fileprivate var owners: [String: NodeID] {
        var first: [String: (node: NodeID, number: UInt64)] = [:]
        for node in nodes.values {
            for (name, number) in node.claims where first[name].map({ number < $0.number }) ?? true {
                first[name] = (node.id, number)
            }
        }
        return first.mapValues(\.node)
    }
}
