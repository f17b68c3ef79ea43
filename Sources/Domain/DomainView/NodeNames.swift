import Domain
import Terminal

/// How nodes are printed.
package enum NodeNaming: String, CaseIterable, Sendable {
    /// As UUIDs.
    case uuid
    /// As the list of labels.
    case labels
    /// As the value of the first label `hostname=…`.
    case hostname
}

/// A node or instance that cannot be found.
package struct LookupError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The error as a sentence.
    package let description: String
}

extension DomainView {
    /// The printed name of a node; its UUID if it has no other name. Control characters are escaped.
    package func name(of node: NodeID, _ naming: NodeNaming) -> String {
        let labels = nodes[node]?.value.labels ?? []
        switch naming {
        case .uuid: break
        case .labels where !labels.isEmpty: return "[\(labels.map(Printable.text).joined(separator: ","))]"
        case .labels: break
        case .hostname: if let name = nodes[node]?.value.hostname { return Printable.text(name) }
        }
        return node.description
    }

    /// All nodes in the mirror: registered nodes, and nodes that run an instance.
    package var knownNodes: Set<NodeID> { Set(nodes.keys).union(status.keys) }

    /// The node with this name, in any of the forms.
    ///
    /// - Throws: ``LookupError`` if there is none, or more than one.
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
    /// - Throws: ``LookupError`` if there is none.
    package func instance(_ text: String) throws(LookupError) -> InstanceView {
        guard let id = LogicalID(text), let instance = instances[id] else {
            throw LookupError(description: "there is no function or resource \(Printable.name(text)) in the domain")
        }
        return instance
    }
}
