import Domain
import WireJSON

/// Computes the Redis commands that keep the mirror of a domain up to date (domain specification, section 5). Pure:
/// the caller sends them, each list in one transaction.
package struct Mirror: Sendable {
    /// The key schema (section 5.3).
    package enum Schema: String, CaseIterable, Sendable {
        /// The current keys.
        case current
        /// The keys of the first version of EDGELESS.
        case seed
        /// The current keys, and those of the first version that do not conflict with them.
        case both
    }

    /// The prefixes of the mirror's own keys; no other key is ever modified.
    package static let prefixes = [
        "domain_info:", "node:capabilities:", "node:health:", "node:status:", "nodes:capabilities:", "provider:",
        "instance:", "dependency:", "performance:",
    ]

    let schema: Schema
    private let domainID: String
    /// The mirrored records.
    package private(set) var records = DomainRecords()
    /// The nodes that claim a provider name.
    private var claimers: [String: Set<NodeID>] = [:]
    /// Information about the age of series that Redis does not hold.
    var series = SeriesAges()

    /// Creates an empty mirror.
    package init(domainID: String, schema: Schema) {
        self.domainID = domainID
        self.schema = schema
    }

    // MARK: - Records

    /// The key of the domain's name.
    package static let identity = "domain_info:domain_id"

    /// The key that shows that a domain's orchestrator uses the database. It expires unless it is renewed.
    package static func presence(of domainID: String) -> String { "domain_info:\(domainID):last_update" }

    /// How long ``presence(of:)`` lasts, in seconds.
    private static let presenceLifetime = 15

    /// The command that shows for a while that this domain uses the database.
    func showPresence(at time: Int) -> RedisCommand {
        RedisCommand(
            "SET", Self.presence(of: domainID), NumberText.plain(Double(time) / 1000), "EX", "\(Self.presenceLifetime)")
    }

    /// The commands that write all of `records` and remove stale keys.
    ///
    /// - Parameters:
    ///   - found: the existing keys of the mirror.
    ///   - time: the current time, in milliseconds since 1970.
    package mutating func begin(
        with records: DomainRecords, over found: [String] = [], at time: Int
    ) -> [RedisCommand] {
        self.records = DomainRecords()
        claimers = [:]
        let writing = take(records.snapshot, at: time)
        let gone = stale(found)
        let stamps = Category.allCases.filter { category in
            gone.contains { $0.hasPrefix("\(category.rawValue):") }
        }
        return [.set(Self.identity, domainID)] + gone.map { .delete($0) } + writing + stamp(stamps, at: time)
    }

    /// The keys of `found` that no record corresponds to.
    func stale(_ found: [String]) -> [String] {
        var wanted: Set<String> = [Self.identity, Self.presence(of: domainID)]
        for category in Category.allCases { wanted.insert(category.stamp) }
        for id in records.nodes.keys { wanted.formUnion(keys(of: id) + ["node:health:\(id)"]) }
        for id in records.instances.keys { wanted.insert("instance:\(id)") }
        for id in records.wirings.keys { wanted.insert("dependency:\(id)") }
        for (name, _) in owners(of: nil) { wanted.insert("provider:\(name)") }
        return found.filter { key in
            // Samples of components are removed by age.
            !key.hasPrefix("performance:") && Self.prefixes.contains { key.hasPrefix($0) } && !wanted.contains(key)
        }
    }

    /// The commands for these changes. The timestamps come last, so that their readers find the new values.
    package mutating func take(_ changes: [DomainChange], at time: Int) -> [RedisCommand] {
        var commands: [RedisCommand] = []
        var stamps: Set<Category> = []
        var nodes: Set<NodeID> = []
        var instances: Set<LogicalID> = []
        var wirings: Set<LogicalID> = []
        var names: Set<String> = []
        for change in changes {
            switch change {
            case .node(let record):
                names.formUnion(unclaim(record.id))
                names.formUnion(record.claims.keys)
                for name in record.claims.keys { claimers[name, default: []].insert(record.id) }
                nodes.insert(record.id)
            case .nodeRemoved(let id):
                names.formUnion(unclaim(id))
                nodes.insert(id)
            case .cordon(let id, _): nodes.insert(id)
            case .instance(let record): instances.insert(record.id)
            case .placed(let id, _): instances.insert(id)
            case .instanceRemoved(let id):
                instances.insert(id)
                if records.wirings[id] != nil { wirings.insert(id) }
            case .wiring(let origin, _): wirings.insert(origin)
            case .identity, .domain, .departed, .orphan, .stopFailed, .patchDue, .starting,
                .unknownOutcome:
                break
            }
            records.apply(change)
        }
        for id in nodes.sorted() { commands += self.commands(forNode: id) }
        let owners = owners(of: names)
        for name in names.sorted() {
            if let (node, provider) = owners[name] {
                commands.append(.set("provider:\(name)", provider.mirrorJSON(node: node)))
            } else {
                commands.append(.delete("provider:\(name)"))
            }
        }
        for id in instances.sorted() {
            if let record = records.instances[id] {
                commands.append(.set("instance:\(id)", record.mirrorJSON(isSeed: schema == .seed)))
            } else {
                commands.append(.delete("instance:\(id)"))
            }
        }
        for id in wirings.sorted() {
            if let wiring = records.wirings[id] {
                let text = JSONWriter.text { writer in
                    for (channel, target) in wiring.sorted(by: { $0.key < $1.key }) {
                        writer.member(channel, "\(target)")
                    }
                }
                commands.append(.set("dependency:\(id)", text))
            } else {
                commands.append(.delete("dependency:\(id)"))
            }
        }
        if !nodes.isEmpty { stamps.insert(.capabilities) }
        if !names.isEmpty { stamps.insert(.provider) }
        if !instances.isEmpty { stamps.insert(.instance) }
        if !wirings.isEmpty { stamps.insert(.dependency) }
        return commands + stamp(Category.allCases.filter { stamps.contains($0) }, at: time)
    }

    private func stamp(_ categories: [Category], at time: Int) -> [RedisCommand] {
        let now = NumberText.plain(Double(time) / 1000)
        return categories.map { .set($0.stamp, now) }
    }

    /// Removes the claims of a node.
    private mutating func unclaim(_ id: NodeID) -> [String] {
        let names = records.nodes[id].map { Array($0.claims.keys) } ?? []
        for name in names {
            claimers[name]?.remove(id)
            if claimers[name]?.isEmpty == true { claimers[name] = nil }
        }
        return names
    }

    /// The categories that have a timestamp of the last change.
    private enum Category: String, CaseIterable {
        case capabilities = "node:capabilities"
        case provider, instance, dependency

        var stamp: String { "\(rawValue):last_update" }
    }

    private func keys(of id: NodeID) -> [String] {
        switch schema {
        case .current: ["node:capabilities:\(id)", "node:status:\(id)"]
        case .seed: ["nodes:capabilities:\(id)", "node:capabilities:\(id)", "node:status:\(id)"]
        case .both: ["node:capabilities:\(id)", "nodes:capabilities:\(id)", "node:status:\(id)"]
        }
    }

    private func commands(forNode id: NodeID) -> [RedisCommand] {
        guard let record = records.nodes[id] else {
            return (keys(of: id) + ["node:health:\(id)"]).map { .delete($0) }
        }
        let capabilities = record.description.capabilities.mirrorJSON
        let status = JSONWriter.text { writer in
            writer.member("agent_url", record.description.agentURL)
            writer.member("invocation_url", record.description.invocationURL)
            writer.member("cordoned", records.cordoned.contains(id))
            writer.member("ready", record.isReset)
        }
        return keys(of: id).map { .set($0, $0.hasPrefix("node:status:") ? status : capabilities) }
    }

    /// The owner and its provider for each of these names; nil for all names.
    private func owners(of names: Set<String>?) -> [String: (NodeID, ResourceProvider)] {
        var found: [String: (NodeID, ResourceProvider)] = [:]
        for name in names ?? Set(claimers.keys) {
            let claims = (claimers[name] ?? []).compactMap { node in
                records.nodes[node]?.claims[name].map { (node: node, number: $0) }
            }
            guard let owner = claims.min(by: { $0.number < $1.number })?.node,
                let provider = records.nodes[owner]?.description.providers.first(where: { $0.id == name })
            else { continue }
            found[name] = (owner, provider)
        }
        return found
    }

    // MARK: - Reports of nodes

    /// The commands that store a node's report.
    ///
    /// - Parameter time: its time of arrival, in milliseconds since 1970.
    package mutating func report(_ update: NodeUpdate, at time: Int) -> [RedisCommand] {
        var commands: [RedisCommand] = []
        var leads: [ComponentID: Int] = [:]
        defer { series.leads.merge(leads) { $1 } }
        let health = "node:health:\(update.node)"
        if schema == .seed {
            commands.append(.set(health, update.health.mirrorJSON(hasPower: false)))
        } else {
            commands.append(
                RedisCommand(
                    "ZADD", health, NumberText.plain(Double(time) / 1000), update.health.mirrorJSON(hasPower: true)))
        }
        for metric in PerformanceSamples.Metric.allCases {
            let figures = (update.samples.samples[metric] ?? [:]).sorted { $0.key < $1.key }
            for (component, samples) in figures {
                for sample in samples where sample.value.isFinite {
                    SeriesAges.note(&leads, component, at: sample.seconds, now: time)
                    commands += self.commands(for: sample, metric, of: component)
                }
            }
        }
        for (component, entries) in update.samples.logEntries.sorted(by: { $0.key < $1.key }) where schema != .seed {
            for entry in entries {
                SeriesAges.note(&leads, component, at: entry.seconds, now: time)
                // A log target with the name of a metric would be read as its samples.
                let isReserved = PerformanceSamples.Metric(rawValue: entry.target) != nil
                let target = isReserved ? "log-\(entry.target)" : entry.target
                let stamp = NumberText.time(entry.seconds, entry.nanoseconds)
                commands.append(
                    RedisCommand("ZADD", "performance:\(component):\(target)", stamp, "\(stamp):\(entry.message)"))
            }
        }
        return commands
    }

    private func commands(
        for sample: Sample, _ metric: PerformanceSamples.Metric, of component: ComponentID
    ) -> [RedisCommand] {
        var commands: [RedisCommand] = []
        let value = NumberText.plain(sample.value)
        if schema != .seed {
            let time = NumberText.time(sample.seconds, sample.nanoseconds)
            commands.append(
                RedisCommand("ZADD", "performance:\(component):\(metric.rawValue)", time, "\(time):\(value)"))
        }
        if schema != .current, metric == .execution {
            // The first version printed milliseconds without leading zeros, which made 10.005 s read 10.5 s.
            let digits = String(sample.nanoseconds / 1_000_000 % 1_000)
            let milliseconds = String(repeating: "0", count: 3 - digits.utf8.count) + digits
            commands.append(
                RedisCommand(
                    "RPUSH", "performance:\(metric.rawValue):\(component)", "\(value),\(sample.seconds).\(milliseconds)"
                ))
        }
        return commands
    }
}
