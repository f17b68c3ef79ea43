import Domain

/// What is known of the age of series beyond what Redis holds.
struct SeriesAges: Sendable {
    /// By how much the clock that stamps a component's figures is ahead of ours, in milliseconds, by its last report.
    var leads: [ComponentID: Int] = [:]
    /// Since when a component with figures is not, or no more, the domain's, in milliseconds since 1970.
    var strangers: [ComponentID: Int] = [:]

    /// Keeps the newest time of a component in a report.
    static func note(_ leads: inout [ComponentID: Int], _ component: ComponentID, at seconds: Int64, now: Int) {
        // Beyond this no clock is meant, and the arithmetic stays within bounds.
        let lead = Int(seconds.clamped(to: 0...100_000_000_000)) * 1000 - now
        if leads[component].map({ $0 < lead }) ?? true { leads[component] = lead }
    }
}

/// How long figures stay: domain specification, section 5.5.
extension Mirror {
    /// The most members of one series.
    static let seriesLimit = 100_000
    /// How long figures of a component stay after its end where nothing else removes them, in milliseconds.
    static let strangerGrace = 3_600_000

    /// The beginnings of keys that ``retire(_:at:retention:)`` is to be asked of.
    package static let seriesPrefixes = ["node:health:", "performance:"]

    /// What kind of value a key of a series has; nil for a key that is none.
    package func type(ofSeries key: String) -> String? {
        switch SeriesKey(key) {
        case .health: schema == .seed ? "string" : "zset"
        case .component: "zset"
        case .seedList: "list"
        case nil: nil
        }
    }

    /// The commands that remove what is too old of these series, by the clock that stamped it, and series of components that
    /// ended long ago.
    ///
    /// - Parameters:
    ///   - keys: the series that there are.
    ///   - time: now, in milliseconds since 1970.
    ///   - retention: how old figures may be, in milliseconds; 0 for as old as they like.
    package mutating func retire(_ keys: [String], at time: Int, retention: Int) -> [RedisCommand] {
        let own = Set(records.instances.values.compactMap(\.physical?.component))
        var present: Set<ComponentID> = []
        var commands: [RedisCommand] = []
        for key in keys {
            guard let series = SeriesKey(key) else { continue }
            switch series {
            case .health:
                guard schema != .seed else { continue }
                if retention > 0 { commands.append(Self.forget(key, before: time - retention)) }
                commands.append(Self.bound(key))
            case .component(let component), .seedList(let component):
                present.insert(component)
                let isOwn = own.contains(component)
                let since = isOwn ? nil : self.series.strangers[component] ?? time
                self.series.strangers[component] = since
                if let since, time - since >= max(retention, Self.strangerGrace) {
                    commands.append(.delete(key))
                    continue
                }
                let oldest = retention > 0 ? time + (self.series.leads[component] ?? 0) - retention : nil
                if case .seedList = series {
                    commands.append(Self.trim(key, before: oldest))
                } else {
                    if let oldest { commands.append(Self.forget(key, before: oldest)) }
                    commands.append(Self.bound(key))
                }
            }
        }
        self.series.strangers = self.series.strangers.filter { present.contains($0.key) }
        self.series.leads = self.series.leads.filter { own.contains($0.key) || present.contains($0.key) }
        return commands
    }

    private static func bound(_ key: String) -> RedisCommand {
        RedisCommand("ZREMRANGEBYRANK", key, "0", "-\(seriesLimit + 1)")
    }

    private static func forget(_ key: String, before time: Int) -> RedisCommand {
        RedisCommand("ZREMRANGEBYSCORE", key, "-inf", "(" + NumberText.plain(Double(time) / 1000))
    }

    /// The script that trims a list of the seed's schema: the key is the list; the arguments the oldest time that stays, in
    /// seconds, and minus how many entries at most.
    package static let trimScript = """
        local oldest = tonumber(ARGV[1])
        for _ = 1, 100000 do
          local entry = redis.call('LINDEX', KEYS[1], 0)
          local time = entry and tonumber(string.match(entry, ',([^,]*)$'))
          if not entry or (time and time >= oldest) then break end
          redis.call('LPOP', KEYS[1])
        end
        redis.call('LTRIM', KEYS[1], ARGV[2], -1)
        """

    /// The seed's lists have the time inside their entries, the oldest first.
    private static func trim(_ key: String, before time: Int?) -> RedisCommand {
        let oldest = time.map { NumberText.plain(Double($0) / 1000) } ?? "-1e18"
        return RedisCommand("EVAL", trimScript, "1", key, oldest, "-\(seriesLimit)")
    }
}

/// What a key of a series speaks of.
private enum SeriesKey {
    case health
    case component(ComponentID)
    case seedList(ComponentID)

    init?(_ key: String) {
        if key.hasPrefix("node:health:") {
            self = .health
            return
        }
        let parts = key.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "performance" else { return nil }
        if let component = ComponentID(String(parts[1])) {
            self = .component(component)
        } else if PerformanceSamples.Metric(rawValue: String(parts[1])) != nil,
            let component = ComponentID(String(parts[2]))
        {
            self = .seedList(component)
        } else {
            return nil
        }
    }
}

extension Comparable {
    fileprivate func clamped(to range: ClosedRange<Self>) -> Self { min(max(self, range.lowerBound), range.upperBound) }
}
