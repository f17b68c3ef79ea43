import CLinux
import Foundation
import Glibc
import Kernel
import Ledger
import Service
import Synchronization
import TestSupport
import Testing

/// Leases that end with processes and cgroups.
@Suite struct LeaseWatcherTests {
    /// A watcher and what it has reported.
    private final class Watch: Sendable {
        let watcher: KernelLeaseWatcher
        let reports = Mutex<[String]>([])

        init(_ files: any KernelFiles = RealFiles(), root: String = "/nowhere") throws {
            watcher = try KernelLeaseWatcher(files: files, cgroupRoot: root, interval: 20)
            watcher.start { [weak self] holder, _ in self?.reports.withLock { $0.append(holder.name) } }
        }

        func watch(_ lease: Lease, _ name: String) { watcher.watch(lease, of: Holder(kind: .run, name: name)) }

        func reported(_ names: [String]) async throws -> Bool {
            try await eventually { reports.withLock { $0 } == names }
        }
    }

    private static let processes = ProcessFiles(RealFiles())

    /// A process that sleeps until it is killed.
    private func sleeper() throws -> pid_t {
        var pid: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("600"), nil]
        defer { arguments.forEach { free($0) } }
        try #require(posix_spawn(&pid, "/bin/sleep", nil, nil, &arguments, nil) == 0)
        return pid
    }

    private func end(_ pid: pid_t) {
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    private func identity(_ pid: pid_t) throws -> ProcessIdentity { try Self.processes.identity(of: Int(pid)) }

    @Test("the end of a process is reported once, also before its parent has waited for it")
    func processes() async throws {
        let test = try Watch()
        let (first, second) = (try sleeper(), try sleeper())
        test.watch(.process(try identity(first)), "first")
        test.watch(.process(try identity(second)), "second")
        kill(second, SIGKILL)
        #expect(try await test.reported(["second"]))
        end(first)
        #expect(try await test.reported(["second", "first"]))
        end(second)
        try await Task.sleep(for: .milliseconds(60))
        #expect(try await test.reported(["second", "first"]))
    }

    @Test("a process that ended before, a later one of the same id, a thread's id and another boot are over at once")
    func over() async throws {
        let test = try Watch()
        let pid = try sleeper()
        let real = try identity(pid)
        test.watch(.process(ProcessIdentity(id: real.id, startTime: real.startTime - 1, bootID: real.bootID)), "reused")
        #expect(try await test.reported(["reused"]))
        test.watch(.process(ProcessIdentity(id: real.id, startTime: real.startTime, bootID: "another")), "boot")
        #expect(try await test.reported(["reused", "boot"]))
        let thread = try #require(try Self.processes.threads(of: Int(getpid())).last)
        test.watch(.process(ProcessIdentity(id: thread, startTime: 1, bootID: real.bootID)), "thread")
        #expect(try await test.reported(["reused", "boot", "thread"]))
        test.watch(.process(ProcessIdentity(id: .max, startTime: 1, bootID: real.bootID)), "huge")
        #expect(try await test.reported(["reused", "boot", "thread", "huge"]))
        test.watch(.cgroup(path: "/a", bootID: "another"), "cgroup of another boot")
        #expect(try await eventually { test.reports.withLock { $0.count } == 5 })
        end(pid)
        test.watch(.process(real), "gone")
        #expect(try await eventually { test.reports.withLock { $0.last } == "gone" })
    }

    @Test("a pidfd is had for processes only, and tells apart what is none")
    func pidfd() throws {
        // A thread that lives until it is asked for: those of the tests come and go.
        let known = DispatchSemaphore(value: 0)
        let asked = DispatchSemaphore(value: 0)
        let id = Mutex(Int32(0))
        Thread.detachNewThread {
            let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
            id.withLock { $0 = own?.split(separator: "/").last.flatMap { Int32($0) } ?? 0 }
            known.signal()
            asked.wait()
        }
        known.wait()
        defer { asked.signal() }
        let thread = id.withLock { $0 }
        let own = clinux_pidfd_open(getpid())
        #expect(own >= 0 && fcntl(own, F_GETFD) == FD_CLOEXEC)
        close(own)
        #expect(![0, getpid()].contains(thread))
        #expect(clinux_pidfd_open(thread) == -1 && [EINVAL, ENOENT].contains(errno))
        #expect(clinux_pidfd_open(Int32.max) == -1 && errno == ESRCH)
    }

    @Test("what is not watched any more is not reported, and a new lease of a holder replaces the old one")
    func replacing() async throws {
        let test = try Watch()
        let pids = [try sleeper(), try sleeper(), try sleeper()]
        test.watch(.process(try identity(pids[0])), "a")
        test.watch(.process(try identity(pids[1])), "b")
        test.watch(.process(try identity(pids[2])), "b")
        test.watch(.process(try identity(pids[2])), "b")
        test.watcher.unwatch(Holder(kind: .run, name: "a"))
        test.watcher.unwatch(Holder(kind: .run, name: "unknown"))
        test.watch(.forever, "c")
        // Passes the watcher's thread after all of these.
        test.watch(.cgroup(path: "/a", bootID: "another"), "d")
        #expect(try await test.reported(["d"]))
        end(pids[0])
        end(pids[1])
        end(pids[2])
        #expect(try await test.reported(["d", "b"]))
    }

    @Test("without events, a cgroup is over when no process is in it or below it any more")
    func polling() async throws {
        let boot = try Self.processes.bootID()
        let files = MapFiles([
            "/proc/sys/kernel/random/boot_id": boot + "\n", "/cpuset/a/cgroup.procs": "",
            "/cpuset/a/cpuset.cpus": "4\n", "/cpuset/a/b/cgroup.procs": "", "/cpuset/a/b/c/cgroup.procs": "4242\n",
            "/cpuset/e/cgroup.procs": "1\n", "/cpuset/e/b/cgroup.procs": "",
        ])
        let test = try Watch(files, root: "/cpuset")
        test.watch(.cgroup(path: "/a", bootID: boot), "a")
        test.watch(.cgroup(path: "/e", bootID: boot), "e")
        test.watch(.cgroup(path: "/none", bootID: boot), "none")
        #expect(try await test.reported(["none"]))
        try await Task.sleep(for: .milliseconds(100))
        #expect(try await test.reported(["none"]))
        // What cannot be read is not over.
        files.hide("/cpuset/a/b/c/cgroup.procs", errno: EACCES)
        files["/cpuset/e/cgroup.procs"] = ""
        #expect(try await test.reported(["none", "e"]))
        files.hide("/cpuset/a/b/c/cgroup.procs", errno: nil)
        files["/cpuset/a/b/c/cgroup.procs"] = "\n"
        #expect(try await test.reported(["none", "e", "a"]))
    }

    @Test("a cgroup's events are read at once: nobody in it is over, somebody is not")
    func events() async throws {
        let directory = try TemporaryDirectory()
        try directory.write([
            "a/cgroup.events": "populated 0\nfrozen 0\n", "a/cgroup.procs": "",
            "b/cgroup.events": "populated 1\nfrozen 0\n", "b/cgroup.procs": "1\n",
        ])
        let test = try Watch(root: directory.path)
        let boot = try Self.processes.bootID()
        test.watch(.cgroup(path: "/b", bootID: boot), "b")
        test.watch(.cgroup(path: "/a", bootID: boot), "a")
        #expect(try await test.reported(["a"]))
        // An ordinary file has no events: it is looked at from time to time.
        try TemporaryDirectory.write([], to: "\(directory.path)/b/cgroup.procs")
        #expect(try await test.reported(["a", "b"]))
    }

    @Test("nobody who orders a watch waits for it, however slow the kernel's files are")
    func neverWaits() async throws {
        let gate = Gate()
        let test = try Watch(gate, root: "/cpuset")
        test.watch(.cgroup(path: "/a", bootID: "x"), "a")
        for index in 0..<1_000 { test.watch(.cgroup(path: "/a", bootID: "x"), "\(index)") }
        #expect(test.reports.withLock { $0.isEmpty })
        gate.open()
        #expect(try await eventually { test.reports.withLock { $0.count } == 1_001 })
    }

    /// Files that answer only once the gate is open.
    private final class Gate: KernelFiles {
        private let isOpen = Atomic(false)

        func open() { isOpen.store(true, ordering: .releasing) }

        func read(_ path: String) throws(SystemError) -> String {
            while !isOpen.load(ordering: .acquiring) { usleep(1_000) }
            throw SystemError("open \(path)", errno: ENOENT)
        }

        func write(_ text: String, to path: String) throws(SystemError) {}
        func entries(_ path: String) throws(SystemError) -> [String] { [] }
        func makeDirectory(_ path: String) throws(SystemError) {}
        func removeDirectory(_ path: String) throws(SystemError) {}
    }

    @Test("a watcher that nobody has any more ends its thread and closes its descriptors")
    func ending() async throws {
        func descriptors() throws -> Int { try RealFiles().entries("/proc/self/fd").count }
        let pid = try sleeper()
        let process = try identity(pid)
        // Other tests open and close files at the same time: thousands of leaked descriptors would show all the same.
        let before = try descriptors()
        for _ in 0..<300 {
            let test = try Watch()
            for name in ["a", "b", "c"] { test.watch(.process(process), name) }
        }
        #expect(try await eventually { try descriptors() < before + 300 })
        end(pid)
    }
}
