import Domain
import DomainMirror

extension OrchestratorConfiguration {
    /// What differs between two configurations.
    package struct Changes: Equatable, Sendable {
        /// The changed keys that take effect at a reload.
        package var applied: [String] = []
        /// The changed keys that wait for a restart.
        package var waiting: [String] = []
    }

    /// The keys that differ from those of the configuration that is in use.
    package func changes(from former: Self) -> Changes {
        var changes = Changes()
        for key in Self.keys where key.value(self) != key.value(former) {
            if key.isApplied { changes.applied.append(key.name) } else { changes.waiting.append(key.name) }
        }
        return changes
    }

    /// Takes over what takes effect at a reload; the other keys keep the values that are in use.
    package mutating func take(_ fresh: Self) {
        var merged = fresh
        (merged.domainRegisterURL, merged.orchestratorURL) = (domainRegisterURL, orchestratorURL)
        (merged.announcedURL, merged.nodeRegisterURL) = (announcedURL, nodeRegisterURL)
        (merged.options.domainID, merged.options.strategy) = (options.domainID, options.strategy)
        (merged.statusURL, merged.auditLog) = (statusURL, auditLog)
        (merged.proxyType, merged.proxyRetention) = (proxyType, proxyRetention)
        (merged.redisURL, merged.proxySchema, merged.dataset) = (redisURL, proxySchema, dataset)
        self = merged
    }

    private struct Key {
        let name: String
        let isApplied: Bool
        let value: (OrchestratorConfiguration) -> String

        init(_ name: String, applied isApplied: Bool, _ value: @escaping (OrchestratorConfiguration) -> String) {
            (self.name, self.isApplied, self.value) = (name, isApplied, value)
        }
    }

    private static var keys: [Key] {
        [
            Key("general.domain_register_url", applied: false) { $0.domainRegisterURL },
            Key("general.domain_id", applied: false) { $0.options.domainID },
            Key("general.subscription_refresh_interval_sec", applied: true) { "\($0.options.refreshInterval)" },
            Key("general.orchestrator_url", applied: false) { $0.orchestratorURL },
            Key("general.orchestrator_url_announced", applied: false) { $0.announcedURL },
            Key("general.node_register_url", applied: false) { $0.nodeRegisterURL },
            Key("general.lease_min_seconds", applied: true) { "\($0.options.leaseMinimum)" },
            Key("general.lease_max_seconds", applied: true) { "\($0.options.leaseMaximum)" },
            Key("general.recovery_grace_seconds", applied: true) { "\($0.options.recoveryGrace)" },
            Key("general.disconnect_grace_seconds", applied: true) { "\($0.options.disconnectGrace)" },
            Key("general.evictions_per_interval", applied: true) { "\($0.options.evictionsPerInterval)" },
            Key("general.call_deadline_seconds", applied: true) { "\($0.callDeadline)" },
            Key("general.message_limit_bytes", applied: true) { "\($0.messageLimit)" },
            Key("general.node_limit", applied: true) { "\($0.options.nodeLimit)" },
            Key("general.new_nodes_per_client", applied: true) { "\($0.options.newNodesPerClient)" },
            Key("general.state_limit_bytes", applied: true) { "\($0.options.stateLimit)" },
            Key("general.controller_names", applied: true) { "\($0.controllerNames)" },
            Key("general.agent_hosts", applied: true) { "\($0.agentHosts)" },
            Key("general.status_url", applied: false) { $0.statusURL },
            Key("general.audit_log", applied: false) { $0.auditLog },
            Key("baseline.orchestration_strategy", applied: false) { $0.options.strategy.rawValue },
            Key("baseline.try_next_candidate", applied: true) { "\($0.options.triesNextCandidate)" },
            Key("baseline.make_before_break", applied: true) { "\($0.options.makesBeforeBreaking)" },
            Key("proxy.proxy_type", applied: false) { $0.proxyType.rawValue },
            Key("proxy.proxy_gc_period_seconds", applied: false) { "\($0.proxyRetention)" },
            Key("proxy.redis_url", applied: false) { $0.redisURL },
            Key("proxy.schema", applied: false) { $0.proxySchema.rawValue },
            Key("proxy.dataset_settings", applied: false) { "\(String(describing: $0.dataset))" },
        ]
    }
}
