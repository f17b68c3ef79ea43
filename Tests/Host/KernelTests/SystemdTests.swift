import CLinux
import Glibc
import Kernel
import Ledger
import Machine
import Service
import Synchronization
import TestSupport
import Testing

@Suite("Beside systemd, and the real files")
struct SystemdTests {
    @Test("where systemd runs, it sets the slice's CPUs, and its cgroups are neither made nor removed")
    func slice() throws {
        for (kernel, isolated) in [
            (FakeCgroups.Kernel.linux61, CPUSet()), (.linux612, CPUSet()), (.linux612, CPUSet(4...15)),
        ] {
            let files = FakeCgroups(kernel, isolated: isolated)
            let calls = Mutex<[String]>([])
            var test = TestKernel(files, settings: KernelSettings(hasSystemd: true)) {
                unit, cpus throws(EnforcementError) in
                calls.withLock { $0.append("\(unit) \(cpus.list)") }
                // An empty AllowedCPUs leaves the file as it is.
                if !cpus.isEmpty { files.poke(cpus.list, to: "/\(unit)/cpuset.cpus") }
            }
            #expect(throws: EnforcementError("systemd has not made /berth.slice: is the unit active?")) {
                try test.enforce(TestKernel.claim("a", [4, 5]))
            }
            files.addGroup("/berth.slice")
            files.addGroup("/berth.slice/berth-claims.service")
            let before = files.snapshot
            try test.enforce(TestKernel.claim("a", [4, 5]))
            try test.enforce(TestKernel.claim("b", [6], isBalanced: false))
            #expect(files.file("/berth.slice/berth-claims.service/run-a/cpuset.cpus.effective") == "4-5\n")
            #expect(files.file("/cpuset.cpus.effective") == "0-3,7-15\n")
            try test.release("a")
            try test.verify("b")
            try test.release("b")
            #expect(files.snapshot == before)
            #expect(
                calls.withLock { $0 } == ["berth.slice 4-5", "berth.slice 4-6", "berth.slice 6", "berth.slice "])
        }
    }

    @Test("systemctl is called with the property, and an answer that is an error or late is one")
    func systemctl() throws {
        let directory = try TemporaryDirectory()
        func script(_ text: String) throws -> String {
            let path = directory.path + "/systemctl"
            let file: UnsafeMutablePointer<FILE>? = fopen(path, "w")
            try #require(file != nil)
            fputs("#!/bin/sh\n\(text)\n", file)
            fclose(file)
            chmod(path, 0o755)
            return path
        }
        var program = try script("echo \"$@\" > \(directory.path)/arguments")
        try Systemctl(program: program).setAllowedCPUs(of: "berth.slice", [4, 5])
        #expect(
            try readText(directory.path + "/arguments") == "set-property --runtime berth.slice AllowedCPUs=4-5\n")
        program = try script("exit 4")
        let command = "\(program) set-property --runtime berth.slice AllowedCPUs="
        #expect(throws: EnforcementError("\(command): exit status 4")) {
            try Systemctl(program: program).setAllowedCPUs(of: "berth.slice", [])
        }
        program = try script("exec sleep 60")
        #expect(throws: EnforcementError("\(command) took longer than 50 ms")) {
            try Systemctl(program: program, deadline: 50).setAllowedCPUs(of: "berth.slice", [])
        }
        #expect(throws: EnforcementError.self) {
            try Systemctl(program: directory.path + "/none").setAllowedCPUs(of: "berth.slice", [])
        }
    }

    @Test("the real files: reads, one write, directories, and the kernel's errno")
    func realFiles() throws {
        let directory = try TemporaryDirectory()
        let files = RootedKernelFiles(root: directory.path + "/")
        try files.makeDirectory("/a")
        #expect(throws: SystemError("make /a", errno: EEXIST)) { try files.makeDirectory("/a") }
        #expect(throws: SystemError("write 4-7 to /a/cpus", errno: ENOENT)) { try files.write("4-7\n", to: "/a/cpus") }
        #expect(throws: SystemError("open /a/cpus", errno: ENOENT)) { try files.read("/a/cpus") }
        fclose(fopen(directory.path + "/a/cpus", "w"))
        try files.write("0-3,8\n", to: "/a/cpus")
        try files.write("4-7\n", to: "/a/cpus")
        #expect(try files.read("/a/cpus") == "4-7\n" && files.entries("/a") == ["cpus"])
        #expect(throws: SystemError("remove /a", errno: ENOTEMPTY)) { try files.removeDirectory("/a") }
        #expect(throws: SystemError("list /b", errno: ENOENT)) { try files.entries("/b") }
        #expect(try RootedKernelFiles().read("/proc/self/mountinfo").contains(" / "))
    }

    @Test("the affinity of this thread can be set by its id")
    func setAffinity() throws {
        // To what it is already.
        let text = try RootedKernelFiles().read("/proc/thread-self/status")
        let lines = text.split(separator: "\n")
        let list = try #require(lines.first { $0.hasPrefix("Cpus_allowed_list:") }).dropFirst(
            "Cpus_allowed_list:".count)
        let id = try #require(lines.first { $0.hasPrefix("Pid:") }).split(whereSeparator: \.isWhitespace).last
        let thread = try #require(Int(id ?? ""))
        try SystemProcessControl().setAffinity(thread, try CPUSet(list: list))
        #expect(throws: SystemError.self) { try SystemProcessControl().setAffinity(thread, CPUSet()) }
        #expect(throws: SystemError.self) { try SystemProcessControl().setAffinity(0, [0]) }
        #expect(clinux_set_affinity(-1, [1], 1) == -1 && errno == EINVAL || errno == ESRCH)
    }
}
