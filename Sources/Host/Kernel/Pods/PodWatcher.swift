import CLinux
import Glibc
import Service
import Synchronization

/// Does for cgroups of pods what is wanted of them as soon as they appear, on a thread of its own.
package final class PodWatcher: Sendable {
    private let shared: Shared

    /// Watches until nobody has the value any more.
    ///
    /// - Parameters:
    ///   - enforcer: what knows what is wanted of pods.
    ///   - interval: how long to wait between looks, in milliseconds, where the kernel does not tell what appears.
    ///   - report: called on the watcher's thread when cgroups of claims' pods have come or gone.
    /// - Throws: `SystemError` where the thread cannot be started.
    package init(
        _ enforcer: KernelEnforcer, interval: Int = 1_000, report: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        let shared = try Shared()
        self.shared = shared
        let milliseconds = Int32(clamping: max(interval, 1))
        enforcer.onPodChanges { shared.wake() }
        try startThread(named: "pods") {
            var watches = DirectoryWatches()
            var known: [String] = []
            var event = Event.change
            while event != .end {
                var found = known
                // What came before its directory was watched is seen after it.
                for _ in 0..<8 {
                    let isNew = watches.set(enforcer.podDirectories)
                    guard isNew || event != .change || found == known else { break }
                    found = enforcer.followPods()
                    if !isNew { break }
                }
                if found != known, event == .directory { report() }
                known = found
                event = shared.wait(watches.descriptor, watches.isComplete ? -1 : milliseconds)
                if event == .directory { watches.drain() }
            }
            enforcer.onPodChanges(nil)
            watches.close()
        }
    }

    deinit { shared.stop() }

    private enum Event {
        /// Something has come or gone in a directory, or may have.
        case directory
        /// Something else is wanted of pods.
        case change
        /// The thread is to end.
        case end
    }

    private final class Shared: Sendable {
        private let isStopped = Mutex(false)
        private let event: Int32

        init() throws(SystemError) {
            event = clinux_event_create()
            guard event >= 0 else { throw SystemError("make an eventfd", errno: errno) }
        }

        deinit { close(event) }

        func wake() {
            var one: UInt64 = 1
            _ = write(event, &one, 8)
        }

        func stop() {
            isStopped.withLock { $0 = true }
            wake()
        }

        func wait(_ descriptor: Int32, _ milliseconds: Int32) -> Event {
            var ready = [
                pollfd(fd: event, events: Int16(POLLIN), revents: 0),
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&ready, 2, milliseconds)
            if isStopped.withLock({ $0 }) { return .end }
            guard ready[1].revents == 0, ready[0].revents != 0 else { return .directory }
            var count: UInt64 = 0
            _ = read(event, &count, 8)
            return .change
        }
    }
}

/// Directories whose entries the kernel tells of.
private struct DirectoryWatches {
    /// Readable when something has come or gone; -1 where the kernel tells nothing.
    let descriptor: Int32
    private var watches: [String: Int32] = [:]
    /// Whether every directory is watched.
    private(set) var isComplete = true

    init() { descriptor = inotify_init1(O_CLOEXEC | O_NONBLOCK) }

    /// Watches these directories and no others.
    ///
    /// - Returns: whether one of them was not watched before.
    mutating func set(_ directories: [String]) -> Bool {
        let wanted = Set(directories)
        for (path, watch) in watches where !wanted.contains(path) {
            inotify_rm_watch(descriptor, watch)
            watches[path] = nil
        }
        isComplete = true
        var isNew = false
        for path in wanted where watches[path] == nil {
            let watch = inotify_add_watch(
                descriptor, path, UInt32(IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR))
            if watch >= 0 {
                watches[path] = watch
                isNew = true
            } else if errno != ENOENT {
                isComplete = false
            }
        }
        return isNew
    }

    /// Takes what the kernel has told. A directory that is gone is watched anew if it comes back.
    mutating func drain() {
        var bytes = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(descriptor, &bytes, bytes.count)
            guard count > 0 else { return }
            var start = 0
            while start + 16 <= count {
                let (watch, mask, length) = bytes.withUnsafeBytes { bytes in
                    (
                        bytes.loadUnaligned(fromByteOffset: start, as: Int32.self),
                        bytes.loadUnaligned(fromByteOffset: start + 4, as: UInt32.self),
                        bytes.loadUnaligned(fromByteOffset: start + 12, as: UInt32.self)
                    )
                }
                if mask & UInt32(IN_IGNORED) != 0 { watches = watches.filter { $0.value != watch } }
                start += 16 + Int(length)
            }
        }
    }

    mutating func close() { if descriptor >= 0 { Glibc.close(descriptor) } }
}
