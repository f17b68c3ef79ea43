import Ledger

/// Watches the processes and cgroups that claims live by.
package protocol LeaseWatcher: Sendable {
    /// Reports from now on, once, when `lease` of `holder` is over: the process has ended, or no process is in the cgroup
    /// any more. Also where that is so already. Replaces what was watched for the holder before. Never waits.
    func watch(_ lease: Lease, of holder: Holder)

    /// Watches nothing for `holder` any more.
    func unwatch(_ holder: Holder)

    /// Where the watcher reports to; called once, before the first ``watch(_:of:)``.
    func start(report: @escaping @Sendable (Holder, Lease) -> Void)
}
