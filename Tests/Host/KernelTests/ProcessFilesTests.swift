import Glibc
import Kernel
import Ledger
import Service
import Testing

/// What `/proc` says of processes.
@Suite struct ProcessFilesTests {
    private static func stat(_ pid: Int, name: String, state: String = "S", start: Int = 4_711) -> String {
        "\(pid) (\(name)) \(state) 1 \(pid) \(pid) 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 3 0 \(start) 1 2 184467440737095516"
            + "15 1 1 0 0 0 0 0 4096 0 0 0 0 17 5 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    }

    private static let boot = "6d7b52d2-5f3b-4d3a-9d3e-3d1b1f5b3a10"

    private let files = MapFiles([
        "/proc/sys/kernel/random/boot_id": boot + "\n",
        "/proc/42/stat": stat(42, name: "a) S 1 (b"),
        "/proc/42/status": "Name:\ta\nUmask:\t0022\nUid:\t1000\t0\t1000\t1000\nGid:\t5\t5\t5\t5\n",
        "/proc/42/cgroup": "12:cpuset,cpu:/docker/x\n1:name=systemd:/s\n0::/berth.slice/a:b\n",
        "/proc/42/task/43/stat": stat(43, name: "worker"), "/proc/42/task/42/stat": stat(42, name: "a"),
        "/proc/42/task/43/cgroup": "0::/\n",
        "/proc/7/stat": "7 (kworker", "/proc/7/cgroup": "zero\n", "/proc/7/status": "Uid:\tx\ty\n",
        "/proc/uptime": "1 1\n",
    ])
    private var processes: ProcessFiles { ProcessFiles(files) }

    @Test("a name with parentheses and spaces does not hide the start time")
    func names() throws {
        #expect(try processes.identity(of: 42) == ProcessIdentity(id: 42, startTime: 4_711, bootID: Self.boot))
        #expect(try processes.status(of: 42).name == "a) S 1 (b")
        let status = try processes.status(of: 42, thread: 43)
        #expect(status.name == "worker" && status.state == "S" && status.lastCPU == 5 && !status.isKernelThread)
    }

    @Test("users, threads and cgroups of both hierarchies are read")
    func reading() throws {
        let users = try processes.users(of: 42)
        #expect(users.real == 1_000 && users.effective == 0)
        #expect(try processes.threads(of: 42) == [42, 43] && processes.processes() == [7, 42])
        #expect(try processes.cgroup(of: 42) == "/berth.slice/a:b")
        #expect(try processes.cgroup(of: 42, controller: "cpuset") == "/docker/x")
        #expect(try processes.cgroup(of: 42, controller: "hugetlb") == nil)
        #expect(try processes.cgroup(of: 42, thread: 43) == "/")
    }

    @Test("a process that is gone, one that cannot be read and a malformed file are different errors")
    func errors() {
        files.hide("/proc/9/stat", errno: ESRCH)
        files.hide("/proc/10/stat", errno: EACCES)
        #expect(throws: ProcessError.gone(8)) { try processes.identity(of: 8) }
        #expect(throws: ProcessError.gone(9)) { try processes.identity(of: 9) }
        #expect(throws: ProcessError.gone(8)) { try processes.threads(of: 8) }
        #expect(throws: ProcessError.unreadable(SystemError("read /proc/10/stat", errno: EACCES))) {
            try processes.identity(of: 10)
        }
        #expect(throws: ProcessError.malformed(path: "/proc/7/stat")) { try processes.identity(of: 7) }
        #expect(throws: ProcessError.malformed(path: "/proc/7/cgroup")) { try processes.cgroup(of: 7) }
        #expect(throws: ProcessError.malformed(path: "/proc/7/status")) { try processes.users(of: 7) }
    }

    @Test("a process has ended where its id is free or a later process's, where it is a zombie, and after a boot")
    func ends() throws {
        func process(_ id: Int, start: Int = 4_711, boot: String = Self.boot) -> ProcessIdentity {
            ProcessIdentity(id: id, startTime: start, bootID: boot)
        }
        #expect(try !processes.hasEnded(process(42)))
        #expect(try processes.hasEnded(process(42, start: 4_710)))
        #expect(try processes.hasEnded(process(42, boot: "another")))
        #expect(try processes.hasEnded(process(8)))
        // Its first thread has ended, another lives; then that one ends too.
        files["/proc/42/stat"] = Self.stat(42, name: "a", state: "Z")
        #expect(try !processes.hasEnded(process(42)))
        files["/proc/42/task/43/stat"] = nil
        files["/proc/42/task/43/cgroup"] = nil
        #expect(try processes.hasEnded(process(42)))
        files["/proc/sys/kernel/random/boot_id"] = nil
        #expect(throws: ProcessError.self) { try processes.hasEnded(process(42)) }
    }

    @Test("the test's own process is read from the real /proc")
    func real() throws {
        let processes = ProcessFiles(RealFiles())
        let pid = Int(getpid())
        let identity = try processes.identity(of: pid)
        #expect(identity.startTime > 0 && identity.bootID.utf8.count == 36)
        #expect(try !processes.hasEnded(identity))
        #expect(try processes.users(of: pid).real == getuid())
        #expect(try processes.threads(of: pid).contains(pid) && processes.processes().contains(pid))
    }
}
