import CLinux
import Glibc
import Ledger
import Service

/// The leases that are watched, for the one thread that waits for their ends.
struct LeaseWatches {
    /// How a lease is watched.
    private enum Means {
        /// By a pidfd, or the `cgroup.events` of a cgroup.
        case descriptor(Int32)
        /// By looking from time to time.
        case looks
    }

    private struct Watch {
        let holder: Holder
        let lease: Lease
        var means: Means
    }

    /// Whether a lease is over; unknown where the kernel does not say at present.
    private enum Answer {
        case over
        case running
        case unknown
    }

    private static let wakeUpToken: UInt64 = 0

    private let files: any KernelFiles
    private let processes: ProcessFiles
    private let cgroupRoot: String
    private let epoll: Int32
    private let interval: Int
    private var bootID: String?
    private var watches: [UInt64: Watch] = [:]
    private var tokens: [Holder: UInt64] = [:]
    private var lastToken = wakeUpToken
    private var nextLook: ContinuousClock.Instant?

    /// Nothing is watched but `wakeUp`, which ends ``wait()`` when it is readable.
    init(files: any KernelFiles, cgroupRoot: String, wakeUp: Int32, interval: Int) throws(SystemError) {
        self.files = files
        self.cgroupRoot = cgroupRoot
        self.interval = max(interval, 1)
        processes = ProcessFiles(files)
        epoll = clinux_epoll_create()
        guard epoll >= 0 else { throw SystemError("make an epoll descriptor", errno: errno) }
        guard clinux_epoll_add(epoll, wakeUp, Self.wakeUpToken, 0, 0) == 0 else {
            let error = SystemError("watch an eventfd", errno: errno)
            Glibc.close(epoll)
            throw error
        }
    }

    /// Closes every descriptor.
    mutating func close() {
        for token in watches.keys { remove(token) }
        Glibc.close(epoll)
    }

    /// Carries out what was ordered, of several orders for one holder the last.
    ///
    /// - Returns: the leases that are over already.
    mutating func carryOut(_ orders: [LeaseOrder]) -> [(Holder, Lease)] {
        var last: [Holder: Int] = [:]
        for (index, order) in orders.enumerated() { last[order.holder] = index }
        var over: [(Holder, Lease)] = []
        for (index, order) in orders.enumerated() where last[order.holder] == index {
            if let token = tokens[order.holder] {
                if watches[token]?.lease == order.lease { continue }
                remove(token)
            }
            if let lease = order.lease, add(lease, of: order.holder) { over.append((order.holder, lease)) }
        }
        return over
    }

    /// Waits for an event, an order, or the time to look.
    ///
    /// - Returns: the leases that are over.
    mutating func wait() -> [(Holder, Lease)] {
        var ready = [clinux_ready](repeating: clinux_ready(), count: 64)
        let count = Int(clinux_epoll_wait(epoll, &ready, 64, timeUntilLook()))
        if count < 0 { usleep(100_000) }  // Cannot be; must not spin.
        var over: [(Holder, Lease)] = []
        for event in ready.prefix(max(count, 0)) {
            guard let watch = watches[event.token], case .descriptor(let descriptor) = watch.means else { continue }
            switch ask(watch.lease, descriptor) {
            case .over: over.append(end(event.token, watch))
            case .running: break
            case .unknown:
                release(descriptor)
                watches[event.token]?.means = .looks
            }
        }
        if let time = nextLook, time <= .now {
            nextLook = nil
            for (token, watch) in watches {
                guard case .looks = watch.means, look(at: watch.lease) == .over else { continue }
                over.append(end(token, watch))
            }
        }
        return over
    }

