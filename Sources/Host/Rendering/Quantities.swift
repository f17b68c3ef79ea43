import Machine

/// Numbers in words for people.
package enum Quantity {
    /// `1 CPU`, `3 CPUs`.
    package static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    /// `CPU 2`, `CPUs 2-5`.
    package static func cpus(_ cpus: CPUSet) -> String { "CPU\(cpus.count == 1 ? "" : "s") \(cpus.list)" }

    /// A page size as the kernel's options spell it: `2M`, `1G`, `64K`.
    package static func pageSize(kilobytes: Int) -> String {
        if kilobytes > 0, kilobytes % (1 << 20) == 0 { return "\(kilobytes >> 20)G" }
        if kilobytes > 0, kilobytes % (1 << 10) == 0 { return "\(kilobytes >> 10)M" }
        return "\(kilobytes)K"
    }

    /// Bytes in the largest binary unit that leaves at least 1, to one decimal where that says more: `64 GiB`.
    static func bytes(_ bytes: Int) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var unit = 0
        var divisor = 1
        while unit + 1 < units.count, bytes / divisor >= 1024 {
            divisor *= 1024
            unit += 1
        }
        let (whole, rest) = bytes.quotientAndRemainder(dividingBy: divisor)
        let tenth = Int(Double(rest) / Double(divisor) * 10)
        return tenth == 0 || whole >= 100 ? "\(whole) \(units[unit])" : "\(whole).\(tenth) \(units[unit])"
    }
}
