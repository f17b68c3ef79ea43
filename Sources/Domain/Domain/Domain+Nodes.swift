extension Domain {
    /// How long a former nonce of a node is remembered, in milliseconds: one that comes back within this time is another
    /// process that says it is the same node.
    private static let theftMemory = 600_000
    private static let formerNonces = 8

    /// Takes what a node says (domain specification, section 3.1).
    mutating func take(_ update: NodeUpdate, problem: DomainRefusal?, _ request: RequestID) {
        let id = update.node
        if let problem {
            // The run of the node that was known has ended, and the next one cannot be taken.
            if let known = records.nodes[id], known.nonce != update.nonce, !isFormer(update.nonce, of: id) {
                remove([id])
            }
            noteRefusal(of: update, problem)
            return effect(.updated(request, problem))
        }
        var update = update
        // Readers of the mirror cannot read what is no number, and what differs from itself would change at each refresh.
        if !update.description.capabilities.cpuFrequency.isFinite { update.description.capabilities.cpuFrequency = 0 }
        guard let known = records.nodes[id] else {
            guard records.nodes.count < options.nodeLimit else {
                let refusal = DomainRefusal("too many nodes", detail: "the domain takes \(options.nodeLimit)")
                noteRefusal(of: update, refusal)
                return effect(.updated(request, refusal))
            }
            add(update, formerNonces: [])
            return accept(update, request)
        }
        if known.nonce == update.nonce {
            renew(update)
            if known.description != update.description { describe(known, anew: update.description) }
            return accept(update, request)
        }
        guard !isFormer(update.nonce, of: id) else {
            let refusal = DomainRefusal("node id in use", detail: "another process has registered as \(id) meanwhile")
            noteRefusal(of: update, refusal)
            return effect(.updated(request, refusal))
        }
        let former = formerNonces(of: id) + [(known.nonce, now.monotonic)]
        note(.notice, "a node has restarted", facts(of: id))
        remove([id]) { $0.add(update, formerNonces: Array(former.suffix(Self.formerNonces))) }
        accept(update, request)
    }

    /// What a person knows a node by.
    func facts(of id: NodeID) -> [String: String] {
        var facts = ["node": "\(id)"]
        guard let record = records.nodes[id] else { return facts }
        facts["agent"] = record.description.agentURL
        let name = record.description.capabilities.labels.first { $0.hasPrefix("hostname=") }
        if let name { facts["host"] = String(name.dropFirst("hostname=".count)) }
        return facts
    }

    /// Says so where another node has the same agent: a reset of one ends what the other runs, and nobody hears of that.
    private mutating func warnOfTwins(of record: NodeRecord) {
        let url = record.description.agentURL
        guard let twin = records.nodes.values.first(where: { $0.id != record.id && $0.description.agentURL == url })
        else { return }
        note(
            .warning, "two nodes have the same agent: what is asked of one reaches the other",
            ["node": "\(record.id)", "other": "\(twin.id)", "agent": url])
    }

    /// Says why a node is refused, once for each reason and node.
    private mutating func noteRefusal(of update: NodeUpdate, _ refusal: DomainRefusal) {
        guard toldRefusals[update.node] != refusal.sentence else { return }
        if toldRefusals.count >= Self.refusalsTold { toldRefusals = [:] }
        toldRefusals[update.node] = refusal.sentence
        note(
            .warning, "a node is refused",
            ["node": "\(update.node)", "agent": update.description.agentURL, "why": refusal.sentence])
    }

    private static let refusalsTold = 1_024

    private func formerNonces(of id: NodeID) -> [(nonce: UInt64, at: Int)] {
        (live[id]?.formerNonces ?? []).filter { now.monotonic - $0.at < Self.theftMemory }
    }

    private func isFormer(_ nonce: UInt64, of id: NodeID) -> Bool {
        formerNonces(of: id).contains { $0.nonce == nonce }
    }

    private mutating func accept(_ update: NodeUpdate, _ request: RequestID) {
        toldRefusals[update.node] = nil
        if options.strategy == .loadAware { noteLoad(update) }
        effect(.updated(request, nil))
        effect(.reported(update))
    }

    /// The lease of a node is what its own clock gives it, within bounds, counted by our clock from now on.
    private mutating func renew(_ update: NodeUpdate) {
        let longest = options.leaseMaximum * 1000
        let deadline = Int(exactly: update.refreshDeadline).map { $0.multipliedReportingOverflow(by: 1000) }
        let asked = deadline.flatMap { $0.overflow ? nil : $0.partialValue }.map { $0 - now.wall } ?? longest
        let lease = min(max(asked, options.leaseMinimum * 1000), longest)
        live[update.node, default: LiveNode(leaseEnd: 0)].leaseEnd = now.monotonic + lease
    }

    private mutating func add(_ update: NodeUpdate, formerNonces: [(nonce: UInt64, at: Int)]) {
        let record = NodeRecord(
            id: update.node, nonce: update.nonce, description: update.description,
            claims: claim(update.description.providers, keeping: [:]))
        live[update.node] = LiveNode(leaseEnd: 0, formerNonces: formerNonces)
        renew(update)
        enter(record)
        note(.notice, "a node has joined", facts(of: update.node))
        warnOfTwins(of: record)
        // It is no departed one any more: those who still know it will be told anew.
        if records.departed.contains(update.node) { change(.departed(update.node, false)) }
        owe(.reset(update.node))
    }

    /// Takes what a node says of itself in place of what it said before; what it runs stays.
    private mutating func describe(_ known: NodeRecord, anew description: NodeDescription) {
        var record = known
        record.description = description
        record.claims = claim(description.providers, keeping: known.claims)
        for (name, number) in known.claims where record.claims[name] == nil { unclaim(name, number) }
        if known.description.invocationURL != description.invocationURL { record.isMeshed = false }
        enter(record)
        if known.description.agentURL != description.agentURL { warnOfTwins(of: record) }
        if record.isReset && !record.isMeshed { mesh(record.id) }
        reconsider(record.id)
        placeUnplaced()
    }

    /// What runs on a node that is not what it was goes elsewhere, if its requirements are not met here any more and are there
    /// (domain specification, section 3.1).
    mutating func reconsider(_ node: NodeID) {
        for id in (running[node] ?? []).sorted() { reconsider(id, at: node) }
    }

    /// Has an instance go elsewhere if it cannot run where it does; where it cannot run elsewhere either, it stays until it
    /// can.
    mutating func reconsider(_ id: LogicalID, at node: NodeID) {
        guard let record = records.instances[id], let physical = record.physical, attempts[id] == nil else { return }
        misplaced[id] = nil
        guard !fitsWhereItRuns(record) else { return }
        let requirements = (try? Requirements(record.specification.texts)) ?? Requirements()
        guard hasOther(than: node, record.specification, requirements, shares[id] ?? NUMAShare()) else {
            return misplaced[id] = generation
        }
        note(
            .info, "a node does not meet an instance's requirements any more",
            ["node": "\(node)", "instance": "\(id)"])
        displace(id, from: node)
        discard(physical, record.specification.kind, holding: shares[id])
        place(id)
    }

    /// Whether the node of an instance meets its requirements, as far as that can be said: a cordoned one is given nothing,
    /// and keeps what it has.
    mutating func fitsWhereItRuns(_ record: InstanceRecord) -> Bool {
        guard let node = record.physical?.node, records.nodes[node]?.isReset == true,
            !records.cordoned.contains(node), let requirements = try? Requirements(record.specification.texts)
        else { return true }
        return isFeasible(node, record.specification, requirements, for: record.id)
    }

    private mutating func hasOther(
        than node: NodeID, _ specification: Specification, _ requirements: Requirements, _ share: NUMAShare
    ) -> Bool {
        let others = withTables { tables, _ in
            switch specification {
            case .function(let function):
                tables.functionCandidates(runtime: function.functionClass.runtime, requirements).nodes
            case .resource(let resource):
                tables.providerCandidates(resource, requirements, excluding: [node]).map(\.node)
            }
        }
        return others.contains { $0 != node && hasRoom($0, for: share) }
    }

    private mutating func enter(_ record: NodeRecord) {
        for (name, number) in record.claims { claims[name, default: [:]][number] = record.id }
        change(.node(record))
        forgetTables()
    }

    /// The claims on these providers: those that were made before keep their number.
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

    /// Who owns a provider's name: who claimed it first among those that are there.
    func owner(of provider: String) -> NodeID? { claims[provider]?.min { $0.key < $1.key }?.value }

    /// A node has been told to forget what it ran before: it joins the others. Where it has not confirmed that, what may run
    /// there stays in doubt.
    mutating func finishReset(_ id: NodeID, isConfirmed: Bool) {
        guard var record = records.nodes[id], !record.isReset else { return }
        record.isReset = true
        change(.node(record))
        if isConfirmed, records.doubts[id] != nil { change(.doubts(id, 0)) }
        forgetTables()
        mesh(id)
        placeUnplaced()
    }

    /// Has all nodes know this one, itself included, and it all others (domain specification, section 1.5).
    mutating func mesh(_ id: NodeID) {
        let others = records.nodes.values.filter(\.isReset).map(\.id).sorted()
        for node in others { owe(.peer(node, of: id), cause: id) }
        for peer in others where peer != id { owe(.peer(id, of: peer), cause: id) }
    }

    /// Has all nodes forget one that has left.
    mutating func dissolve(_ id: NodeID) {
        for node in records.nodes.values.filter(\.isReset).map(\.id).sorted() { owe(.peer(node, of: id), cause: id) }
        if meshOpen[id] == nil, records.departed.contains(id) { change(.departed(id, false)) }
    }

    /// Takes nodes out of the domain; what ran on them is started elsewhere. All of them leave before anybody is told or given
    /// anything: many may be lost at once.
    ///
    /// - Parameter comeBack: adds one of them anew, before it is known who else is to be waited for.
    mutating func remove(_ ids: [NodeID], comeBack: (inout Domain) -> Void = { _ in }) {
        let leaving = ids.compactMap { records.nodes[$0] }
        guard !leaving.isEmpty else { return }
        let starts = leaving.flatMap { record in startsUnderWay(at: record.id).map { (id: $0, node: record.id) } }
        let lost = leaving.flatMap { record in (running[record.id] ?? []).sorted().map { (id: $0, node: record.id) } }
        for record in leaving { takeOut(record) }
        forgetTables()
        for record in leaving { for chore in chores.of(record.id) { drop(chore) } }
        for instance in lost { displace(instance.id, from: instance.node) }
        for record in leaving where record.isReset { dissolve(record.id) }
        comeBack(&self)
        for start in starts { failStart(of: start.id, at: start.node, .unreachable("the node has left")) }
        for instance in lost { place(instance.id) }
        placeUnplaced()
    }

    private func startsUnderWay(at node: NodeID) -> [LogicalID] {
        (callsOfNode[node] ?? []).sorted().compactMap { call in
            if case .start(let id, _) = calls[call]?.purpose { id } else { nil }
        }
    }

    /// Forgets a node and all that was asked of it.
    private mutating func takeOut(_ record: NodeRecord) {
        let id = record.id
        for (name, number) in record.claims { unclaim(name, number) }
        running[id] = nil
        live[id] = nil
        change(.nodeRemoved(id))
        effect(.abandon(id))
        for call in callsOfNode.removeValue(forKey: id) ?? [] { calls[call] = nil }
        if !formerStarts.isEmpty { formerStarts = formerStarts.filter { $0.value.node != id } }
        if record.isReset { change(.departed(id, true)) }
    }

    // MARK: - Tables

    mutating func forgetTables() {
        knownTables = nil
        supplies = [:]
        generation += 1
    }

    /// Makes the tables where they are not known, and keeps what `body` changes in them.
    mutating func withTables<Result>(_ body: (inout PlacementTables, inout Xoshiro) -> Result) -> Result {
        var tables = knownTables ?? makeTables(of: records.nodes.values.filter(\.isReset))
        knownTables = nil
        defer { knownTables = tables }
        return body(&tables, &random)
    }

    /// Who owns each provider's name.
    private var owners: [String: NodeID] { claims.compactMapValues { $0.min { $0.key < $1.key }?.value } }

    func makeTables(of ready: [NodeRecord]) -> PlacementTables {
        let owners = owners
        let nodes = ready.filter { !records.cordoned.contains($0.id) }.map { record in
            PlacementTables.Node(
                id: record.id, capabilities: record.description.capabilities,
                providers: Set(record.claims.keys.filter { owners[$0] == record.id }))
        }
        let providers = ready.flatMap { record in
            record.description.providers.filter { owners[$0.id] == record.id }.map {
                (class: $0.classType, provider: PlacementTables.Provider(name: $0.id, node: record.id))
            }
        }
        return PlacementTables(nodes: nodes, providers: providers)
    }

    /// What the domain can do (domain specification, section 3.3); nodes that are given nothing count by number only.
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
