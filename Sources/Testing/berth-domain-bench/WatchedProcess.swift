import Glibc

/// Another process, seen from outside.
struct WatchedProcess {
    let pid: Int32

    /// Seconds on a CPU of all its threads, those that ended included: the process's CPU clock, whose id is made as
    /// clock_getcpuclockid(3) makes it.
    var cpu: Double { seconds(clockid_t(bitPattern: UInt32(bitPattern: ~pid) << 3 | 2)) }

    /// Bytes that it made the kernel send to disk; nil where the kernel does not say.
    var written: Double? { field("write_bytes:", of: "io") }

    /// Resident memory at present and at most so far, in bytes.
    var memory: (now: Double, peak: Double) {
        ((field("VmRSS:", of: "status") ?? 0) * 1024, (field("VmHWM:", of: "status") ?? 0) * 1024)
    }

    private func field(_ name: String, of file: String) -> Double? {
        let descriptor = open("/proc/\(pid)/\(file)", O_RDONLY)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = read(descriptor, &bytes, bytes.count)
        let lines = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix(name) }) else { return nil }
        return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Double($0) }
    }
}
