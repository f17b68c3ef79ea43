import Domain
import WireJSON

/// A domain as its mirror in Redis shows it, in today's schema or the seed's (domain specification, section 5). Pure: somebody
/// else fetches what it takes.
package struct DomainView: Sendable {
    /// A value with the JSON that it was read from.
    package struct Mirrored<Value: Sendable>: Sendable {
        /// The value.
        package let value: Value
        /// The JSON, which may hold members that are unknown here.
        package let document: JSONValue
    }

    /// What the orchestrator thinks of a node, and where the node is reached.
    package struct Status: Hashable, Sendable {
        /// Where its agent listens.
        package let agentURL: String
        /// Where its functions are invoked.
        package let invocationURL: String
        /// Whether it is given nothing new.
        package let isCordoned: Bool
        /// Whether it has joined.
        package let isReady: Bool
    }

    /// A resource that a node offers.
    package struct Provider: Hashable, Sendable {
        /// What it is.
        package let provider: ResourceProvider
        /// Which node.
        package let node: NodeID
    }

    /// The domain's name; nil where the mirror does not tell.
    package private(set) var domainID: String?
    /// What the nodes can do.
    package private(set) var nodes: [NodeID: Mirrored<NodeCapabilities>] = [:]
    /// How they were when they last told.
    package private(set) var health: [NodeID: Mirrored<NodeHealth>] = [:]
    /// What the orchestrator thinks of them; only Berth tells.
    package private(set) var status: [NodeID: Status] = [:]
    /// What they offer, by its name.
    package private(set) var providers: [String: Provider] = [:]
    /// The functions and resources.
    package private(set) var instances: [LogicalID: InstanceView] = [:]
    /// Where their outputs lead.
    package private(set) var rows: [LogicalID: [String: LogicalID]] = [:]
    /// Their figures and log lines, oldest first.
    package private(set) var series: [SeriesID: [SeriesEntry]] = [:]
    /// What could not be read.
    package private(set) var problems: [MirrorProblem] = []
    /// Whether there is anything at all of a mirror, also of parts that were not asked for.
    package private(set) var isMirrored = false

    /// A domain of which nothing is known.
    package init() {}

    /// Notes that there is a key of a mirror.
    package mutating func noteKey() { isMirrored = true }

    /// Notes an entry that could not be read.
    package mutating func note(_ problem: MirrorProblem) { problems.append(problem) }

    /// Takes what stands under a key; what cannot be read is noted and left out. Where both are given, today's keys count and
    /// the seed's do not, in whatever order they come.
    package mutating func take(_ key: MirrorKey, _ value: MirrorValue, from name: String) {
        do throws(ReadingError) { try read(key, value, name) } catch { note(MirrorProblem(name, error.reason)) }
    }

    private mutating func read(_ key: MirrorKey, _ value: MirrorValue, _ name: String) throws(ReadingError) {
        switch key {
        case .domainID: domainID = try value.string
        case .capabilities(let id): nodes[id] = try Self.capabilities(value)
        case .capabilitiesAlias(let id): if nodes[id] == nil { nodes[id] = try Self.capabilities(value) }
        case .health(let id):
            // Newest last, where there is a history.
            let object = try MirrorObject(value.last)
            health[id] = Mirrored(value: try NodeHealth(mirror: object), document: object.document)
        case .status(let id):
            let object = try MirrorObject(value.string)
            status[id] = Status(
                agentURL: try object.text("agent_url"), invocationURL: try object.text("invocation_url"),
                isCordoned: try object.flag("cordoned"), isReady: try object.flag("ready"))
        case .provider(let id):
            let object = try MirrorObject(value.string)
            guard let node = NodeID(try object.text("node_id")) else { throw ReadingError("node_id is no UUID") }
            providers[id] = Provider(
                provider: ResourceProvider(
                    id: id, classType: try object.text("class_type"), outputs: try object.texts("outputs")),
                node: node)
        case .instance(let id): instances[id] = try InstanceView(id, MirrorObject(value.string))
        case .dependency(let id): rows[id] = try Self.row(MirrorObject(value.string))
        case .series(let id): series[id] = try entries(value, name) { SeriesEntry(member: $0) }
        case .executionsAlias(let component):
            let id = SeriesID(component: component, name: PerformanceSamples.Metric.execution.rawValue)
            if series[id] == nil { series[id] = try entries(value, name) { SeriesEntry(seed: $0) } }
        }
    }

    private static func capabilities(_ value: MirrorValue) throws(ReadingError) -> Mirrored<NodeCapabilities> {
        let object = try MirrorObject(value.string)
        return Mirrored(value: try NodeCapabilities(mirror: object), document: object.document)
    }

    private static func row(_ object: MirrorObject) throws(ReadingError) -> [String: LogicalID] {
        var row: [String: LogicalID] = [:]
        for member in object.document.members ?? [] {
            guard let target = member.value.string.flatMap({ LogicalID($0) }) else {
                throw ReadingError("\(member.name) leads to no UUID")
            }
            row[member.name] = target
        }
        return row
    }

    private mutating func entries(
        _ value: MirrorValue, _ name: String, _ read: (String) -> SeriesEntry?
    ) throws(ReadingError) -> [SeriesEntry] {
        let texts: [String]
        switch value {
        case .members(let members): texts = members
        case .elements(let elements): texts = elements
        case .text: throw ReadingError("neither a sorted set nor a list")
        }
        let entries = texts.compactMap(read)
        if entries.count < texts.count {
            note(MirrorProblem(name, "\(texts.count - entries.count) of its entries have no time", isPartial: true))
        }
        return entries
    }
}

extension MirrorValue {
    var string: String {
        get throws(ReadingError) {
            guard case .text(let text) = self else { throw ReadingError("no string") }
            return text
        }
    }

    /// The text itself, or the last member.
    var last: String {
        get throws(ReadingError) {
            switch self {
            case .text(let text): return text
            case .members(let texts), .elements(let texts):
                guard let text = texts.last else { throw ReadingError("empty") }
                return text
            }
        }
    }
}
