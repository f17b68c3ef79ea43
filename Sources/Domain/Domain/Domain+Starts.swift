/// A Start that is under way: which nodes have failed it, and who waits.
struct StartAttempt: Sendable {
    /// What is to be started.
    let specification: Specification
    let requirements: Requirements
    /// Its number, where the controller has just asked for it.
    let created: UInt64
    /// The controller's request; nil where the instance is known already.
    let request: RequestID?
    /// The call that is under way.
    var call: CallID?
    /// The nodes that have failed it.
    var tried: Set<NodeID> = []
    /// Where to try first.
    var preferred: [NodeID] = []
    /// What the node that failed it last has said.
    var failure: CallOutcome?
    /// The move that it belongs to.
    var move: Move?
    /// What the nodes were when it was sent.
    var generation = 0
}

extension Domain {
    // MARK: - For the controller

    /// The controller asks for a function or resource (domain specification, sections 4.5 and 4.6).
    mutating func start(_ specification: Specification, _ request: RequestID) {
        let requirements: Requirements
        let share: NUMAShare
        do throws(RequirementError) {
            requirements = try Requirements(specification.texts)
            share = try self.share(of: specification)
        } catch {
            return effect(
                .started(
                    request,
                    .failure(DomainRefusal(specification.malformedSummary, detail: error.description))))
        }
        let id = LogicalID(random: &random)
        if !share.isEmpty { shares[id] = share }
        attempts[id] = StartAttempt(
            specification: specification, requirements: requirements, created: takeNumber(), request: request)
        tryNext(id)
    }

    /// An instance without a place is to get one.
    mutating func place(_ id: LogicalID) {
        guard let record = records.instances[id], record.physical == nil, attempts[id] == nil,
            moves[id] == nil
        else { return }
        unplaced[id] = nil
        let requirements = (try? Requirements(record.specification.texts)) ?? Requirements()
        attempts[id] = StartAttempt(
            specification: record.specification, requirements: requirements, created: record.created, request: nil)
        tryNext(id)
    }

    /// Tries those for which no node was found before, or no better one, if the nodes have changed since.
    mutating func placeUnplaced() {
        for id in outdated(parked) where parked.removeValue(forKey: id) != nil { tryNext(id) }
        for id in outdated(unplaced) { place(id) }
        for id in outdated(misplaced) {
            guard let node = records.instances[id]?.physical?.node else { continue }
            reconsider(id, at: node)
        }
    }

    /// Those that saw the nodes as they are not any more, in the order of ids.
    private func outdated(_ seen: [LogicalID: Int]) -> [LogicalID] {
        guard !seen.isEmpty else { return [] }
        return seen.filter { $0.value != generation }.keys.sorted()
    }

    // MARK: - Trying nodes

    /// Asks the next node, or gives up.
    mutating func tryNext(_ id: LogicalID) {
        guard var attempt = attempts[id] else { return }
        guard let node = choose(id, &attempt).flatMap({ records.nodes[$0] }) else {
            guard attempt.request != nil, canWait(attempt) else { return giveUp(id, attempt) }
            parked[id] = generation
            return attempts[id] = attempt
        }
        attempt.call = send(attempt.specification, for: id, to: node)
        attempt.generation = generation
        attempts[id] = attempt
    }

    /// Whether a node that is just joining could take it: the reference finishes with a node that registers before it takes the
    /// next request. One that has not answered its reset in time is not waited for.
    private func canWait(_ attempt: StartAttempt) -> Bool {
        let joining = records.nodes.values.filter {
            !$0.isReset && !attempt.tried.contains($0.id) && chores[.reset($0.id)]?.failures == 0
        }
        guard !joining.isEmpty else { return false }
        let tables = makeTables(of: joining)
        return switch attempt.specification {
        case .function(let function):
            joining.contains {
                tables.isFeasible($0.id, runtime: function.functionClass.runtime, attempt.requirements)
            }
        case .resource(let resource):
            !tables.providerCandidates(resource, attempt.requirements, excluding: []).isEmpty
        }
    }

