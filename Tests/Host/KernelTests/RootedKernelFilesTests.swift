import CLinux
import Glibc
import Kernel
import Ledger
import Machine
import Service
import TestSupport
import Testing

/// The real files.
@Suite struct RootedKernelFilesTests {
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
