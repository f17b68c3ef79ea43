import Domain
import Terminal

/// How nodes are called.
package enum NodeNaming: String, CaseIterable, Sendable {
    /// By their UUIDs.
    case uuid
    /// By all their labels.
    case labels
    /// By the value of their first label `hostname=…`.
    case hostname
}

/// Why a node or an instance cannot be meant.
package struct LookupError: Error, Hashable, Sendable, CustomStringConvertible {
    /// One sentence.
    package let description: String
}

extension DomainView {
    /// What a node is called; its UUID where it has no other name. Line ends and the like are escaped.
    package func name(of node: NodeID, _ naming: NodeNaming) -> String {
        let labels = nodes[node]?.value.labels ?? []
        switch naming {
        case .uuid: break
        case .labels where !labels.isEmpty: return "[\(labels.map(Printable.text).joined(separator: ","))]"
        case .labels: break
        case .hostname:
            let prefix = "hostname="
            if let label = labels.first(where: { $0.hasPrefix(prefix) }), label.count > prefix.count {
                return Printable.text(String(label.dropFirst(prefix.count)))
            }
        }
        return node.description
    }

    /// All nodes that the mirror knows of: those that are registered, and those that something runs on.
    package var knownNodes: Set<NodeID> { Set(nodes.keys).union(status.keys) }

    /// The node that is called so, in any of the namings.
    ///
    /// - Throws: ``LookupError`` where there is none, or more than one.
    package func node(called name: String) throws(LookupError) -> NodeID {
        let known = knownNodes
        if let id = NodeID(name) {
            guard known.contains(id) else { throw LookupError(description: "there is no node \(id) in the domain") }
            return id
        }
        let found = known.filter { node in NodeNaming.allCases.contains { self.name(of: node, $0) == name } }.sorted()
        guard let node = found.first else {
            throw LookupError(description: "there is no node \(Printable.name(name)) in the domain")
        }
        guard found.count == 1 else {
            let all = found.map(\.description).joined(separator: " and ")
            throw LookupError(description: "\(Printable.name(name)) may be \(all): name the node by its UUID")
        }
        return node
    }

    /// The instance with this id.
    ///
    /// - Throws: ``LookupError`` where there is none.
    package func instance(_ text: String) throws(LookupError) -> InstanceView {
        guard let id = LogicalID(text), let instance = instances[id] else {
            throw LookupError(description: "there is no function or resource \(Printable.name(text)) in the domain")
        }
        return instance
    }
}
