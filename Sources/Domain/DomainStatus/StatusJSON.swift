import Domain
import DomainRuntime
import WireJSON

/// A report as JSON; `docs/domain.md` shows one.
package enum StatusJSON {
    /// One line of JSON.
    package static func bytes(_ report: StatusReport) -> [UInt8] {
        let nodes = report.nodes
        let instances = report.instances
        let metrics = report.metrics
        return JSONWriter.object(capacity: 1024 + 512 * nodes.count + 256 * instances.count) { writer in
            writer.member("domain", report.domainID)
            writer.member("version", report.version)
            writer.member("time_ms", report.time)
            writer.name("state")
            writer.object { state in
                state.member("writable", report.snapshot.failure == nil)
                if let failure = report.snapshot.failure { state.member("problem", failure) }
            }
            if let redis = report.redis { write(redis, &writer) }
            writer.name("remaining")
            writer.object { remaining in
                for (name, count) in metrics.remaining { remaining.member(name, count) }
                // The names of version 0.1.
                remaining.member("leftovers", metrics.orphans)
                remaining.member("doubts", metrics.unknownOutcomes)
            }
            writer.name("nodes")
            writer.array { array in for node in nodes { write(node, &array) } }
            writer.name("instances")
            writer.array { array in for instance in instances { write(instance, &array) } }
        }
    }

    private static func write(_ redis: StatusReport.RedisState, _ writer: inout JSONWriter) {
        writer.name("redis")
        writer.object { object in
            object.member("connected", redis.isConnected)
            if let time = redis.lastSync { object.member("last_sync_ms", time) }
            if let problem = redis.problem { object.member("problem", problem) }
        }
    }

    private static func write(_ node: StatusReport.Node, _ writer: inout JSONWriter) {
        writer.object { object in
            object.member("id", "\(node.id)")
            object.member("hostname", node.hostname)
            object.member("agent_url", node.description.agentURL)
            object.member("cpus", Int(node.description.capabilities.cpus))
            object.member("runtimes", node.description.capabilities.runtimes)
            object.member("ready", node.isReady)
            object.member("cordoned", node.isCordoned)
            object.member("instances", node.instances)
        }
    }

    private static func write(_ instance: InstanceRecord, _ writer: inout JSONWriter) {
        writer.object { object in
            object.member("id", "\(instance.id)")
            object.member("kind", instance.specification.kind.rawValue)
            object.member("class", instance.specification.className)
            object.member("workflow", instance.specification.workflowID)
            object.name("node")
            if let node = instance.physical?.node { object.string("\(node)") } else { object.null() }
        }
    }
}

extension DomainMetrics {
    /// The outstanding work until everything is as the controller wants it, by name.
    var remaining: [(name: String, count: Int)] {
        [
            ("nodes_joining", nodes(.joining)), ("instances_waiting", waiting), ("orphans", orphans),
            ("patches_due", patchesDue), ("unknown_outcomes", unknownOutcomes), ("departed_nodes", departed),
        ]
    }
}
