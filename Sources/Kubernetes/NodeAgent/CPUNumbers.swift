import HostClient

/// Lists of CPUs as texts, `2-3,8`.
enum CPUNumbers {
    /// Whether two lists have the same CPUs.
    static func areSame(_ one: String, _ other: String) -> Bool {
        one == other || Set(CPUList(one).numbers) == Set(CPUList(other).numbers)
    }

    /// The list of these CPUs.
    static func list(_ cpus: some Sequence<Int>) -> String {
        var parts: [String] = []
        var run: ClosedRange<Int>?
        func end(_ run: ClosedRange<Int>) {
            parts.append(run.count == 1 ? "\(run.lowerBound)" : "\(run.lowerBound)-\(run.upperBound)")
        }
        for cpu in Set(cpus).sorted() {
            if let last = run, last.upperBound + 1 == cpu {
                run = last.lowerBound...cpu
            } else {
                if let run { end(run) }
                run = cpu...cpu
            }
        }
        if let run { end(run) }
        return parts.joined(separator: ",")
    }
}
