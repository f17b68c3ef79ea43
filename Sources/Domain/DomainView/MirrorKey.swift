import Domain

/// A key of the mirror in Redis: what stands under it (domain specification, sections 5.1 and 5.3).
package enum MirrorKey: Hashable, Sendable {
    /// The domain's name.
    case domainID
    /// What a node can do.
    case capabilities(NodeID)
    /// The same, under the name that the seed's documents give it.
    case capabilitiesAlias(NodeID)
    /// How a node is, today with its history.
    case health(NodeID)
    /// What the orchestrator thinks of a node.
    case status(NodeID)
    /// A resource that a node offers.
    case provider(String)
    /// A function or resource.
    case instance(LogicalID)
    /// Where the outputs of one lead.
    case dependency(LogicalID)
    /// Figures or log lines of a component.
    case series(SeriesID)
    /// A component's execution times, in the seed's form.
    case executionsAlias(ComponentID)

    /// The first letters of all keys of the mirror, as a pattern for SCAN.
    package static let pattern = "[dinp]*"

    /// Reads a key; nil for one that is none of the mirror's, or a stamp of the last change.
    ///
    /// - Throws: ``MirrorProblem`` for a key of the mirror that names nothing.
    package static func read(_ key: String) throws(MirrorProblem) -> MirrorKey? {
        // A log target or a provider may have colons of its own.
        let parts = key.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2 else { return nil }
        let rest = key[parts[1].startIndex...]
        switch parts[0] {
        case "domain_info": return parts[1] == "domain_id" && parts.count == 2 ? .domainID : nil
        case "provider": return rest == "last_update" ? nil : .provider(String(rest))
        case "instance": return rest == "last_update" ? nil : .instance(try id(rest, key))
        case "dependency": return rest == "last_update" ? nil : .dependency(try id(rest, key))
        case "node" where parts.count == 3 && parts[2] != "last_update":
            switch parts[1] {
            case "capabilities": return .capabilities(try id(parts[2], key))
            case "health": return .health(try id(parts[2], key))
            case "status": return .status(try id(parts[2], key))
            default: return nil
            }
        case "nodes" where parts.count == 3 && parts[1] == "capabilities" && parts[2] != "last_update":
            return .capabilitiesAlias(try id(parts[2], key))
        case "performance" where parts.count == 3:
            if parts[1] == PerformanceSamples.Metric.execution.rawValue {
                return .executionsAlias(try id(parts[2], key))
            }
            return .series(SeriesID(component: try id(parts[1], key), name: String(parts[2])))
        default: return nil
        }
    }

    private static func id<Kind>(_ text: Substring, _ key: String) throws(MirrorProblem) -> Identifier<Kind> {
        guard let id = Identifier<Kind>(String(text)) else { throw MirrorProblem(key, "\(text) is no UUID") }
        return id
    }

    /// The part of the domain that it belongs to.
    package var part: DomainPart {
        switch self {
        case .domainID: .name
        case .capabilities, .capabilitiesAlias: .nodes
        case .health: .health
        case .status: .status
        case .provider: .providers
        case .instance: .instances
        case .dependency: .dependencies
        case .series, .executionsAlias: .series
        }
    }
}

/// A part of what the mirror holds, to be read with or without the others.
package enum DomainPart: CaseIterable, Hashable, Sendable {
    case name, nodes, health, status, providers, instances, dependencies, series
}

/// What stands under a key.
package enum MirrorValue: Hashable, Sendable {
    /// A STRING.
    case text(String)
    /// The members of a SORTED SET, by their scores, least first.
    case members([String])
    /// The elements of a LIST.
    case elements([String])
}

/// An entry of the mirror that cannot be read: which, and why.
package struct MirrorProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// Its key.
    package let key: String
    /// Why.
    package let reason: String

    /// Whether the rest of the entry could be read.
    package let isPartial: Bool

    /// A problem.
    package init(_ key: String, _ reason: String, isPartial: Bool = false) {
        self.key = key
        self.reason = reason
        self.isPartial = isPartial
    }

    /// One sentence.
    package var description: String { "\(key) is \(isPartial ? "read in part" : "left out"): \(reason)" }
}
