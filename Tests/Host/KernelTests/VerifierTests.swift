import CLinux
import Glibc
import Kernel
import Ledger
import Machine
import Synchronization
import TestSupport
import Testing

/// Reading what is compared, and CPUs that go offline.
@Suite struct VerifierTests {
    private static let fixed = 0x0420_8040
    private static let movable = 0x0020_8040

    private static func stat(_ id: Int, _ name: String, flags: Int = 0x40_0100, state: String = "S") -> String {
        "\(id) (\(name)) \(state) 1 1 1 0 -1 \(flags) 1 0 0 0 1 2 0 0 20 0 3 0 100 1 2 99 1 1 0 0 0 0 0 0 4096 0 0 0 0 17 "
            + "0 0 0 0 0 0\n"
    }

    private static func status(_ name: String, _ cpus: String) -> String {
        "Name:\t\(name)\nState:\tS (sleeping)\nCpus_allowed:\tff\nCpus_allowed_list:\t\(cpus)\nMems_allowed:\t3\n"
            + "Mems_allowed_list:\t0-1\nvoluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t0\n"
    }

    /// A machine of eight CPUs with a claim of 4-7.
    private static func machine() -> MapFiles {
        let files = MapFiles([
            "/proc/sys/kernel/random/boot_id": "boot\n", "/sys/devices/system/cpu/online": "0-7\n",
            "/cg/cgroup.procs": "", "/cg/cpuset.cpus.effective": "0-3\n", "/cg/cpuset.mems.effective": "0-1\n",
            "/cg/berth.slice/cgroup.procs": "", "/cg/berth.slice/cpuset.cpus.effective": "4-7\n",
            "/cg/berth.slice/cpuset.cpus.partition": "root\n",
            "/cg/berth.slice/claims/run-a/cgroup.procs": "900\n",
            "/cg/berth.slice/claims/run-a/cgroup.stat": "nr_descendants 1\n",
            "/cg/berth.slice/claims/run-a/cpuset.cpus.effective": "4-6\n",
            "/cg/berth.slice/claims/run-a/cpuset.mems.effective": "1\n",
            "/cg/berth.slice/claims/run-a/in/cgroup.procs": "950\n",
            "/cg/berth.slice/a.scope/cgroup.procs": "801\n",
            "/proc/interrupts": """
                        CPU0       CPU1       CPU4       CPU5
              0:         31          0          0          0   IO-APIC   2-edge      timer
             25:          1          2          3          4   PCI-MSIX-0000:00:03.0   1-edge      virtio1-input.0
             26:          0          0          7          9   PCI-MSIX-0000:00:04.0   2-edge      ehci:usb1, uhci:usb2
            NMI:          0          0          0          0   Non-maskable interrupts
            ERR:          0

            """,
            "/proc/irq/0/smp_affinity_list": "0-7\n", "/proc/irq/5/smp_affinity_list": "0-7\n",
            "/proc/irq/25/smp_affinity_list": "0-7\n", "/proc/irq/25/effective_affinity_list": "4\n",
            "/proc/irq/26/smp_affinity_list": "0-3\n", "/proc/irq/default_smp_affinity": "1f\n",
            "/sys/devices/virtual/workqueue/cpumask": "0f\n",
        ])
        func add(_ pid: Int, _ tid: Int, _ name: String, _ cpus: String, _ cgroup: String, flags: Int = 0x40_0100) {
            files["/proc/\(pid)/task/\(tid)/status"] = status(name, cpus)
            files["/proc/\(pid)/task/\(tid)/stat"] = stat(tid, name, flags: flags)
            files["/proc/\(pid)/task/\(tid)/cgroup"] = "0::\(cgroup)\n"
            if pid == tid { files["/proc/\(pid)/stat"] = stat(pid, name, flags: flags) }
        }
        add(1, 1, "init", "0-3", "/")
        add(20, 20, "migration/5", "5", "/", flags: fixed)
        add(21, 21, "kswapd0", "0-7", "/", flags: movable)
        add(900, 900, "engine", "4-6", "/berth.slice/claims/run-a")
        add(900, 901, "engine) 2", "3", "/berth.slice/claims/run-a")
        add(950, 950, "child", "4-5", "/berth.slice/claims/run-a/in")
        add(801, 801, "stress", "0-5", "/berth.slice/a.scope")
        files["/proc/900/numa_maps"] = """
            7f00 default anon=10 dirty=10 N0=2 N1=8 kernelpagesize_kB=4
            7f01 default file=/lib/libc.so.6 mapped=50 N0=50 kernelpagesize_kB=4
            7f02 bind:1 file=/dev/hugepages/x huge dirty=2 N0=1 N1=1 kernelpagesize_kB=2048
            7f03 default file=/lib/libc.so.6 anon=3 dirty=3 mapped=3 N0=3 kernelpagesize_kB=4
            7f04 default file=/memfd:guest dirty=1 N1=1 kernelpagesize_kB=4
            7f05 default stack N9999999999999999999=1 N0=-1 Nx=1

            """
        return files
    }

