import CLinux
import Glibc
import Ledger
import Service
import Synchronization

/// Watches leases by the kernel's own events, on a thread of its own: the end of a process by a pidfd, that of a cgroup by its
/// `cgroup.events`. Where there are no such events (cgroup v1, too many open files) it looks once a second.
package final class KernelLeaseWatcher: LeaseWatcher {
    private let shared: LeaseMailbox

    /// A watcher whose thread waits for leases to watch.
    ///
    /// - Parameters:
    ///   - files: where processes, and cgroups without events, are looked at.
    ///   - cgroupRoot: where the hierarchy is mounted to whose root the paths of cgroups are relative.
    ///   - interval: how long to wait between looks, in milliseconds, where there are no events.
    /// - Throws: `SystemError` where its thread cannot be started.
    package init(
        files: any KernelFiles, cgroupRoot: String = "/sys/fs/cgroup", interval: Int = 1_000
    ) throws(SystemError) {
        let shared = try LeaseMailbox()
        let watches = try LeaseWatches(files: files, cgroupRoot: cgroupRoot, wakeUp: shared.wakeUp, interval: interval)
        self.shared = shared
        let box = Box(watches)
        try startThread(named: "leases") {
            while let orders = shared.take() {
                for (holder, lease) in box.watches.carryOut(orders) { shared.report(lease, of: holder) }
                for (holder, lease) in box.watches.wait() { shared.report(lease, of: holder) }
            }
            box.watches.close()
        }
    }

    deinit { shared.stop() }

    /// Where the watcher reports to. Reports come on the watcher's thread.
    package func start(report: @escaping @Sendable (Holder, Lease) -> Void) { shared.setReport(report) }

    /// Reports once when the lease is over. A lease that is watched already goes on being watched.
    package func watch(_ lease: Lease, of holder: Holder) { shared.add(LeaseOrder(holder: holder, lease: lease)) }

    /// Watches nothing for `holder` any more.
    package func unwatch(_ holder: Holder) { shared.add(LeaseOrder(holder: holder, lease: nil)) }

    /// Carries the watches to their thread.
    private final class Box: @unchecked Sendable {
        var watches: LeaseWatches

        init(_ watches: LeaseWatches) { self.watches = watches }
    }
}

/// What to watch for a holder from now on; nothing where `lease` is nil.
struct LeaseOrder: Sendable {
    let holder: Holder
    let lease: Lease?
}

/// What passes between the watcher's callers and its thread. Nobody waits for it.
private final class LeaseMailbox: Sendable {
    private struct State {
        var orders: [LeaseOrder] = []
        /// The holders for whom something was ordered to be watched last.
        var watched: Set<Holder> = []
        var isStopped = false
        var report: (@Sendable (Holder, Lease) -> Void)?
    }

    /// Readable when there are orders; closed by the thread.
    let wakeUp: Int32
    private let state = Mutex(State())

    init() throws(SystemError) {
        wakeUp = clinux_event_create()
        guard wakeUp >= 0 else { throw SystemError("make an eventfd", errno: errno) }
    }

    deinit { close(wakeUp) }

    func setReport(_ report: @escaping @Sendable (Holder, Lease) -> Void) { state.withLock { $0.report = report } }

    func add(_ order: LeaseOrder) {
        let isNew = state.withLock { state in
            if order.lease != nil {
                state.watched.insert(order.holder)
            } else if state.watched.remove(order.holder) == nil {
                return false
            }
            state.orders.append(order)
            return true
        }
        if isNew { wake() }
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        wake()
    }

    /// The orders so far, in order; nil where the thread is to end.
    func take() -> [LeaseOrder]? {
        var count: UInt64 = 0
        _ = read(wakeUp, &count, 8)
        return state.withLock { state in
            defer { state.orders = [] }
            return state.isStopped ? nil : state.orders
        }
    }

    func report(_ lease: Lease, of holder: Holder) {
        let report = state.withLock { $0.isStopped ? nil : $0.report }
        report?(holder, lease)
    }

    private func wake() {
        var one: UInt64 = 1
        _ = write(wakeUp, &one, 8)
    }
}
