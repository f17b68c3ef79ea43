import CLinux
import Glibc
import Machine
import Service
import Synchronization

/// Tells when CPUs go offline or come back, by a look from time to time on a thread of its own.
package final class CPUHotplug: Sendable {
    private let shared: Shared

    /// Looks at the CPUs that are online now, and calls `onChange` with the new set whenever it is another one, until nobody
    /// has the value any more.
    ///
    /// - Parameters:
    ///   - interval: how long to wait between looks, in milliseconds.
    ///   - onChange: called on the thread that looks. A look that fails is no change.
    /// - Throws: `SystemError` where the thread cannot be started.
    package init(
        files: any KernelFiles, interval: Int = 1_000, onChange: @escaping @Sendable (CPUSet) -> Void
    ) throws(SystemError) {
        let shared = try Shared(Masks.online(files))
        self.shared = shared
        let milliseconds = Int32(clamping: max(interval, 1))
        try startThread(named: "hotplug") {
            while shared.wait(milliseconds) {
                if let online = Masks.online(files), shared.set(online), shared.wait(0) { onChange(online) }
            }
        }
    }

    deinit { shared.stop() }

    /// The CPUs that were online at the last look; nil where none has succeeded so far.
    package var online: CPUSet? { shared.online.withLock { $0 } }

    private final class Shared: Sendable {
        let online: Mutex<CPUSet?>
        /// Readable when the thread is to end.
        private let end: Int32

        init(_ set: CPUSet?) throws(SystemError) {
            online = Mutex(set)
            end = clinux_event_create()
            guard end >= 0 else { throw SystemError("make an eventfd", errno: errno) }
        }

        deinit { close(end) }

        func stop() {
            var one: UInt64 = 1
            _ = write(end, &one, 8)
        }

        /// Waits for the next look. Returns false where the thread is to end.
        func wait(_ milliseconds: Int32) -> Bool {
            var ready = pollfd(fd: end, events: Int16(POLLIN), revents: 0)
            return poll(&ready, 1, milliseconds) <= 0
        }

        /// Returns whether `set` is another one than before; the first one is none.
        func set(_ set: CPUSet) -> Bool {
            online.withLock { online in
                defer { online = set }
                return online != nil && online != set
            }
        }
    }
}
