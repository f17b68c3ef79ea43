/// Finds the nodes that can take an instance.
///
/// Candidate lists are cached until a node changes, so the cost of a placement does not depend on the number of nodes.
struct PlacementIndex: Sendable {
    /// A node that receives instances.
    struct Node: Sendable {
        let id: NodeID
        let capabilities: NodeCapabilities
        /// The names of the providers that it owns.
        let providers: Set<String>
    }

    /// A provider and its node.
    struct Provider: Sendable {
        let name: String
        let node: NodeID
    }

    /// The candidates for a kind of function, ordered by id, with cumulative weights.
    struct Candidates: Sendable {
        let nodes: [NodeID]
        let sums: [Double]
    }

    private struct Key: Hashable {
        let runtime: String
        let requirements: Requirements
    }

    private let nodes: [NodeID: Node]
    /// Ordered by id.
    private let functionNodes: [Node]
    /// Ordered by name.
    private let providersByClass: [String: [Provider]]
    private let nodesByClass: [String: Set<NodeID>]
    private var candidates: [Key: Candidates] = [:]

    /// The maximum number of cached lists.
    private static let limit = 256

    /// Creates an index of these nodes. `providers` includes those of nodes that receive no instances.
    init(nodes: [Node] = [], providers: [(class: String, provider: Provider)] = []) {
        self.nodes = Dictionary(nodes.map { ($0.id, $0) }) { $1 }
        functionNodes = nodes.filter(\.capabilities.runsFunctions).sorted { $0.id < $1.id }
        providersByClass = Dictionary(grouping: providers, by: \.class).mapValues { found in
            found.map(\.provider).sorted { $0.name < $1.name }
        }
        nodesByClass = providersByClass.mapValues { Set($0.map(\.node)) }
    }

    /// Whether the node receives instances and meets the requirements; pass nil for the runtime of a resource.
    func isFeasible(_ id: NodeID, runtime: String?, _ requirements: Requirements) -> Bool {
        guard let node = nodes[id] else { return false }
        return isFeasible(node, runtime: runtime, requirements)
    }

    private func isFeasible(_ node: Node, runtime: String?, _ requirements: Requirements) -> Bool {
        if let runtime {
            guard node.capabilities.runsFunctions, node.capabilities.runtimes.contains(runtime) else { return false }
        }
        return requirements.areMet(by: node.id, node.capabilities, providers: node.providers)
    }

    /// The candidates for a function.
    mutating func functionCandidates(runtime: String, _ requirements: Requirements) -> Candidates {
        let key = Key(runtime: runtime, requirements: requirements)
        if let known = candidates[key] { return known }
        let feasible =
            requirements.nodes.isEmpty
            ? functionNodes.filter { isFeasible($0, runtime: runtime, requirements) }
            : requirements.nodes.sorted().compactMap { nodes[$0] }.filter {
                isFeasible($0, runtime: runtime, requirements)
            }
        var sum = 0.0
        let sums = feasible.map { node in
            sum += node.capabilities.weight
            return sum
        }
        let found = Candidates(nodes: feasible.map(\.id), sums: sums)
        if candidates.count >= Self.limit { candidates = [:] }
        candidates[key] = found
        return found
    }

    /// Whether one of the node's providers can take a resource.
    func canHost(_ node: NodeID, _ resource: ResourceSpecification, _ requirements: Requirements) -> Bool {
        hasProvider(node, of: resource)
            && (resource.portal != nil || isFeasible(node, runtime: nil, requirements))
    }

    /// Whether the node has a provider of the resource's class, or the requested portal.
    func hasProvider(_ node: NodeID, of resource: ResourceSpecification) -> Bool {
        if resource.portal != nil { return providers(of: resource).contains { $0.node == node } }
        return nodesByClass[resource.classType]?.contains(node) == true
    }

    /// The providers that can take a resource (domain specification, section 4.6, 2).
    ///
    /// - Parameter excluded: nodes to skip.
    func providerCandidates(
        _ resource: ResourceSpecification, _ requirements: Requirements, excluding excluded: Set<NodeID>
    ) -> [Provider] {
        return providers(of: resource).filter { provider in
            !excluded.contains(provider.node)
                && (resource.portal != nil || isFeasible(provider.node, runtime: nil, requirements))
        }
    }

    /// The providers of a resource's class, or the requested portal.
    func providers(of resource: ResourceSpecification) -> [Provider] {
        let providers = providersByClass[resource.classType] ?? []
        guard let portal = resource.portal else { return providers }
        return providers.filter { $0.name == portal }
    }
}

extension ResourceSpecification {
    /// The only provider that may take the resource, regardless of its requirements and of a cordon: a domain's
    /// portal. Nil for all other resources.
    var portal: String? {
        guard classType == "portal", configuration["domain"] == "portal" else { return nil }
        return "portal-\(configuration["domain_name"] ?? "")"
    }
}

extension PlacementIndex.Candidates {
    /// Draws a node by weight: the first whose cumulative weight reaches a random number.
    func drawn(_ random: inout some RandomNumberGenerator, excluding excluded: Set<NodeID>) -> NodeID? {
        guard excluded.isEmpty else {
            var sum = 0.0
            var left: [(NodeID, Double)] = []
            for (index, node) in nodes.enumerated() where !excluded.contains(node) {
                sum += sums[index] - (index == 0 ? 0 : sums[index - 1])
                left.append((node, sum))
            }
            guard sum.isFinite, sum > 0 else { return left.randomElement(using: &random)?.0 }
            let number = Double.random(in: 0..<sum, using: &random)
            return left.first { $0.1 >= number }?.0 ?? left.last?.0
        }
        guard let sum = sums.last else { return nil }
        guard sum.isFinite, sum > 0 else { return nodes.randomElement(using: &random) }
        let number = Double.random(in: 0..<sum, using: &random)
        var (low, high) = (0, sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if sums[middle] >= number { high = middle } else { low = middle + 1 }
        }
        return nodes[low]
    }

    /// The node after `last` in the order of ids; wraps around.
    func next(after last: NodeID?, excluding excluded: Set<NodeID>) -> NodeID? {
        guard !nodes.isEmpty else { return nil }
        var start = 0
        if let last {
            var high = nodes.count
            while start < high {
                let middle = (start + high) / 2
                if nodes[middle] > last { high = middle } else { start = middle + 1 }
            }
        }
        for step in 0..<nodes.count {
            let node = nodes[(start + step) % nodes.count]
            if !excluded.contains(node) { return node }
        }
        return nil
    }
}
