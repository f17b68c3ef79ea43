/// Reads `/proc/interrupts`.
enum InterruptTable {
    /// One interrupt.
    struct Row: Equatable {
        /// What handles it; several handlers joined by `, `.
        var name: String
        /// How often it came, by CPU.
        var counts: [Int: Int]
    }

    static let path = "/proc/interrupts"

    /// The interrupts that have a number, with their counts on `cpus`.
    static func rows(_ text: String, cpus: some Sequence<Int>) -> [Int: Row] {
        let wanted = Set(cpus)
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"))[...]
        // A column for each CPU that is online: `CPU0 CPU1 …`.
        let header = (lines.popFirst() ?? Substring("").utf8).split(separator: UInt8(ascii: " "))
        let columns = header.map { $0.starts(with: "CPU".utf8) ? Int(Substring($0.dropFirst(3))) : nil }
        var rows: [Int: Row] = [:]
        for line in lines {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
                let irq = Int(Substring(line[..<colon].drop { $0 == UInt8(ascii: " ") }))
            else { continue }
            var rest = line[line.index(after: colon)...]
            var counts: [Int: Int] = [:]
            for cpu in columns {
                rest = rest.drop { $0 == UInt8(ascii: " ") }
                let word = rest.prefix { $0 != UInt8(ascii: " ") }
                rest = rest.dropFirst(word.count)
                if let cpu, wanted.contains(cpu), let count = Int(Substring(word)), count >= 0 { counts[cpu] = count }
            }
            rows[irq] = Row(name: name(rest), counts: counts)
        }
        return rows
    }

    /// The handlers at the end of a row, after the controller's columns, which end with at least two spaces.
    private static func name(_ rest: Substring.UTF8View) -> String {
        let space = UInt8(ascii: " ")
        var start = rest.endIndex
        while start > rest.startIndex {
            let before = rest.index(before: start)
            if rest[before] == space, before > rest.startIndex, rest[rest.index(before: before)] == space { break }
            start = before
        }
        return String(Substring(rest[start...]))
    }
}

/// Reads `/proc/PID/numa_maps`.
enum NodeMemory {
    /// The memory in kB by node, without that of ordinary files: who reads them first brings them in, and all share them.
    static func kilobytes(_ text: String) -> [Int: Int] {
        var sums: [Int: Int] = [:]
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            var pages: [(node: Int, count: Int)] = []
            var pageSize = 4
            var anonymous = 0
            var isFile = false
            var isHuge = false
            for word in line.split(separator: UInt8(ascii: " ")).dropFirst(2) {
                if word.first == UInt8(ascii: "N"), let (node, count) = assignment(word.dropFirst()) {
                    if let node = Int(node), node >= 0 { pages.append((node, count)) }
                } else if word.starts(with: "file=".utf8) {
                    isFile = !isMemory(word.dropFirst(5))
                } else if word.elementsEqual("huge".utf8) {
                    isHuge = true
                } else if let (name, value) = assignment(word) {
                    if name == "kernelpagesize_kB" { pageSize = value }
                    if name == "anon" { anonymous = value }
                }
            }
            // A file's private copies count where they are all that there is of it.
            guard !isFile || isHuge || anonymous == pages.reduce(0, { $0 &+ $1.count }) else { continue }
            for (node, count) in pages { sums[node, default: 0] &+= count &* pageSize }
        }
        return sums
    }

    /// `NAME=NUMBER`.
    private static func assignment(_ word: Substring.UTF8View) -> (name: Substring, value: Int)? {
        guard let sign = word.firstIndex(of: UInt8(ascii: "=")),
            let value = Int(Substring(word[word.index(after: sign)...])), value >= 0
        else { return nil }
        return (Substring(word[..<sign]), value)
    }

    /// Whether a mapping of this name is memory and no file on a disk.
    private static func isMemory(_ path: Substring.UTF8View) -> Bool {
        ["/memfd:", "/dev/shm/", "/SYSV", "/dev/zero", "/anon_hugepage", "/dev/hugepages"].contains {
            path.starts(with: $0.utf8)
        }
    }
}
