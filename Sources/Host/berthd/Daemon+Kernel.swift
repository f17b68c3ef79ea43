import Host
import Kernel
import Ledger
import Logging
import Service

extension Daemon {
    /// What makes the kernel follow claims.
    struct KernelParts {
        var enforcer: KernelEnforcer?
        /// What undoes what was done for claims before enforcement was switched off; nil where it is on.
        var undoer: KernelEnforcer?
        var watcher: KernelLeaseWatcher?
        var verifier: Verifier?
        /// Why nothing is enforced, where nothing is.
        var obstacle: Obstacle?

        /// What keeps claims from being enforced.
        enum Obstacle {
            /// The configuration.
            case isOff
            /// The machine, which is of this kind.
            case machine(String)

            /// What it is, for people.
            var text: String {
                switch self {
                case .isOff: "enforcement.mode is off"
                case .machine(let kind): "the machine is \(kind)"
                }
            }

            /// What it is, and what would help.
            var advice: String {
                switch self {
                case .isOff: "\(text) (set it to \"on\" in the configuration and restart berthd)"
                case .machine: "\(text) (berthd enforces claims only on the machine that it runs on)"
                }
            }
        }
    }

    /// The parts that change the kernel and watch it: none where the machine is not the real one, or enforcement is off.
    static func kernel(
        _ configuration: DaemonConfiguration, _ settings: Settings, _ paths: Paths, _ log: Logger,
        _ decisionLog: DecisionLog
    ) throws -> KernelParts {
        let files = RootedKernelFiles()
        // Processes are real on every machine.
        guard configuration.machineKind == "real" else {
            return KernelParts(
                watcher: try KernelLeaseWatcher(files: files), obstacle: .machine(configuration.machineKind))
        }
        let enforcer = KernelEnforcer(
            files: files,
            settings: KernelSettings(housekeeping: settings.housekeeping),
            affinities: AffinityFile(stateDirectory: paths.stateDirectory),
            pods: PodFile(stateDirectory: paths.stateDirectory), units: SystemdUnits(),
            notice: { decisionLog.noteWarning($0) })
        guard configuration.enforces else {
            log.notice("claims are recorded only; those that were enforced end", metadata: ["enforcement.mode": "off"])
            return KernelParts(undoer: enforcer, watcher: try KernelLeaseWatcher(files: files), obstacle: .isOff)
        }
        let mount = enforcer.hierarchy.mount.isEmpty ? "/sys/fs/cgroup" : enforcer.hierarchy.mount
        let watcher = try KernelLeaseWatcher(files: files, cgroupRoot: mount)
        log.notice("enforcing claims", metadata: ["cgroups": "\(enforcer.hierarchy.text)"])
        return KernelParts(
            enforcer: enforcer, watcher: watcher,
            verifier: Verifier(files: files, cgroupRoot: mount, isUnified: enforcer.hierarchy.kind != .v1))
    }
}

extension Daemon.KernelParts {
    /// The strongest isolation that claims can have now, and why it is no stronger.
    var strength: @Sendable () -> (isolation: Isolation, limit: String?) {
        guard let enforcer else { return { [limit = obstacle?.text] in (.none, limit) } }
        return { enforcer.strength }
    }

    /// Has cgroups of pods that appear treated like the others; nil where nothing is enforced.
    func watchPods(_ host: Host) throws -> PodWatcher? {
        try enforcer.map { try PodWatcher($0) { host.reconcile() } }
    }

    /// Has enforced claims checked when CPUs go offline or come back; nil where nothing is enforced.
    func watchHotplug(_ host: Host, _ decisionLog: DecisionLog) throws -> CPUHotplug? {
        guard let enforcer else { return nil }
        return try CPUHotplug(files: RootedKernelFiles()) { online in
            decisionLog.noteWarning("CPUs went offline or came back: \(online) are online")
            if let danger = enforcer.hotplugDanger { decisionLog.noteFailure(danger) }
            host.reconcile()
            host.machineChanged()
        }
    }
}

extension CgroupHierarchy {
    /// What it is, for the log.
    fileprivate var text: String {
        let what =
            switch kind {
            case .v2: "v2 at \(mount)"
            case .v1: "v1 at \(mount)"
            case .none: "none with cpusets"
            }
        return isReadOnly ? "\(what), read-only" : what
    }
}