    private static func verify(_ files: MapFiles, memory: Bool = false) -> (Observation, Verification) {
        let claims = [VerificationTests.claim()]
        let seen = Verifier(files: files, cgroupRoot: "/cg").observe(claims, readsMemory: memory)
        return (seen, Verification(claims, seen))
    }

    @Test("what is wrong on a machine is found, and nothing is written")
    func wholeMachine() {
        let files = Self.machine()
        let (seen, verification) = Self.verify(files, memory: true)
        #expect(
            verification.drifts.map(\.text) == [
                "process 801 (stress) of a.scope may run on CPUs 4-5, which only run:a may use",
                "thread 901 (engine) 2) of process 900 of run:a may run on CPU 3, which it does not have",
                "interrupt 0 (timer) may go to CPUs 4-7, which only run:a may use",
                "interrupt 25 (virtio1-input.0) may go to CPUs 4-7, which only run:a may use",
                "new interrupts may use CPU 4, which only run:a may use",
                "process 900 (engine) of run:a has 2068 kB on node 0",
            ])
        #expect(verification.threadCount == 7 && verification.fixedThreads == 1 && verification.keptOff == 1)
        #expect(verification.failures == [] && files.writes == [])
        #expect(seen.interrupts.map(\.number) == [0, 25, 26])
        #expect(seen.interrupts[1].counts == [4: 3, 5: 4] && seen.interrupts[1].effective == [4])
        #expect(seen.interrupts[2].name == "ehci:usb1, uhci:usb2")
        #expect(seen.memory.map(\.kilobytes) == [[0: 2_068, 1: 2_084]])
    }

    @Test(
        "an interrupt that the kernel does not let be moved is told by a write that changes nothing",
        arguments: [EIO, EPERM])
    func managed(_ error: Int32) {
        let files = Self.machine()
        files.refuse("/proc/irq/0/smp_affinity_list", errno: error)
        let (_, verification) = Self.verify(files)
        #expect(verification.managed.map(\.name) == ["timer"])
        #expect(!verification.drifts.contains { $0.text.contains("timer") })
    }

    @Test("processes that end while they are looked at are left out, and what cannot be read is named")
    func races() {
        let files = Self.machine()
        files.hide("/proc/801/task/801/stat", errno: ESRCH)
        files.hide("/proc/900/task", errno: ENOENT)
        files.hide("/proc/950/task/950/status", errno: EACCES)
        files["/proc/1/task/1/status"] = "Name:\tinit\n"
        files["/proc/interrupts"] = nil
        files.hide("/proc/900/numa_maps", errno: EACCES)
        let (seen, verification) = Self.verify(files, memory: true)
        #expect(seen.threads.map(\.tid) == [20, 21])
        #expect(
            verification.failures == [
                "/proc/1/task/1/status is not what the kernel's documentation says",
                "cannot read /proc/950/task/950/status: Permission denied",
                "cannot open /proc/interrupts: No such file or directory",
                "cannot read /proc/900/numa_maps: Permission denied",
            ])
        // Without names, every interrupt that has a mask counts.
        #expect(seen.interrupts.map(\.number) == [0, 5, 25, 26])
    }

    @Test("a machine of which nothing can be read gives a verification that says so")
    func nothing() {
        let (_, verification) = Self.verify(MapFiles())
        #expect(verification.drifts.map(\.kind) == ["missing", "partition"])
        #expect(verification.failures.count == 3)
    }

    @Test("no text that the kernel could give traps")
    func garbage() {
        let good = Self.machine().all
        let pieces = [
            "", " ", "\n", ":", "-", ",", "(", ")", "N0=", "=", "CPU", "99999999999999999999", "-1", "\u{FFFD}", "0::",
        ]
        for seed in UInt64(1)...150 {
            var random = SeededRandom(seed: seed)
            let files = Self.machine()
            for (path, text) in good where random.next() % 3 == 0 {
                var bytes = Array(text.utf8)
                for _ in 0..<(1 + random.next() % 4) {
                    let place = Int(random.next() % UInt64(bytes.count + 1))
                    let length = min(Int(random.next() % 6), bytes.count - place)
                    let piece = pieces[Int(random.next() % UInt64(pieces.count))]
                    bytes.replaceSubrange(place..<(place + length), with: piece.utf8)
                }
                files[path] = random.next() % 10 == 0 ? nil : String(decoding: bytes, as: UTF8.self)
            }
            let (seen, verification) = Self.verify(files, memory: true)
            #expect(seen.failures.count <= 16, "seed \(seed)")
            for drift in verification.drifts { #expect(!drift.text.isEmpty && !drift.fields.isEmpty, "seed \(seed)") }
            for shift in MaskShift.plan(off: CPUSet(4...7), housekeeping: [0], files: files) {
                #expect(MaskShift(text: shift.text) == shift, "seed \(seed)")
            }
        }
    }

    @Test("cgroup v1 has files of other names")
    func version1() {
        let files = MapFiles([
            "/sys/devices/system/cpu/online": "0-7\n", "/cpuset/cgroup.procs": "",
            "/cpuset/cpuset.effective_cpus": "0-7\n",
            "/cpuset/berth.slice/claims/run-a/cgroup.procs": "801\n",
            "/cpuset/berth.slice/claims/run-a/cpuset.effective_cpus": "4-6\n",
            "/cpuset/berth.slice/claims/run-a/cpuset.effective_mems": "1\n",
            "/proc/801/task/801/status": Self.status("x", "4-6"), "/proc/801/task/801/stat": Self.stat(801, "x"),
            "/proc/801/task/801/cgroup": "5:cpuset:/berth.slice/claims/run-a\n0::/other\n",
        ])
        var claim = VerificationTests.claim(exclusive: [4, 5, 6])
        claim.isolation = .cpuset
        claim.partitions = []
        let seen = Verifier(files: files, cgroupRoot: "/cpuset", isUnified: false).observe([claim])
        #expect(Verification([claim], seen).drifts == [] && seen.threads.count == 1)
    }

    @Test("the machine that runs the tests can be read")
    func ownMachine() {
        // CPUs that this machine does not have: nobody intrudes on them.
        let claim = VerificationTests.claim(cpus: [4_000], exclusive: [4_000], nodes: [], isolation: .affinity)
        let seen = Verifier(files: RealFiles()).observe([claim])
        #expect(Verification([claim], seen).drifts.allSatisfy { $0.kind == "offline" })
        #expect(seen.threadCount > 1)
    }

    @Test("CPUs that go offline and come back are reported, each change once")
    func hotplug() async throws {
        let path = "/sys/devices/system/cpu/online"
        let files = MapFiles([path: "0-7\n"])
        let sets = Mutex<[String]>([])
        var hotplug: CPUHotplug? = try CPUHotplug(files: files, interval: 5) { set in
            sets.withLock { $0.append(set.list) }
        }
        func reported(_ expected: [String]) async throws -> Bool {
            try await eventually { sets.withLock { $0 } == expected }
        }
        #expect(hotplug?.online == CPUSet(0...7))
        files[path] = "0-5,7\n"
        #expect(try await reported(["0-5,7"]))
        // A look that fails is no change.
        files[path] = "?\n"
        try await Task.sleep(for: .milliseconds(30))
        files[path] = "0-7\n"
        #expect(try await reported(["0-5,7", "0-7"]))
        #expect(hotplug?.online == CPUSet(0...7))
        hotplug = nil
        files[path] = "0\n"
        try await Task.sleep(for: .milliseconds(50))
        #expect(sets.withLock { $0.count } == 2)
    }
}
