import WireJSON

/// The kinds that are served.
struct Registry: Sendable {
    private var types: [String: ResourceType] = [:]
    private(set) var all: [ResourceType] = []

    init() {
        for type in BuiltinResources.all { add(type) }
    }

    private static func key(_ group: String, _ version: String, _ plural: String) -> String {
        "\(group)/\(version)/\(plural)"
    }

    mutating func add(_ type: ResourceType) {
        let key = Self.key(type.group, type.version, type.plural)
        if types.updateValue(type, forKey: key) != nil {
            all.removeAll { $0.group == type.group && $0.version == type.version && $0.plural == type.plural }
        }
        all.append(type)
    }

    /// Removes the custom resources of this name.
    mutating func removeCustom(_ storage: String) {
        for type in all where type.storage == storage && type.isCustom {
            types[Self.key(type.group, type.version, type.plural)] = nil
        }
        all.removeAll { $0.storage == storage && $0.isCustom }
    }

    func type(_ group: String, _ version: String, _ plural: String) -> ResourceType? {
        types[Self.key(group, version, plural)]
    }

    /// One kind of those that share a storage.
    func type(storage: String) -> ResourceType? { all.first { $0.storage == storage } }

    /// The groups with their versions, in order.
    var groups: [(group: String, versions: [String])] {
        var found: [(group: String, versions: [String])] = []
        for type in all {
            if let index = found.firstIndex(where: { $0.group == type.group }) {
                if !found[index].versions.contains(type.version) { found[index].versions.append(type.version) }
            } else {
                found.append((type.group, [type.version]))
            }
        }
        return found
    }
}
