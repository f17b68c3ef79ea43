/// Why a node cannot take a function or resource.
enum InfeasibilityReason: Hashable, Comparable, Sendable {
    /// It has not been reset yet.
    case isJoining
    case isCordoned
    /// It has no CPU, or no core: only resources run there.
    case hasNoCPU
    case lacksRuntime
    /// It owns no provider of the resource's class, or not the requested portal.
    case lacksProvider
    /// It does not meet the requirement with this key.
    case unmet(String)
    /// No NUMA node has the requested share left.
    case hasNoRoom

    /// The phrase for log messages, for one node or several.
    var description: String {
        switch self {
        case .isJoining: "joining"
        case .isCordoned: "cordoned"
        case .hasNoCPU: "without a CPU"
        case .lacksRuntime: "without the runtime"
        case .lacksProvider: "without the provider"
        case .unmet(let key): "not meeting \(key)"
        case .hasNoRoom: "without room on a NUMA node"
        }
    }
}

extension Domain {
    /// Why a node cannot take an instance; nil if it can.
    mutating func infeasibilityReason(
        at record: NodeRecord, to specification: Specification, _ requirements: Requirements, for id: LogicalID
    ) -> InfeasibilityReason? {
        guard record.isReset else { return .isJoining }
        let isPortal = if case .resource(let resource) = specification { resource.portal != nil } else { false }
        if !isPortal, records.cordoned.contains(record.id) { return .isCordoned }
        let capabilities = record.description.capabilities
        switch specification {
        case .function(let function):
            guard capabilities.runsFunctions else { return .hasNoCPU }
            guard capabilities.runtimes.contains(function.functionClass.runtime) else { return .lacksRuntime }
        case .resource(let resource):
            guard withIndex({ index, _ in index.hasProvider(record.id, of: resource) }) else {
                return .lacksProvider
            }
            if isPortal { return nil }
        }
        let owned = Set(record.claims.keys.filter { owner(of: $0) == record.id })
        if let key = requirements.unmet(by: record.id, capabilities, providers: owned) { return .unmet(key) }
        return hasRoom(record.id, for: shares[id] ?? NUMAShare(), besides: id) ? nil : .hasNoRoom
    }

    /// Why none of these nodes can take an instance, as a sentence; nodes with the same reason are counted.
    mutating func infeasibilityReasons(
        among nodes: [NodeRecord], to specification: Specification, _ requirements: Requirements, for id: LogicalID
    ) -> String {
        guard !nodes.isEmpty else { return "the domain has no nodes" }
        var counts: [InfeasibilityReason?: Int] = [:]
        for node in nodes {
            counts[infeasibilityReason(at: node, to: specification, requirements, for: id), default: 0] += 1
        }
        let found = counts.compactMap { entry in entry.key.map { ($0, entry.value) } }.sorted { $0 < $1 }
        guard !found.isEmpty else { return "the feasible nodes failed to start it" }
        return "of \(nodes.count) nodes, " + found.map { "\($1) \($0.description)" }.joined(separator: ", ")
    }

    /// How many reasons are logged a second; each one examines every node.
    private static let explanations = 4

    /// Whether another reason may be logged in this second.
    func mayExplain() -> Bool {
        explained.second != now.monotonic / 1000 || explained.count < Self.explanations
    }

    /// Counts a reason that was logged.
    mutating func noteExplanation() {
        let second = now.monotonic / 1000
        explained = (second, explained.second == second ? explained.count + 1 : 1)
    }

    /// Logs why no node can take an instance.
    mutating func explain(
        _ text: String, _ specification: Specification, _ requirements: Requirements, _ id: LogicalID
    ) {
        noteExplanation()
        let nodes = Array(records.nodes.values)
        var fields = specification.logFields
        fields["instance"] = "\(id)"
        fields["reason"] = infeasibilityReasons(among: nodes, to: specification, requirements, for: id)
        log(.warning, text, fields)
    }
}

extension Specification {
    /// The log fields that identify a function or resource.
    fileprivate var logFields: [String: String] {
        switch self {
        case .function(let function):
            ["function": function.functionClass.id, "runtime": function.functionClass.runtime]
        case .resource(let resource): ["class": resource.classType]
        }
    }
}
