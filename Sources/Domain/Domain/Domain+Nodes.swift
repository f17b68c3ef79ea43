extension Domain {
    /// How long a node's former nonces are remembered, in milliseconds. A nonce that returns within this time belongs
    /// to another process with the same node id.
    private static let formerNonceLifetime = 600_000
    private static let formerNonces = 8

    /// Handles a node's registration or refresh (domain specification, section 3.1).
    mutating func take(_ update: NodeUpdate, problem: DomainRefusal?, _ request: RequestID) {
        let id = update.node
        if let problem {
            // The known run of the node has ended, and the new one cannot be accepted.
            if let known = records.nodes[id], known.nonce != update.nonce, !isFormer(update.nonce, of: id) {
                remove([id])
            }
            return refuse(update, problem, request)
        }
        var update = update
        // Mirror readers cannot parse a value that is not a number, and NaN would count as a change at every refresh.
        if !update.description.capabilities.cpuFrequency.isFinite { update.description.capabilities.cpuFrequency = 0 }
        guard let known = records.nodes[id] else {
            if let refusal = refusalToJoin(update) { return effect(.updated(request, refusal)) }
            if let missing = recall(update) { welcome(update, missing) } else { add(update, formerNonces: []) }
            return accept(update, request)
        }
        if known.nonce == update.nonce {
            renew(update)
            if known.description != update.description {
                if let refusal = refusalToDescribe(known, anew: update.description) {
                    return refuse(update, refusal, request)
                }
                describe(known, anew: update.description)
            }
            return accept(update, request)
        }
        guard !isFormer(update.nonce, of: id) else {
            // It is forgotten only after it has been silent.
            for index in live[id]?.formerNonces.indices ?? 0..<0
            where live[id]?.formerNonces[index].nonce == update.nonce {
                live[id]?.formerNonces[index].at = now.monotonic
            }
            let refusal = DomainRefusal("node id in use", detail: "another process has registered as \(id) since")
            return refuse(update, refusal, request)
        }
        if let refusal = refusalToDescribe(known, anew: update.description) {
            remove([id])
            return refuse(update, refusal, request)
        }
        let former = formerNonces(of: id) + [(known.nonce, now.monotonic)]
        log(.notice, "a node has restarted", logFields(of: id))
        remove([id]) { $0.add(update, formerNonces: Array(former.suffix(Self.formerNonces))) }
        accept(update, request)
    }

    /// The log fields that identify a node.
    func logFields(of id: NodeID) -> [String: String] {
        var fields = ["node": "\(id)"]
        guard let record = records.nodes[id] else { return fields }
        fields["agent"] = record.description.agentURL
        fields["host"] = record.description.capabilities.hostname
        return fields
    }

    /// Warns if another node has the same agent URL: a reset of one node would silently end what the other runs.
    private mutating func warnAboutSharedAgent(of record: NodeRecord) {
        let url = record.description.agentURL
        guard let other = records.nodes.values.first(where: { $0.id != record.id && $0.description.agentURL == url })
        else { return }
        log(
            .warning, "two nodes have the same agent URL: calls to one reach the other",
            ["node": "\(record.id)", "other": "\(other.id)", "agent": url])
    }

    private mutating func refuse(_ update: NodeUpdate, _ refusal: DomainRefusal, _ request: RequestID) {
        logRefusal(of: update, refusal)
        effect(.updated(request, refusal))
    }

    /// Logs why a node was refused, once for each node and reason.
    mutating func logRefusal(of update: NodeUpdate, _ refusal: DomainRefusal) {
        guard reportedRefusals[update.node]?.reason != refusal.sentence else { return }
        if reportedRefusals.count >= Self.reportedRefusalLimit { reportedRefusals = [:] }
        reportedRefusals[update.node] = (update.nonce, refusal.sentence)
        log(
            .warning, "a node was refused",
            ["node": "\(update.node)", "agent": update.description.agentURL, "reason": refusal.sentence])
    }

    private static let reportedRefusalLimit = 1_024

    private func formerNonces(of id: NodeID) -> [(nonce: UInt64, at: Int)] {
        (live[id]?.formerNonces ?? []).filter { now.monotonic - $0.at < Self.formerNonceLifetime }
    }

    private func isFormer(_ nonce: UInt64, of id: NodeID) -> Bool {
        formerNonces(of: id).contains { $0.nonce == nonce }
    }

    private mutating func accept(_ update: NodeUpdate, _ request: RequestID) {
        // The other of two processes with the id may go on being refused.
        if reportedRefusals[update.node]?.nonce == update.nonce { reportedRefusals[update.node] = nil }
        if options.strategy == .loadAware { recordLoad(update) }
        effect(.updated(request, nil))
        effect(.reported(update))
    }

    private mutating func add(_ update: NodeUpdate, formerNonces: [(nonce: UInt64, at: Int)]) {
        let record = NodeRecord(
            id: update.node, nonce: update.nonce, description: update.description,
            claims: claim(update.description.providers, keeping: [:]), formerNonces: formerNonces.map(\.nonce))
        live[update.node] = LiveNode(lease: NodeLease(end: 0, length: 0), formerNonces: formerNonces)
        renew(update)
        enter(record)
        log(.notice, "a node has joined", logFields(of: update.node))
        warnAboutSharedAgent(of: record)
        // The node is back; peers that still know it receive its new data.
        if records.departed.contains(update.node) { change(.departed(update.node, false)) }
        enqueue(.reset(update.node))
    }

    /// Adds a node that needs no reset.
    mutating func enterReady(_ update: NodeUpdate) {
        live[update.node] = LiveNode(lease: NodeLease(end: 0, length: 0))
        renew(update)
        let record = NodeRecord(
            id: update.node, nonce: update.nonce, description: update.description,
            claims: claim(update.description.providers, keeping: [:]), isReset: true)
        enter(record)
        warnAboutSharedAgent(of: record)
        if records.departed.contains(update.node) { change(.departed(update.node, false)) }
    }

    /// Replaces a node's description; what it runs stays.
    private mutating func describe(_ known: NodeRecord, anew description: NodeDescription) {
        var record = known
        record.description = description
        record.claims = claim(description.providers, keeping: known.claims)
        for (name, number) in known.claims where record.claims[name] == nil { unclaim(name, number) }
        if known.description.invocationURL != description.invocationURL { record.isMeshed = false }
        enter(record)
        if known.description.agentURL != description.agentURL { warnAboutSharedAgent(of: record) }
        if record.isReset && !record.isMeshed { mesh(record.id) }
        reconsider(record.id)
        retryPlacement()
    }

    /// Moves instances away from a changed node that no longer meets their requirements (domain specification, section
    /// 3.1).
    mutating func reconsider(_ node: NodeID) {
        for id in (running[node] ?? []).sorted() { reconsider(id, at: node) }
    }

    /// Moves an instance if its node no longer meets its requirements and another node does.
    mutating func reconsider(_ id: LogicalID, at node: NodeID) {
        guard let record = records.instances[id], let physical = record.physical, attempts[id] == nil else { return }
        infeasible[id] = nil
        guard !fitsWhereItRuns(record) else { return cancel(.place(id)) }
        let requirements = (try? Requirements(record.specification.texts)) ?? Requirements()
        guard hasOther(than: node, record.specification, requirements, shares[id] ?? NUMAShare()) else {
            return infeasible[id] = generation
        }
        log(
            .info, "a node no longer meets an instance's requirements",
            ["node": "\(node)", "instance": "\(id)"])
        guard !options.makesBeforeBreaking else {
            attempts[id] = StartAttempt(
                specification: record.specification, requirements: requirements, created: record.created,
                request: nil, tried: [node], isReplacement: true)
            beginRelocation(id)
            return tryNext(id)
        }
        displace(id, from: node)
        discard(physical, record.specification.kind, holding: shares[id])
        place(id)
    }

    /// Whether the node of an instance still meets its requirements. A cordoned node keeps what it has.
    mutating func fitsWhereItRuns(_ record: InstanceRecord) -> Bool {
        guard let node = record.physical?.node, records.nodes[node]?.isReset == true,
            !records.cordoned.contains(node), let requirements = try? Requirements(record.specification.texts)
        else { return true }
        return isFeasible(node, record.specification, requirements, for: record.id)
    }

    private mutating func hasOther(
        than node: NodeID, _ specification: Specification, _ requirements: Requirements, _ share: NUMAShare
    ) -> Bool {
        let others = withIndex { index, _ in
            switch specification {
            case .function(let function):
                index.functionCandidates(runtime: function.functionClass.runtime, requirements).nodes
            case .resource(let resource):
                index.providerCandidates(resource, requirements, excluding: [node]).map(\.node)
            }
        }
        return others.contains { $0 != node && hasRoom($0, for: share) }
    }

    private mutating func enter(_ record: NodeRecord) {
        for (name, number) in record.claims { claims[name, default: [:]][number] = record.id }
        change(.node(record))
        invalidateIndex()
    }

    /// The claims on these providers; existing claims keep their numbers.
    private mutating func claim(_ providers: [ResourceProvider], keeping former: [String: UInt64]) -> [String: UInt64] {
        var result: [String: UInt64] = [:]
        for provider in providers where result[provider.id] == nil {
            result[provider.id] = former[provider.id] ?? takeNumber()
        }
        return result
    }

    private mutating func unclaim(_ name: String, _ number: UInt64) {
        claims[name]?[number] = nil
        if claims[name]?.isEmpty == true { claims[name] = nil }
    }

    /// The owner of a provider name: the first node that claimed it among those present.
    func owner(of provider: String) -> NodeID? { claims[provider]?.min { $0.key < $1.key }?.value }

    /// Completes the reset of a node, which may now join the others. Without a confirmation its unknown outcomes
    /// remain.
    mutating func finishReset(_ id: NodeID, isConfirmed: Bool) {
        guard var record = records.nodes[id], !record.isReset else { return }
        record.isReset = true
        change(.node(record))
        if isConfirmed, records.unknownOutcomes.contains(id) { change(.unknownOutcome(id, false)) }
        invalidateIndex()
        mesh(id)
        retryPlacement()
    }

    /// Removes nodes and restarts their instances elsewhere. All of them leave before any other node is called,
    /// because many may be lost at once.
    ///
    /// - Parameter comeBack: adds one of them again before waiting Starts are reconsidered.
    mutating func remove(_ ids: [NodeID], comeBack: (inout Domain) -> Void = { _ in }) {
        let leaving = ids.compactMap { records.nodes[$0] }
        guard !leaving.isEmpty else { return }
        let starts = leaving.flatMap { record in startsUnderWay(at: record.id).map { (id: $0, node: record.id) } }
        let lost = leaving.flatMap { record in (running[record.id] ?? []).sorted().map { (id: $0, node: record.id) } }
        for record in leaving { takeOut(record) }
        invalidateIndex()
        for record in leaving { dropBacklog(of: record.id) }
        for record in leaving { for pendingCall in pendingCalls.of(record.id) { cancel(pendingCall) } }
        for instance in lost { displace(instance.id, from: instance.node) }
        for record in leaving where record.isReset { announceDeparture(record.id) }
        comeBack(&self)
        for start in starts { failStart(of: start.id, at: start.node, .unreachable("the node has left")) }
        for instance in lost { place(instance.id) }
        retryPlacement()
    }

    private func startsUnderWay(at node: NodeID) -> [LogicalID] {
        (callsOfNode[node] ?? []).sorted().compactMap { call in
            if case .start(let id, _) = calls[call]?.purpose { id } else { nil }
        }
    }

    /// Removes a node and all calls to it.
    private mutating func takeOut(_ record: NodeRecord) {
        let id = record.id
        for (name, number) in record.claims { unclaim(name, number) }
        running[id] = nil
        live[id] = nil
        suspects[id] = nil
        change(.nodeRemoved(id))
        effect(.abandon(id))
        for call in callsOfNode.removeValue(forKey: id) ?? [] { calls[call] = nil }
        if !detachedStarts.isEmpty { detachedStarts = detachedStarts.filter { $0.value.node != id } }
        if record.isReset { change(.departed(id, true)) }
    }

    // MARK: - Placement index

    mutating func invalidateIndex() {
        placementIndex = nil
        allocatables = [:]
        generation += 1
    }

    /// Builds the placement index if necessary, and keeps what `body` caches in it.
    mutating func withIndex<Result>(_ body: (inout PlacementIndex, inout Xoshiro) -> Result) -> Result {
        var index = placementIndex ?? makeIndex(of: records.nodes.values.filter(\.isReset))
        placementIndex = nil
        defer { placementIndex = index }
        return body(&index, &random)
    }

    /// The owner of each provider name.
    private var owners: [String: NodeID] { claims.compactMapValues { $0.min { $0.key < $1.key }?.value } }

    func makeIndex(of ready: [NodeRecord], evenCordoned: Bool = false) -> PlacementIndex {
        let owners = owners
        let nodes = ready.filter { evenCordoned || !records.cordoned.contains($0.id) }.map { record in
            PlacementIndex.Node(
                id: record.id, capabilities: record.description.capabilities,
                providers: Set(record.claims.keys.filter { owners[$0] == record.id }))
        }
        let providers = ready.flatMap { record in
            record.description.providers.filter { owners[$0.id] == record.id }.map {
                (class: $0.classType, provider: PlacementIndex.Provider(name: $0.id, node: record.id))
            }
        }
        return PlacementIndex(nodes: nodes, providers: providers)
    }

    /// The capabilities of the domain (domain specification, section 3.3); nodes that receive no instances only count
    /// as nodes.
    var capabilities: DomainCapabilities {
        let owners = owners
        var sum = DomainCapabilities()
        sum.nodes = UInt32(clamping: records.nodes.count)
        for record in records.nodes.values where record.isReset && !records.cordoned.contains(record.id) {
            sum.add(record.description.capabilities)
            for provider in record.description.providers where owners[provider.id] == record.id {
                sum.providers.insert(provider.id)
                sum.providerClasses.insert(provider.classType)
            }
        }
        return sum
    }
}
