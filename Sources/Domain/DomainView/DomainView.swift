import Domain
import WireJSON

/// A domain as read from its mirror in Redis, in the current or the seed schema (domain specification, section 5).
/// Pure: ``DomainReader`` fetches the data.
package struct DomainView: Sendable {
    /// A value with its JSON.
    package struct Mirrored<Value: Sendable>: Sendable {
        /// The value.
        package let value: Value
        /// The JSON, which may have unknown members.
        package let document: JSONValue
    }

    /// The orchestrator's view of a node.
    package struct Status: Hashable, Sendable {
        /// Where its agent listens.
        package let agentURL: String
        /// Where its functions are invoked.
        package let invocationURL: String
        /// Whether it is cordoned.
        package let isCordoned: Bool
        /// Whether it has joined.
        package let isReady: Bool
    }

    /// A resource provider.
    package struct Provider: Hashable, Sendable {
        /// The provider.
        package let provider: ResourceProvider
        /// Its node.
        package let node: NodeID
    }

    /// The domain's name; nil if the mirror does not contain it.
    package private(set) var domainID: String?
    /// The capabilities of the nodes.
    package private(set) var nodes: [NodeID: Mirrored<NodeCapabilities>] = [:]
    /// The last reported health of the nodes.
    package private(set) var health: [NodeID: Mirrored<NodeHealth>] = [:]
    /// The orchestrator's view of the nodes; only in Berth's mirror.
    package private(set) var status: [NodeID: Status] = [:]
    /// The providers by name.
    package private(set) var providers: [String: Provider] = [:]
    /// The functions and resources.
    package private(set) var instances: [LogicalID: InstanceView] = [:]
    /// The wiring of the instances.
    package private(set) var wirings: [LogicalID: [String: LogicalID]] = [:]
    /// Samples and log lines, oldest first.
    package private(set) var series: [SeriesID: [SeriesEntry]] = [:]
    /// The entries that could not be parsed.
    package private(set) var problems: [MirrorProblem] = []
    /// Whether there is a mirror at all, including parts that were not read.
    package private(set) var isMirrored = false

    /// Whether lists for people show the class of an instance beside its id. JSON always has it.
    package var showsClasses = false

    /// Creates an empty view.
    package init() {}

    /// Records that a key of a mirror exists.
    package mutating func noteKey() { isMirrored = true }

    /// Records a problem.
    package mutating func note(_ problem: MirrorProblem) { problems.append(problem) }

    /// Adds the value of a key; values that cannot be parsed are recorded as problems. Current keys take precedence
    /// over seed keys, in any order.
    package mutating func take(_ key: MirrorKey, _ value: MirrorValue, from name: String) {
        do throws(ReadingError) { try read(key, value, name) } catch { note(MirrorProblem(name, error.reason)) }
    }

    private mutating func read(_ key: MirrorKey, _ value: MirrorValue, _ name: String) throws(ReadingError) {
        switch key {
        case .domainID: domainID = try value.string
        case .capabilities(let id): nodes[id] = try Self.capabilities(value)
        case .capabilitiesAlias(let id): if nodes[id] == nil { nodes[id] = try Self.capabilities(value) }
        case .health(let id):
            // The newest entry of the history is the last.
            let object = try MirrorObject(value.last)
            health[id] = Mirrored(value: try NodeHealth(mirror: object), document: object.document)
        case .status(let id):
            let object = try MirrorObject(value.string)
            status[id] = Status(
                agentURL: try object.text("agent_url"), invocationURL: try object.text("invocation_url"),
                isCordoned: try object.flag("cordoned"), isReady: try object.flag("ready"))
        case .provider(let id):
            let object = try MirrorObject(value.string)
            guard let node = NodeID(try object.text("node_id")) else { throw ReadingError("node_id is not a UUID") }
            providers[id] = Provider(
                provider: ResourceProvider(
                    id: id, classType: try object.text("class_type"), outputs: try object.texts("outputs")),
                node: node)
        case .instance(let id): instances[id] = try InstanceView(id, MirrorObject(value.string))
        case .dependency(let id): wirings[id] = try Self.wiring(MirrorObject(value.string))
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

    private static func wiring(_ object: MirrorObject) throws(ReadingError) -> [String: LogicalID] {
        var wiring: [String: LogicalID] = [:]
        for member in object.document.members ?? [] {
            guard let target = member.value.string.flatMap({ LogicalID($0) }) else {
                throw ReadingError("\(member.name) does not lead to a UUID")
            }
            wiring[member.name] = target
        }
        return wiring
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
            guard case .text(let text) = self else { throw ReadingError("not a string") }
            return text
        }
    }

    /// The text, or the last member.
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