    private mutating func choose(_ id: LogicalID, _ attempt: inout StartAttempt) -> NodeID? {
        let tried = attempt.tried
        let requirements = attempt.requirements
        while !attempt.preferred.isEmpty {
            let preferred = attempt.preferred.removeFirst()
            guard !tried.contains(preferred) else { continue }
            if isFeasible(preferred, attempt.specification, requirements, for: id) { return preferred }
        }
        // What runs moves where it was asked to, or stays.
        if attempt.move != nil, records.instances[id]?.physical != nil { return nil }
        switch attempt.specification {
        case .function(let function):
            let runtime = function.functionClass.runtime
            if options.strategy == .loadAware {
                let candidates = withTables { tables, _ in
                    tables.functionCandidates(runtime: runtime, requirements).nodes
                }
                return leastLoaded(candidates, for: shares[id] ?? NUMAShare(), excluding: tried)
            }
            let last = lastChosen
            let chosen = withTables { [strategy = options.strategy] tables, random in
                let candidates = tables.functionCandidates(runtime: runtime, requirements)
                return switch strategy {
                case .random, .loadAware: candidates.drawn(&random, excluding: tried)
                case .roundRobin: candidates.next(after: last, excluding: tried)
                }
            }
            if let chosen { lastChosen = chosen }
            return chosen
        case .resource(let resource):
            return withTables { tables, random in
                tables.providerCandidates(resource, requirements, excluding: tried).randomElement(using: &random)?.node
            }
        }
    }

    /// Whether a node could take the instance now.
    mutating func isFeasible(
        _ node: NodeID, _ specification: Specification, _ requirements: Requirements, for id: LogicalID
    ) -> Bool {
        guard hasRoom(node, for: shares[id] ?? NUMAShare(), besides: id) else { return false }
        return withTables { tables, _ in
            switch specification {
            case .function(let function):
                tables.isFeasible(node, runtime: function.functionClass.runtime, requirements)
            case .resource(let resource): tables.canHost(node, resource, requirements)
            }
        }
    }

    // MARK: - Answers

    mutating func takeStart(
        _ outcome: CallOutcome, of id: LogicalID, _ kind: ComponentKind, at node: NodeID, call: CallID
    ) {
        noteAnswer(of: node, isDoubtful: outcome.isDoubtful)
        guard let attempt = attempts[id], attempt.call == call else {
            // Stopped or reset while it was on its way.
            if case .started(let physical) = outcome {
                discard(PhysicalID(node: node, component: physical.component), kind)
            }
            return
        }
        guard case .started(let physical) = outcome else {
            return failStart(of: id, at: node, outcome)
        }
        guard physical.node == node else {
            discard(PhysicalID(node: node, component: physical.component), kind)
            return failStart(
                of: id, at: node, .failed("the node answered with the id of another node, \(physical.node)"))
        }
        attempts[id] = nil
        drop(.place(id))
        let former = records.instances[id]?.physical
        if let request = attempt.request {
            change(
                .instance(
                    InstanceRecord(
                        id: id, specification: attempt.specification, created: attempt.created, physical: physical)))
            effect(.started(request, .success(id)))
        } else {
            change(.placed(id, physical))
        }
        if let former { running[former.node]?.remove(id) }
        misplaced[id] = nil
        toldWaiting.remove(id)
        running[node, default: []].insert(id)
        if let move = attempt.move { finish(move, at: node) }
        arrive(id)
        if let former { discard(former, kind, holding: shares[id]) }
        // The node may have said meanwhile that it is another one.
        if attempt.generation != generation { reconsider(id, at: node) }
    }

