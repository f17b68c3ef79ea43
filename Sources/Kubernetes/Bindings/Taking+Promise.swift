import Machine

extension Taking {
    /// What the family's promise asks for: a best fit. Equal fits go by canonical order.
    func promise() -> CPUSet? {
        switch demand.family {
        case .memoryBound: evenly()
        case .cpuBound: idleCores()
        case .ioBound: wholeCores()
        case .bestEffort: leastShared()
        }
    }

    /// The sockets in turns: idle cores first, then cores with a free CPU, and siblings once every core is used.
    private func evenly() -> CPUSet? {
        let usable = demand.exclusiveSockets ? sockets.filter(\.isFull) : sockets
        let firsts = usable.map { socket in
            (socket.cores.filter(\.isIdle) + socket.cores.filter { !$0.isIdle }).compactMap(\.free.first)
        }
        let siblings = usable.map { $0.cores.flatMap { $0.free.dropFirst() } }
        let taken = CPUSet((Self.inTurns(firsts) + Self.inTurns(siblings)).prefix(demand.count))
        return taken.count < demand.count ? nil : taken
    }

    /// The first of each list, then the second of each, and so on.
    private static func inTurns(_ lists: [[Int]]) -> [Int] {
        (0..<(lists.map(\.count).max() ?? 0)).flatMap { round in
            lists.compactMap { round < $0.count ? $0[round] : nil }
        }
    }

    /// One CPU of each of so many idle cores, on as few sockets as possible.
    private func idleCores() -> CPUSet? {
        take(demand.count) { socket in
            let cpus = socket.cores.filter(\.isIdle).compactMap(\.free.first)
            return Fit(room: cpus.count) { CPUSet(cpus.prefix($0)) }
        }
    }

    /// As few cores as possible, on as few sockets as possible; a part of a core that is in use before a part of an idle one.
    private func wholeCores() -> CPUSet? {
        take(demand.count) { socket in
            Fit(room: socket.cores.reduce(0) { $0 + $1.free.count }) { Self.pack($0, on: socket.cores) }
        } cost: { socket, count in
            let taken = Self.pack(count, on: socket.cores)
            return socket.cores.count { !$0.free.isDisjoint(with: taken) }
        }
    }

    /// One CPU: of an idle core, else one that nobody shares, else the one that the fewest share.
    private func leastShared() -> CPUSet? {
        let cores = sockets.flatMap(\.cores)
        let idle = cores.first(where: \.isIdle)?.free.first
        let unshared = cores.lazy.compactMap { $0.free.subtracting(node.shared).first }.first
        let cpu = idle ?? unshared ?? cores.flatMap(\.free).min { node.sharers(of: $0) < node.sharers(of: $1) }
        return cpu.map { CPUSet($0...$0) }
    }

    /// What one socket can give.
    private struct Fit {
        let room: Int
        let take: (Int) -> CPUSet
    }

    /// Takes `count` from the one socket where that costs least and leaves the least room; from the roomiest ones in turn
    /// where no single socket has enough.
    private func take(
        _ count: Int, from fit: (Socket) -> Fit, cost: (Socket, Int) -> Int = { _, _ in 0 }
    ) -> CPUSet? {
        let fits = sockets.map { (socket: $0, fit: fit($0)) }
        let single = fits.filter { $0.fit.room >= count }
        // The first of the best: `min` keeps the earlier of equals.
        let costs = single.map { (fit: $0.fit, cost: cost($0.socket, count)) }
        if let best = costs.min(by: { ($0.cost, $0.fit.room) < ($1.cost, $1.fit.room) }) {
            return best.fit.take(count)
        }
        var taken = CPUSet()
        let roomiest = fits.map(\.fit).enumerated().sorted {
            (-$0.element.room, $0.offset) < (-$1.element.room, $1.offset)
        }
        for (_, fit) in roomiest where taken.count < count {
            taken.formUnion(fit.take(min(count - taken.count, fit.room)))
        }
        return taken.count < count ? nil : taken
    }

    /// `count` CPUs of a socket's cores: whole cores as long as they fit, the largest first; then the rest from the
    /// smallest core that has it.
    private static func pack(_ count: Int, on cores: [Core]) -> CPUSet {
        var (taken, left) = (CPUSet(), count)
        var rest: [Core] = []
        let largest = cores.enumerated().sorted {
            (-$0.element.free.count, $0.element.isIdle ? 0 : 1, $0.offset)
                < (-$1.element.free.count, $1.element.isIdle ? 0 : 1, $1.offset)
        }
        for (_, core) in largest {
            if core.free.count <= left {
                taken.formUnion(core.free)
                left -= core.free.count
            } else {
                rest.append(core)
            }
        }
        // Each of these has more than is left. The smallest that is in use, else an idle one.
        if left > 0, let core = rest.last(where: { !$0.isIdle }) ?? rest.first {
            taken.formUnion(core.free.lowest(left))
        }
        return taken
    }
}
