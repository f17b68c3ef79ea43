/// Why a node cannot take a function or resource.
enum Obstacle: Hashable, Comparable, Sendable {
    /// It has not been reset yet.
    case isJoining
    case isCordoned
    /// It has no CPU, or none with a core: only resources run there.
    case hasNoCPU
    case lacksRuntime
    /// It owns no provider of the resource's class, or not the portal that is meant.
    case lacksProvider
    /// A requirement, named by its key, is not met.
    case unmet(String)
    /// No NUMA node has as much left as is asked for.
    case hasNoRoom

    /// What is said of a node, or of several.
    var description: String {
        switch self {
        case .isJoining: "joining"
        case .isCordoned: "cordoned"
        case .hasNoCPU: "without a CPU"
        case .lacksRuntime: "without the runtime"
        case .lacksProvider: "without the provider"
        case .unmet(let key): "against \(key)"
        case .hasNoRoom: "without room on a NUMA node"
        }
    }
}

extension Domain {
    /// Why a node of the domain cannot take an instance; nil where it can.
    mutating func obstacle(
        at record: NodeRecord, to specification: Specification, _ requirements: Requirements, for id: LogicalID
    ) -> Obstacle? {
        guard record.isReset else { return .isJoining }
        let isPortal = if case .resource(let resource) = specification { resource.portal != nil } else { false }
        if !isPortal, records.cordoned.contains(record.id) { return .isCordoned }
        let capabilities = record.description.capabilities
        switch specification {
        case .function(let function):
            guard capabilities.runsFunctions else { return .hasNoCPU }
            guard capabilities.runtimes.contains(function.functionClass.runtime) else { return .lacksRuntime }
        case .resource(let resource):
            guard withTables({ tables, _ in tables.hasProvider(record.id, of: resource) }) else {
                return .lacksProvider
            }
            if isPortal { return nil }
        }
        let owned = Set(record.claims.keys.filter { owner(of: $0) == record.id })
        if let key = requirements.unmet(by: record.id, capabilities, providers: owned) { return .unmet(key) }
        return hasRoom(record.id, for: shares[id] ?? NUMAShare(), besides: id) ? nil : .hasNoRoom
    }

    /// Why no node of these can take an instance, for people; nodes with the same reason are counted.
    mutating func obstacles(
        among nodes: [NodeRecord], to specification: Specification, _ requirements: Requirements, for id: LogicalID
    ) -> String {
        guard !nodes.isEmpty else { return "there is no node" }
        var counts: [Obstacle?: Int] = [:]
        for node in nodes { counts[obstacle(at: node, to: specification, requirements, for: id), default: 0] += 1 }
        let found = counts.compactMap { entry in entry.key.map { ($0, entry.value) } }.sorted { $0 < $1 }
        guard !found.isEmpty else { return "the nodes that could take it have failed it" }
        return "of \(nodes.count) nodes " + found.map { "\($1) \($0.description)" }.joined(separator: ", ")
    }

    /// How many times a second it is said why something found no node: it is looked for at each node.
    private static let explanations = 4

    /// Whether that has not been said often within this second.
    func mayExplain() -> Bool {
        explained.second != now.monotonic / 1000 || explained.count < Self.explanations
    }

    /// Says why nobody can take an instance.
    mutating func explain(
        _ text: String, _ specification: Specification, _ requirements: Requirements, _ id: LogicalID
    ) {
        let second = now.monotonic / 1000
        explained = (second, explained.second == second ? explained.count + 1 : 1)
        let nodes = Array(records.nodes.values)
        var fields = specification.facts
        fields["instance"] = "\(id)"
        fields["why"] = obstacles(among: nodes, to: specification, requirements, for: id)
        note(.warning, text, fields)
    }
}

extension Specification {
    /// What a person knows a function or resource by.
    fileprivate var facts: [String: String] {
        switch self {
        case .function(let function):
            ["function": function.functionClass.id, "runtime": function.functionClass.runtime]
        case .resource(let resource): ["class": resource.classType]
        }
    }
}
