/// A Start in progress: the nodes that have failed it, and the request that waits for it.
struct StartAttempt: Sendable {
    /// The instance to start.
    let specification: Specification
    let requirements: Requirements
    /// The number of the instance, if the controller has just requested it.
    let created: UInt64
    /// The controller's request; nil if the instance is already known.
    let request: RequestID?
    /// The bytes of text that it would add to the state.
    var texts = 0
    /// The call in flight.
    var call: CallID?
    /// The nodes that have failed it.
    var tried: Set<NodeID> = []
    /// The nodes to try first.
    var preferred: [NodeID] = []
    /// The outcome of the last failed call.
    var failure: CallOutcome?
    /// The migration that it belongs to.
    var migration: Migration?
    /// Whether the instance keeps running on a node that it no longer fits until another one runs.
    var isReplacement = false
    /// The generation in which it was sent.
    var generation = 0
}

extension Domain {
    // MARK: - Requests of the controller

    /// Handles a Start of the controller (domain specification, sections 4.5 and 4.6).
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
        if let refusal = refusalToStore(specification) { return effect(.started(request, .failure(refusal))) }
        let id = LogicalID(random: &random)
        if !share.isEmpty { shares[id] = share }
        attempts[id] = StartAttempt(
            specification: specification, requirements: requirements, created: takeNumber(), request: request,
            texts: StateSize.size(of: specification))
        tryNext(id)
    }

    /// Tries to start an instance that has no node.
    mutating func place(_ id: LogicalID) {
        guard let record = records.instances[id], record.physical == nil, attempts[id] == nil,
            migrations[id] == nil
        else { return }
        unschedulable[id] = nil
        let requirements = (try? Requirements(record.specification.texts)) ?? Requirements()
        attempts[id] = StartAttempt(
            specification: record.specification, requirements: requirements, created: record.created, request: nil)
        tryNext(id)
    }

    /// Retries Starts and moves that found no node, if nodes have changed since.
    mutating func retryPlacement() {
        for id in outdated(pendingStarts) where pendingStarts.removeValue(forKey: id) != nil { tryNext(id) }
        for id in outdated(unschedulable) { place(id) }
        for id in outdated(infeasible) {
            guard let node = records.instances[id]?.physical?.node else { continue }
            reconsider(id, at: node)
        }
    }

    /// The entries of earlier generations, ordered by id.
    private func outdated(_ seen: [LogicalID: Int]) -> [LogicalID] {
        guard !seen.isEmpty else { return [] }
        return seen.filter { $0.value != generation }.keys.sorted()
    }

    // MARK: - Candidates

    /// Calls the next candidate, or gives up.
    mutating func tryNext(_ id: LogicalID) {
        guard var attempt = attempts[id] else { return }
        guard let node = choose(id, &attempt).flatMap({ records.nodes[$0] }) else {
            guard attempt.request != nil, canWait(attempt) else { return giveUp(id, attempt) }
            pendingStarts[id] = generation
            return attempts[id] = attempt
        }
        attempt.call = send(attempt.specification, for: id, to: node)
        attempt.generation = generation
        attempts[id] = attempt
    }

    /// Whether a joining node could take the instance. EDGELESS completes a registration before it handles the next
    /// request. A node that has not answered its reset in time is not waited for.
    private func canWait(_ attempt: StartAttempt) -> Bool {
        let joining = records.nodes.values.filter {
            !$0.isReset && !attempt.tried.contains($0.id) && pendingCalls[.reset($0.id)]?.failures == 0
        }
        guard !joining.isEmpty else { return false }
        let index = makeIndex(of: joining)
        return switch attempt.specification {
        case .function(let function):
            joining.contains {
                index.isFeasible($0.id, runtime: function.functionClass.runtime, attempt.requirements)
            }
        case .resource(let resource):
            !index.providerCandidates(resource, attempt.requirements, excluding: []).isEmpty
        }
    }

    private mutating func choose(_ id: LogicalID, _ attempt: inout StartAttempt) -> NodeID? {
        let tried = attempt.tried
        let requirements = attempt.requirements
        while !attempt.preferred.isEmpty {
            let preferred = attempt.preferred.removeFirst()
            guard !tried.contains(preferred) else { continue }
            if isFeasible(preferred, attempt.specification, requirements, for: id)
                || accepted(preferred, by: attempt, for: id)
            {
                return preferred
            }
        }
        // A running instance migrates to the requested target or stays.
        if attempt.migration != nil, records.instances[id]?.physical != nil { return nil }
        let specification = attempt.specification
        return choosing(excluding: tried) { domain, excluded in
            domain.choose(id, specification, requirements, excluding: excluded)
        }
    }

    private mutating func choose(
        _ id: LogicalID, _ specification: Specification, _ requirements: Requirements, excluding tried: Set<NodeID>
    ) -> NodeID? {
        switch specification {
        case .function(let function):
            let runtime = function.functionClass.runtime
            if options.strategy == .loadAware {
                let candidates = withIndex { index, _ in
                    index.functionCandidates(runtime: runtime, requirements).nodes
                }
                return leastLoaded(candidates, for: shares[id] ?? NUMAShare(), excluding: tried)
            }
            let last = lastChosen
            let chosen = withIndex { [strategy = options.strategy] index, random in
                let candidates = index.functionCandidates(runtime: runtime, requirements)
                return switch strategy {
                case .random, .loadAware: candidates.drawn(&random, excluding: tried)
                case .roundRobin: candidates.next(after: last, excluding: tried)
                }
            }
            if let chosen { lastChosen = chosen }
            return chosen
        case .resource(let resource):
            return withIndex { index, random in
                index.providerCandidates(resource, requirements, excluding: tried).randomElement(using: &random)?.node
            }
        }
    }

    /// Whether a cordoned node takes the instance all the same: it was accepted as the target of a migration before, and
    /// intents take effect in their order; or the instance comes from there, and the target does not take it.
    private mutating func accepted(_ node: NodeID, by attempt: StartAttempt, for id: LogicalID) -> Bool {
        guard let migration = attempt.migration, node == migration.target || node == migration.from,
            records.cordoned.contains(node), let record = records.nodes[node], record.isReset,
            hasRoom(node, for: shares[id] ?? NUMAShare(), besides: id)
        else { return false }
        let index = makeIndex(of: [record], evenCordoned: true)
        return switch attempt.specification {
        case .function(let function):
            index.isFeasible(node, runtime: function.functionClass.runtime, attempt.requirements)
        case .resource(let resource): index.canHost(node, resource, attempt.requirements)
        }
    }

    /// Whether a node could take the instance now.
    mutating func isFeasible(
        _ node: NodeID, _ specification: Specification, _ requirements: Requirements, for id: LogicalID
    ) -> Bool {
        guard hasRoom(node, for: shares[id] ?? NUMAShare(), besides: id) else { return false }
        return withIndex { index, _ in
            switch specification {
            case .function(let function):
                index.isFeasible(node, runtime: function.functionClass.runtime, requirements)
            case .resource(let resource): index.canHost(node, resource, requirements)
            }
        }
    }

    // MARK: - Answers

    mutating func takeStart(
        _ outcome: CallOutcome, of id: LogicalID, _ kind: ComponentKind, at node: NodeID, call: CallID
    ) {
        if case .overdue = outcome {
            // It stays in flight: the answer is listened to.
            detachedStarts[call] = DetachedStart(node: node, kind: kind)
        } else if outcome.isUnknown {
            noteUnknownOutcome(of: node)
        }
        guard let attempt = attempts[id], attempt.call == call else {
            // Stopped or reset while the call was in flight.
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
                of: id, at: node, .failed("the node returned the id of another node: \(physical.node)"))
        }
        attempts[id] = nil
        cancel(.place(id))
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
        infeasible[id] = nil
        reportedUnschedulable.remove(id)
        running[node, default: []].insert(id)
        if let migration = attempt.migration { finish(migration, at: node) }
        finishRelocation(id)
        if let former { discard(former, kind, holding: shares[id]) }
        // The node may have changed while the call was in flight.
        if attempt.generation != generation { reconsider(id, at: node) }
    }

    /// Handles a failed Start: tries the next candidate, or gives up.
    mutating func failStart(of id: LogicalID, at node: NodeID, _ outcome: CallOutcome) {
        guard var attempt = attempts[id] else { return }
        log(
            .warning, "a node failed to start an instance",
            ["instance": "\(id)", "node": "\(node)", "reason": outcome.problem ?? ""])
        attempt.tried.insert(node)
        attempt.failure = outcome
        attempt.call = nil
        attempts[id] = attempt
        // A node that has left does not count as a failure: EDGELESS would have chosen among the others.
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
                explain("no node can take an instance", attempt.specification, attempt.requirements, id)
            }
            shares[id] = nil
            let refusal = attempt.specification.refusal(of: id, after: attempt.failure, at: attempt.tried)
            return effect(.started(request, .failure(refusal)))
        }
        if let migration = attempt.migration { fail(migration) }
        if let physical = records.instances[id]?.physical {
            finishRelocationIfPending(id)
            guard attempt.isReplacement else {
                // Its node may have changed during the migration.
                return reconsider(id, at: physical.node)
            }
            infeasible[id] = generation
            if attempt.failure != nil { backOff(id) }
            return
        }
        defer { finishRelocationIfPending(id) }
        guard let record = records.instances[id] else { return }
        unschedulable[id] = generation
        guard attempt.failure != nil else {
            if !reportedUnschedulable.contains(id), mayExplain(), !canWait(attempt) {
                reportedUnschedulable.insert(id)
                explain("no node can run an instance; it waits", record.specification, attempt.requirements, id)
            }
            return
        }
        // At least one node was feasible.
        backOff(id)
    }

    /// Retries a placement later.
    private mutating func backOff(_ id: LogicalID) {
        let failures = (pendingCalls[.place(id)]?.failures ?? 0) + 1
        pendingCalls[.place(id)] = PendingCallState(failures: failures)
        waiting[.place(id)] = now.monotonic + Self.backoff(failures)
    }

    /// Stops a component that should not run.
    ///
    /// - Parameter share: the NUMA share that it holds until it has stopped.
    mutating func discard(_ physical: PhysicalID, _ kind: ComponentKind, holding share: NUMAShare? = nil) {
        guard records.nodes[physical.node] != nil else { return }
        if let share { leaving[physical.node, default: [:]][physical] = share }
        change(.orphan(physical, kind, true))
        enqueue(.stop(physical))
    }
}

extension CallOutcome {
    /// Whether a Start may have been carried out without an answer.
    var isUnknown: Bool { if case .unknown = self { true } else { false } }
}

extension Specification {
    /// The texts that contain its requirements.
    var texts: [String: String] {
        switch self {
        case .function(let function): function.annotations
        case .resource(let resource): resource.configuration
        }
    }

    /// The EDGELESS summary for a request that cannot be parsed.
    var malformedSummary: String {
        switch self {
        case .function: "Invalid function instance creation request"
        case .resource: "Invalid resource specification"
        }
    }

    /// The refusal in the words of EDGELESS (domain specification, section 1.4).
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
