import Domain
import Redis

/// Reads the mirror of a domain from Redis. It never writes, and never reads all keys at once.
package final class DomainReader {
    /// How many keys are read at once.
    private static let batch = 512

    private let connection: RedisConnection

    /// Creates a reader on a connection.
    package init(_ connection: RedisConnection) { self.connection = connection }

    /// Reads these parts of the domain. Entries that cannot be parsed are listed as problems; entries that disappear
    /// meanwhile are left out.
    ///
    /// - Throws: `RedisError` if Redis cannot be read.
    package func read(_ parts: Set<DomainPart>) throws(RedisError) -> DomainView {
        var view = DomainView()
        var keys: [(name: String, key: MirrorKey)] = []
        for name in try scan() {
            do throws(MirrorProblem) {
                guard let key = try MirrorKey.read(name) else { continue }
                view.noteKey()
                if parts.contains(key.part) { keys.append((name, key)) }
            } catch { view.note(error) }
        }
        while !keys.isEmpty {
            try fetch(Array(keys.prefix(Self.batch)), into: &view)
            keys.removeFirst(min(Self.batch, keys.count))
        }
        return view
    }

    /// Reads these functions and resources; those that are not there are left out.
    ///
    /// - Throws: `RedisError` if Redis cannot be read.
    package func instances(_ ids: [LogicalID]) throws(RedisError) -> [LogicalID: InstanceView] {
        var view = DomainView()
        try fetch(ids.map { ("instance:\($0)", .instance($0)) }, into: &view)
        return view.instances
    }

    /// Whether an orchestrator uses the database of this domain, whose name was read.
    ///
    /// - Throws: `RedisError` if Redis cannot be read.
    package func isServed(_ view: DomainView) throws(RedisError) -> Bool {
        guard let domain = view.domainID else { return false }
        return try connection.send(["EXISTS", "domain_info:\(domain):last_update"]) != .integer(0)
    }

    /// Adds the series of these components from `time` on. Lists of the seed schema are read completely.
    ///
    /// - Parameter time: seconds since 1970.
    /// - Throws: `RedisError` if Redis cannot be read.
    package func add(
        _ metrics: [PerformanceSamples.Metric], of components: Set<ComponentID>, since time: Double,
        to view: inout DomainView
    ) throws(RedisError) {
        for component in components.sorted() {
            for metric in metrics {
                let name = "performance:\(component):\(metric.rawValue)"
                let found = try connection.send(["ZRANGEBYSCORE", name, "\(time)", "+inf"]).texts
                let key = MirrorKey.series(SeriesID(component: component, name: metric.rawValue))
                if !found.isEmpty { view.take(key, .members(found), from: name) }
            }
            let name = "performance:\(PerformanceSamples.Metric.execution.rawValue):\(component)"
            let found = try connection.send(["LRANGE", name, "0", "-1"]).texts
            if !found.isEmpty { view.take(.executionsAlias(component), .elements(found), from: name) }
        }
    }

    /// The keys that may belong to the mirror, sorted, so that current keys come before the seed keys for the same
    /// entry.
    private func scan() throws(RedisError) -> [String] {
        var names: Set<String> = []
        var cursor = "0"
        repeat {
            let reply = try connection.send(["SCAN", cursor, "MATCH", MirrorKey.pattern, "COUNT", "1000"])
            guard let parts = reply.array, parts.count == 2, let next = parts[0].text else {
                throw .refused("an unexpected answer to SCAN")
            }
            names.formUnion(parts[1].texts)
            cursor = next
        } while cursor != "0"
        return names.sorted()
    }

    private func fetch(
        _ keys: [(name: String, key: MirrorKey)], into view: inout DomainView
    ) throws(RedisError) {
        let types = try connection.send(all: keys.map { ["TYPE", $0.name] }).map { $0.text ?? "" }
        var asked: [(name: String, key: MirrorKey, command: [String])] = []
        for ((name, key), type) in zip(keys, types) {
            switch type {
            case "string": asked.append((name, key, ["GET", name]))
            case "zset" where key.part == .health: asked.append((name, key, ["ZREVRANGE", name, "0", "0"]))
            case "zset": asked.append((name, key, ["ZRANGE", name, "0", "-1"]))
            case "list": asked.append((name, key, ["LRANGE", name, "0", "-1"]))
            case "none": break
            default: view.note(MirrorProblem(name, "a mirror contains no values of the type \(type)"))
            }
        }
        for (item, reply) in zip(asked, try connection.send(all: asked.map(\.command))) {
            switch reply {
            case .text(let text): view.take(item.key, .text(text), from: item.name)
            case .array where item.command[0] == "LRANGE":
                view.take(item.key, .elements(reply.texts), from: item.name)
            case .array where !reply.texts.isEmpty: view.take(item.key, .members(reply.texts), from: item.name)
            case .error(let reason): view.note(MirrorProblem(item.name, reason))
            case .array, .null, .integer: break
            }
        }
    }
}
