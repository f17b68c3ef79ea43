import Domain
import DomainRuntime

/// A domain's figures in the text format of Prometheus, version 0.0.4.
package enum MetricsText {
    /// What the text is called on the wire.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The text.
    ///
    /// - Parameters:
    ///   - domainID: the domain's name.
    ///   - version: that of the program.
    ///   - redis: how the mirror fares; nil where there is none, and then nothing is said of it.
    package static func text(
        _ figures: DomainFigures, domainID: String, version: String, redis: StatusReport.RedisState?
    ) -> String {
        var text = Exposition()
        text.family("berth_domain_info", .gauge, "The domain and the version of the program that serves it.") {
            $0.sample(["domain_id": domainID, "version": version], 1)
        }
        state(of: figures, &text)
        counters(of: figures, &text)
        guard let redis else { return text.text }
        text.family("berth_domain_redis_connected", .gauge, "Whether there is a connection to Redis.") {
            $0.sample([:], redis.isConnected ? 1 : 0)
        }
        text.family(
            "berth_domain_redis_last_sync_timestamp_seconds", .gauge,
            "When Redis last had all there was to show, in seconds since 1970; 0 for never."
        ) { $0.sample([:], milliseconds: redis.lastSync ?? 0) }
        return text.text
    }

    private static func state(of figures: DomainFigures, _ text: inout Exposition) {
        text.family("berth_domain_nodes", .gauge, "Nodes; each has one state, and cordoned goes before the others.") {
            for state in DomainFigures.NodeState.allCases {
                $0.sample(["state": state.rawValue], figures.nodes(state))
            }
        }
        text.family("berth_domain_instances", .gauge, "Functions and resources that the controller wants to run.") {
            for kind in [ComponentKind.function, .resource] {
                for state in DomainFigures.InstanceState.allCases {
                    $0.sample(["kind": kind.rawValue, "state": state.rawValue], figures.instances(kind, state))
                }
            }
        }
        for (name, help, value) in [
            ("rows", "Instances whose outputs lead somewhere.", figures.rows),
            ("leftovers", "What runs on nodes and should not, until it has been stopped.", figures.leftovers),
            (
                "patches_due", "Instances whose node has still to be told where their outputs lead.",
                figures.patchesDue
            ),
            (
                "doubts", "Starts of which nobody knows, at most, whether a node carried them out.",
                figures.doubts
            ),
            ("departed_nodes", "Nodes that have left and that others may still know as peers.", figures.departed),
            ("state_writable", "Whether the state can be stored.", figures.canStore ? 1 : 0),
        ] {
            text.family("berth_domain_\(name)", .gauge, help) { $0.sample([:], value) }
        }
    }

    private static func counters(of figures: DomainFigures, _ text: inout Exposition) {
        let counters = figures.counters
        text.family("process_start_time_seconds", .gauge, "When the process began, in seconds since 1970.") {
            $0.sample([:], milliseconds: counters.began)
        }
        text.family("berth_domain_requests_total", .counter, "Requests by what became of them.") {
            for request in DomainCounters.Request.allCases {
                for outcome in DomainCounters.Outcome.allCases {
                    $0.sample(
                        ["request": request.rawValue, "outcome": outcome.rawValue], counters.requests(request, outcome))
                }
            }
        }
        text.family("berth_domain_node_calls_total", .counter, "Calls to nodes by how they ended.") {
            for end in DomainCounters.CallEnd.allCases { $0.sample(["outcome": end.rawValue], counters.calls(end)) }
        }
        text.family(
            "berth_domain_controller_updates_total", .counter, "Updates to the controller by what it answered."
        ) {
            for end in DomainCounters.UpdateEnd.allCases { $0.sample(["outcome": end.rawValue], counters.updates(end)) }
        }
        text.family("berth_domain_nodes_left_total", .counter, "Nodes whose leases ended, or that restarted.") {
            $0.sample([:], counters.nodesLeft)
        }
        text.family("berth_domain_commits_total", .counter, "Transactions of the state that were kept.") {
            $0.sample([:], counters.commits)
        }
        text.family("berth_domain_commit_failures_total", .counter, "Transactions that could not be kept.") {
            $0.sample([:], counters.failedCommits)
        }
    }
}