    /// A node has failed a Start: the next one is tried, or nobody.
    mutating func failStart(of id: LogicalID, at node: NodeID, _ outcome: CallOutcome) {
        guard var attempt = attempts[id] else { return }
        note(
            .warning, "a node has failed a start",
            ["instance": "\(id)", "node": "\(node)", "why": outcome.problem ?? ""])
        attempt.tried.insert(node)
        attempt.failure = outcome
        attempt.call = nil
        attempts[id] = attempt
        // A node that has left has failed nobody: the reference would have chosen among the others.
        if options.triesNextCandidate || attempt.request == nil || records.nodes[node] == nil {
            tryNext(id)
        } else {
            giveUp(id, attempt)
        }
    }

    private mutating func giveUp(_ id: LogicalID, _ attempt: StartAttempt) {
        attempts[id] = nil
        if let request = attempt.request {
            if attempt.failure == nil, mayExplain() {
                explain("no node can take what is asked for", attempt.specification, attempt.requirements, id)
            }
            shares[id] = nil
            let refusal = attempt.specification.refusal(of: id, after: attempt.failure, at: attempt.tried)
            return effect(.started(request, .failure(refusal)))
        }
        if let move = attempt.move { fail(move) }
        if let physical = records.instances[id]?.physical {
            settle(id)
            // Its node may have changed while it was to move.
            return reconsider(id, at: physical.node)
        }
        defer { settle(id) }
        guard let record = records.instances[id] else { return }
        unplaced[id] = generation
        guard attempt.failure != nil else {
            if !toldWaiting.contains(id), mayExplain(), !canWait(attempt) {
                toldWaiting.insert(id)
                explain("nothing can run it: it waits", record.specification, attempt.requirements, id)
            }
            return
        }
        // Somebody could have taken it: they are asked again.
        let failures = (chores[.place(id)]?.failures ?? 0) + 1
        chores[.place(id)] = ChoreState(failures: failures)
        waiting[.place(id)] = now.monotonic + Self.backOff(failures)
    }

    /// Has something stopped that should not run.
    ///
    /// - Parameter share: what it holds of a NUMA node until it has stopped.
    mutating func discard(_ physical: PhysicalID, _ kind: ComponentKind, holding share: NUMAShare? = nil) {
        guard records.nodes[physical.node] != nil else { return }
        if let share { leaving[physical.node, default: [:]][physical] = share }
        change(.leftover(physical, kind, true))
        owe(.stop(physical))
    }
}

extension CallOutcome {
    /// Whether a Start may have been carried out without anybody knowing.
    var isDoubtful: Bool { if case .unknown = self { true } else { false } }
}

extension Specification {
    /// Where its requirements stand.
    var texts: [String: String] {
        switch self {
        case .function(let function): function.annotations
        case .resource(let resource): resource.configuration
        }
    }

    /// The reference's words for a request that cannot be understood.
    var malformedSummary: String {
        switch self {
        case .function: "Invalid function instance creation request"
        case .resource: "Invalid resource specification"
        }
    }

    /// Why it could not be started, in the reference's words (domain specification, section 1.4).
    func refusal(of id: LogicalID, after failure: CallOutcome?, at nodes: Set<NodeID>) -> DomainRefusal {
        switch (self, failure) {
        case (.function(let function), nil):
            let type = function.functionClass
            let code = type.code ?? type.binary.map { "\($0.bytes.count) bytes" } ?? "none"
            return DomainRefusal(
                "Could not start function run-time \(type.runtime) class \(type.id) version \(type.version) code \(code)",
                detail: "no valid node found")
        case (.function, let failure?):
            return DomainRefusal(
                "Function instance creation request rejected", detail: "\(id): \(failure.problem ?? "no reason given")")
        case (.resource(let resource), nil):
            return DomainRefusal("class type not found", detail: "class_type: \(resource.classType)")
        case (.resource, .refused(let refusal)?): return refusal
        case (.resource(let resource), let failure?):
            let names = nodes.sorted().map(\.description).joined(separator: ", ")
            return DomainRefusal(
                "could not start resource",
                detail:
                    "class_type: \(resource.classType), node_id: \(names), lid: \(id): \(failure.problem ?? "no reason given")"
            )
        }
    }
}
