import Domain
import DomainRuntime
import Service

/// The metrics of a domain in the text format of Prometheus, version 0.0.4.
package enum MetricsText {
    /// The content type.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The text.
    ///
    /// - Parameters:
    ///   - domainID: the domain's name.
    ///   - version: the version of the program.
    ///   - redis: the state of the mirror; nil, and no metrics, if there is none.
    package static func text(
        _ metrics: DomainMetrics, domainID: String, version: String, redis: StatusReport.RedisState?
    ) -> String {
        var text = Exposition()
        text.family("berth_domain_info", .gauge, "The domain, and the version of berth-domain.") {
            $0.sample(["domain_id": domainID, "version": version], 1)
        }
        state(of: metrics, &text)
        counters(of: metrics, &text)
        guard let redis else { return text.text }
        text.family("berth_domain_redis_connected", .gauge, "Whether there is a connection to Redis.") {
            $0.sample([:], redis.isConnected ? 1 : 0)
        }
        text.family(
            "berth_domain_redis_last_sync_timestamp_seconds", .gauge,
            "When the mirror was last up to date, in seconds since 1970; 0 for never."
        ) { $0.sample([:], milliseconds: redis.lastSync ?? 0) }
        return text.text
    }

    private static func state(of metrics: DomainMetrics, _ text: inout Exposition) {
        text.family("berth_domain_nodes", .gauge, "Nodes by state; a cordoned node counts as cordoned only.") {
            for state in DomainMetrics.NodeState.allCases {
                $0.sample(["state": state.rawValue], metrics.nodes(state))
            }
        }
        text.family("berth_domain_instances", .gauge, "Functions and resources requested by the controller.") {
            for kind in [ComponentKind.function, .resource] {
                for state in DomainMetrics.InstanceState.allCases {
                    $0.sample(["kind": kind.rawValue, "state": state.rawValue], metrics.instances(kind, state))
                }
            }
        }
        for (name, help, value) in [
            ("wirings", "Instances with wired outputs.", metrics.wirings),
            ("orphans", "Components that run and should not, until they are stopped.", metrics.orphans),
            ("patches_due", "Instances whose node still needs their current wiring.", metrics.patchesDue),
            (
                "unknown_outcomes", "Nodes that may have carried out a Start without an answer.",
                metrics.unknownOutcomes
            ),
            ("departed_nodes", "Nodes that left and that other nodes may still know as peers.", metrics.departed),
            ("state_writable", "Whether the state can be stored.", metrics.canStore ? 1 : 0),
            // The names of version 0.1.
            ("rows", "Deprecated: use berth_domain_wirings.", metrics.wirings),
            ("leftovers", "Deprecated: use berth_domain_orphans.", metrics.orphans),
            ("doubts", "Deprecated: use berth_domain_unknown_outcomes.", metrics.unknownOutcomes),
        ] {
            text.family("berth_domain_\(name)", .gauge, help) { $0.sample([:], value) }
        }
    }

    private static func counters(of metrics: DomainMetrics, _ text: inout Exposition) {
        let counters = metrics.counters
        text.family("process_start_time_seconds", .gauge, "Start time of the process, in seconds since 1970.") {
            $0.sample([:], milliseconds: counters.began)
        }
        text.family("berth_domain_requests_total", .counter, "Requests by outcome.") {
            for request in DomainCounters.Request.allCases {
                for outcome in DomainCounters.Outcome.allCases {
                    $0.sample(
                        ["request": request.rawValue, "outcome": outcome.rawValue], counters.requests(request, outcome))
                }
            }
        }
        text.family("berth_domain_node_calls_total", .counter, "Calls to nodes by outcome.") {
            for end in DomainCounters.CallEnd.allCases { $0.sample(["outcome": end.rawValue], counters.calls(end)) }
        }
        text.family(
            "berth_domain_controller_updates_total", .counter, "Updates of the controller by its answer."
        ) {
            for end in DomainCounters.UpdateEnd.allCases { $0.sample(["outcome": end.rawValue], counters.updates(end)) }
        }
        text.family("berth_domain_nodes_left_total", .counter, "Nodes that left, restarted or whose lease expired.") {
            $0.sample([:], counters.nodesLeft)
        }
        text.family(
            "berth_domain_nodes_suspect", .gauge, "Nodes that are the last choice, as they did not answer a call."
        ) { $0.sample([:], counters.nodesSuspect) }
        text.family(
            "berth_domain_evictions_delayed", .gauge, "Missing nodes that keep their instances, as most are missing."
        ) { $0.sample([:], counters.evictionsDelayed) }
        text.family("berth_domain_commits_total", .counter, "Committed transactions.") {
            $0.sample([:], counters.commits)
        }
        text.family("berth_domain_commit_failures_total", .counter, "Failed transactions.") {
            $0.sample([:], counters.failedCommits)
        }
    }
}