    /// Begins to watch a lease. Returns whether it is over already.
    private mutating func add(_ lease: Lease, of holder: Holder) -> Bool {
        let bootID = currentBootID()
        let descriptor: Int32?
        switch lease {
        case .forever, .until: return false
        case .process(let process):
            if let bootID, bootID != process.bootID { return true }
            guard let pid = Int32(exactly: process.id), pid > 0 else { return true }
            let opened = clinux_pidfd_open(pid)
            // EINVAL, and ENOENT from Linux 6.16: the id is now that of a thread.
            if opened < 0, errno == ESRCH || errno == EINVAL || errno == ENOENT { return true }
            // Looked at after it was opened: it cannot be another process afterwards.
            if look(at: lease) == .over {
                if opened >= 0 { Glibc.close(opened) }
                return true
            }
            descriptor = opened < 0 ? nil : opened
        case .cgroup(let path, let id):
            if let bootID, bootID != id { return true }
            let opened = open("\(cgroupRoot)\(path)/cgroup.events", O_RDONLY | O_CLOEXEC)
            if opened < 0 {
                if look(at: lease) == .over { return true }
                descriptor = nil
            } else {
                // Reading also tells the kernel from which state on changes are reported.
                switch ask(lease, opened) {
                case .over:
                    Glibc.close(opened)
                    return true
                case .running: descriptor = opened
                case .unknown:
                    Glibc.close(opened)
                    descriptor = nil
                }
            }
        }
        lastToken += 1
        var means = Means.looks
        if let descriptor {
            let isAdded =
                if case .process = lease {
                    clinux_epoll_add(epoll, descriptor, lastToken, 0, 0) == 0
                } else {
                    clinux_epoll_add_urgent(epoll, descriptor, lastToken) == 0
                }
            if isAdded { means = .descriptor(descriptor) } else { Glibc.close(descriptor) }
        }
        watches[lastToken] = Watch(holder: holder, lease: lease, means: means)
        tokens[holder] = lastToken
        return false
    }

    /// Removes a watch whose lease is over.
    private mutating func end(_ token: UInt64, _ watch: Watch) -> (Holder, Lease) {
        remove(token)
        return (watch.holder, watch.lease)
    }

    private mutating func remove(_ token: UInt64) {
        guard let watch = watches.removeValue(forKey: token) else { return }
        tokens[watch.holder] = nil
        if case .descriptor(let descriptor) = watch.means { release(descriptor) }
    }

    private func release(_ descriptor: Int32) {
        clinux_epoll_remove(epoll, descriptor)
        Glibc.close(descriptor)
    }

    /// The boot that runs; nil where the kernel does not say.
    private mutating func currentBootID() -> String? {
        if bootID == nil { bootID = try? processes.bootID() }
        return bootID
    }

    /// Milliseconds until the next look; -1 where nothing needs one.
    private mutating func timeUntilLook() -> Int32 {
        guard watches.values.contains(where: { if case .looks = $0.means { true } else { false } }) else {
            nextLook = nil
            return -1
        }
        let time = nextLook ?? .now + .milliseconds(interval)
        nextLook = time
        let left = (time - .now) / .milliseconds(1)
        return Int32(max(0, min(left.rounded(.up), Double(interval))))
    }

    // MARK: - Asking the kernel

    /// Asks the descriptor of a lease whose event came, or which was just opened.
    private func ask(_ lease: Lease, _ descriptor: Int32) -> Answer {
        // A pidfd has one event only.
        guard case .cgroup = lease else { return .over }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else { return errno == ENODEV || errno == ENOENT ? .over : .unknown }
        for line in bytes.prefix(count).split(separator: UInt8(ascii: "\n")) where line.starts(with: "populated ".utf8)
        {
            return line.last == UInt8(ascii: "0") ? .over : .running
        }
        return .unknown
    }

    /// Looks at a lease without its descriptor.
    private func look(at lease: Lease) -> Answer {
        switch lease {
        case .forever, .until: return .running
        case .process(let process):
            guard let hasEnded = try? processes.hasEnded(process) else { return .unknown }
            return hasEnded ? .over : .running
        case .cgroup(let path, _):
            // Twice, since a process may move from a cgroup that was not looked at yet to one that was.
            let first = population(of: cgroupRoot + path)
            return first == .over ? population(of: cgroupRoot + path) : first
        }
    }

    /// Whether a process is in the cgroup or below it: over where none is, or there is no such cgroup.
    private func population(of directory: String) -> Answer {
        var directories = [directory]
        var isCertain = true
        while let directory = directories.popLast() {
            do throws(SystemError) {
                if try files.read("\(directory)/cgroup.procs").utf8.contains(where: { $0 > 0x20 }) { return .running }
                directories += try files.entries(directory).map { "\(directory)/\($0)" }
            } catch {
                switch error.errno {
                // A file of the kernel's; a cgroup that is not there, or no longer.
                case ENOTDIR, ENOENT, ENODEV: break
                default: isCertain = false
                }
            }
        }
        return isCertain ? .over : .unknown
    }
}
