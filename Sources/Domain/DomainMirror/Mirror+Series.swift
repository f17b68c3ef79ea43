import Domain

/// Information about the age of series that Redis does not hold.
struct SeriesAges: Sendable {
    /// How far the clock of each component is ahead of ours, in milliseconds, from its last report.
    var leads: [ComponentID: Int] = [:]
    /// When a component with series was first found not to belong to the domain, in milliseconds since 1970.
    var unowned: [ComponentID: Int] = [:]

    /// Updates a component's clock from a report.
    static func note(_ leads: inout [ComponentID: Int], _ component: ComponentID, at seconds: Int64, now: Int) {
        // Later times are not plausible, and would overflow.
        let lead = Int(seconds.clamped(to: 0...100_000_000_000)) * 1000 - now
        if leads[component].map({ $0 < lead }) ?? true { leads[component] = lead }
    }
}

/// Trimming of series: domain specification, section 5.5.
extension Mirror {
    /// The maximum number of entries in a series.
    static let seriesLimit = 100_000
    /// How long the series of an ended component are kept without a retention, in milliseconds.
    static let unownedGracePeriod = 3_600_000

    /// The prefixes of the keys for ``trim(_:at:retention:)``.
    package static let seriesPrefixes = ["node:health:", "performance:"]

    /// The Redis type of a series; nil for other keys.
    package func type(ofSeries key: String) -> String? {
        switch SeriesKey(key) {
        case .health: schema == .seed ? "string" : "zset"
        case .component: "zset"
        case .seedList: "list"
        case nil: nil
        }
    }

    /// The commands that remove old entries from these series, by the clock that stamped them, and the series of
    /// components that ended long ago.
    ///
    /// - Parameters:
    ///   - keys: the existing series.
    ///   - time: the current time, in milliseconds since 1970.
    ///   - retention: the maximum age of samples in milliseconds; 0 for no limit.
    package mutating func trim(_ keys: [String], at time: Int, retention: Int) -> [RedisCommand] {
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
                let since = isOwn ? nil : self.series.unowned[component] ?? time
                self.series.unowned[component] = since
                if let since, time - since >= max(retention, Self.unownedGracePeriod) {
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
        self.series.unowned = self.series.unowned.filter { present.contains($0.key) }
        self.series.leads = self.series.leads.filter { own.contains($0.key) || present.contains($0.key) }
        return commands
    }

    private static func bound(_ key: String) -> RedisCommand {
        RedisCommand("ZREMRANGEBYRANK", key, "0", "-\(seriesLimit + 1)")
    }

    private static func forget(_ key: String, before time: Int) -> RedisCommand {
        RedisCommand("ZREMRANGEBYSCORE", key, "-inf", "(" + NumberText.plain(Double(time) / 1000))
    }

    /// The script that trims a list of the seed schema. Key: the list. Arguments: the oldest time to keep in seconds,
    /// and the negated maximum number of entries.
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

    /// Lists of the seed schema contain the time in each entry, oldest first.
    private static func trim(_ key: String, before time: Int?) -> RedisCommand {
        let oldest = time.map { NumberText.plain(Double($0) / 1000) } ?? "-1e18"
        return RedisCommand("EVAL", trimScript, "1", key, oldest, "-\(seriesLimit)")
    }
}

/// The meaning of a series key.
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
