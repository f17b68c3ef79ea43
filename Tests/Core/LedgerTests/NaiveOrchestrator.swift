/// The EPA specification's section 3 once more, as plainly as it can be written: sets, dictionaries and loops, no claims, no
/// indexes. The ledger must agree with it on everything that a client can see.
struct NaiveOrchestrator {
    struct Refused: Error, Equatable {}

    var isolated: Set<Int>
    var nodes: [Int: Set<Int>]
    var siblings: [Int: Set<Int>]
    /// All CPUs that a service holds, and those of them that are explicit.
    var allocations: [String: Set<Int>] = [:]
    var explicit: [String: Set<Int>] = [:]
    var pages: [String: [[Int]: Int]] = [:]

    func others(_ service: String) -> Set<Int> {
        allocations.filter { $0.key != service }.values.reduce(into: []) { $0.formUnion($1) }
    }

    mutating func store(_ service: String, _ all: Set<Int>, _ pinned: Set<Int>) {
        allocations[service] = all.isEmpty ? nil : all
        explicit[service] = pinned.isEmpty ? nil : pinned
    }

    mutating func allocate(_ service: String, _ count: Int) throws -> Set<Int> {
        if isolated.isEmpty { throw Refused() }
        let pool = isolated.subtracting(others(service)).sorted()
        var wanted = count
        if count == 0 { wanted = pool.count > 100 ? pool.count - 16 : Int(0.8 * Double(pool.count)) }
        if wanted > pool.count || wanted == 0 { throw Refused() }
        let chosen = Set(pool.prefix(wanted))
        store(service, chosen, [])
        return chosen
    }

    mutating func percent(_ service: String, _ percent: Int) throws -> Set<Int> {
        if isolated.isEmpty { throw Refused() }
        let exact = Double(isolated.count * percent) / 100
        return try allocate(service, Int(exact.rounded(.up)))
    }

    mutating func release(_ service: String) {
        store(service, [], [])
    }

    mutating func allocateNode(_ service: String, _ node: Int, _ count: Int) throws -> Set<Int> {
        guard let here = nodes[node], !here.isEmpty else { throw Refused() }
        let usable = isolated.intersection(here)
        if usable.isEmpty || count > usable.count { throw Refused() }
        var candidates = usable
        for (other, cpus) in explicit where other != service { candidates.subtract(cpus) }
        if candidates.count < count { throw Refused() }

        // Groups by sibling list, ordered by the lowest CPU.
        var byList: [Set<Int>: [Int]] = [:]
        for cpu in candidates { byList[(siblings[cpu] ?? [cpu]).intersection(candidates), default: []].append(cpu) }
        var groups = byList.values.map { $0.sorted() }.sorted { $0[0] < $1[0] }
        var chosen: [Int] = []
        for index in groups.indices where count - chosen.count >= 2 && groups[index].count >= 2 {
            chosen += groups[index].prefix(2)
            groups[index].removeFirst(2)
        }
        for index in groups.indices where count > chosen.count && !groups[index].isEmpty {
            chosen.append(groups[index].removeFirst())
        }
        for group in groups { chosen += group.prefix(max(0, count - chosen.count)) }

        let taken = Set(chosen)
        for (other, cpus) in allocations where other != service {
            store(other, cpus.subtracting(taken), (explicit[other] ?? []).subtracting(taken))
        }
        store(
            service, (allocations[service] ?? []).subtracting(here).union(taken),
            (explicit[service] ?? []).subtracting(here).union(taken))
        return taken
    }

    mutating func releaseNode(_ service: String, _ node: Int) throws {
        guard let here = nodes[node], !here.isEmpty else { throw Refused() }
        store(
            service, (allocations[service] ?? []).subtracting(here), (explicit[service] ?? []).subtracting(here))
    }

    mutating func reserve(_ service: String, _ key: [Int], _ count: Int, total: Int, free: Int) throws {
        let tracked = pages.values.compactMap { $0[key] }.reduce(0, +)
        let used = max(total - free, 0)
        let left = tracked > 0 ? max(free - max(tracked - used, 0), 0) : free
        let more = count - (pages[service]?[key] ?? 0)
        if more > 0 && more > left { throw Refused() }
        pages[service, default: [:]][key] = count
    }

    mutating func removePages(_ service: String, _ key: [Int]) {
        pages[service]?[key] = nil
        if pages[service]?.isEmpty == true { pages[service] = nil }
    }
}
