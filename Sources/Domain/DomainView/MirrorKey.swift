import Domain

/// A key of the mirror (domain specification, sections 5.1 and 5.3).
package enum MirrorKey: Hashable, Sendable {
    /// The domain's name.
    case domainID
    /// The capabilities of a node.
    case capabilities(NodeID)
    /// The capabilities of a node, under the name in the seed schema.
    case capabilitiesAlias(NodeID)
    /// The health of a node; in the current schema with its history.
    case health(NodeID)
    /// The orchestrator's view of a node.
    case status(NodeID)
    /// A resource provider.
    case provider(String)
    /// A function or resource.
    case instance(LogicalID)
    /// The wiring of an instance.
    case dependency(LogicalID)
    /// Samples or log lines of a component.
    case series(SeriesID)
    /// A component's execution times in the seed schema.
    case executionsAlias(ComponentID)

    /// A SCAN pattern for the first letters of all keys.
    package static let pattern = "[dinp]*"

    /// Parses a key; nil for a foreign key or a timestamp of the last change.
    ///
    /// - Throws: ``MirrorProblem`` for a mirror key with an invalid name.
    package static func read(_ key: String) throws(MirrorProblem) -> MirrorKey? {
        // Log targets and provider names may contain colons.
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
        guard let id = Identifier<Kind>(String(text)) else { throw MirrorProblem(key, "\(text) is not a UUID") }
        return id
    }

    /// The part of the domain that the key belongs to.
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

/// A part of the mirror that can be read on its own.
package enum DomainPart: CaseIterable, Hashable, Sendable {
    case name, nodes, health, status, providers, instances, dependencies, series
}

/// The value of a key.
package enum MirrorValue: Hashable, Sendable {
    /// A string.
    case text(String)
    /// The members of a sorted set, in the order of their scores.
    case members([String])
    /// The elements of a list.
    case elements([String])
}

/// An entry of the mirror that cannot be parsed.
package struct MirrorProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// Its key.
    package let key: String
    /// The reason.
    package let reason: String

    /// Whether the rest of the entry was parsed.
    package let isPartial: Bool

    /// Creates a problem.
    package init(_ key: String, _ reason: String, isPartial: Bool = false) {
        self.key = key
        self.reason = reason
        self.isPartial = isPartial
    }

    /// The problem as a sentence.
    package var description: String { "\(key) is \(isPartial ? "read in part" : "left out"): \(reason)" }
}
