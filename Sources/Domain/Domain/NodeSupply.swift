/// What of a NUMA node is set apart for functions, or what a function wants of one: counts of isolated CPUs and huge pages.
struct NUMAShare: Hashable, Sendable {
    var isolatedCPUs = 0
    /// Huge pages of 2 MiB.
    var pages2M = 0
    /// Huge pages of 1 GiB.
    var pages1G = 0

    var isEmpty: Bool { self == NUMAShare() }

    func fits(in other: NUMAShare) -> Bool {
        isolatedCPUs <= other.isolatedCPUs && pages2M <= other.pages2M && pages1G <= other.pages1G
    }

    static func -= (left: inout NUMAShare, right: NUMAShare) {
        left.isolatedCPUs -= right.isolatedCPUs
        left.pages2M -= right.pages2M
        left.pages1G -= right.pages1G
    }

    /// Each figure by its name in annotations and, after `berth-numa-<n>-`, in labels.
    fileprivate static let figures: [Figure] = [
        Figure(annotation: "isolated_cpus", label: "cpus", path: \.isolatedCPUs),
        Figure(annotation: "hugepages_2M", label: "hugepages-2M", path: \.pages2M),
        Figure(annotation: "hugepages_1G", label: "hugepages-1G", path: \.pages1G),
    ]

    fileprivate struct Figure: Sendable {
        let annotation: String
        let label: String
        let path: any WritableKeyPath<NUMAShare, Int> & Sendable
    }

    /// More than any machine has; sums stay far from the bounds of their type.
    fileprivate static let limit = 1 << 32
}

extension NUMAShare {
    /// What a function asks for in its annotations `isolated_cpus`, `hugepages_2M` and `hugepages_1G`: all of it of one NUMA
    /// node. Only the strategy LoadAware knows these.
    ///
    /// - Throws: ``RequirementError`` which names the key.
    init(annotations: [String: String]) throws(RequirementError) {
        for figure in Self.figures {
            let key = figure.annotation
            guard let text = annotations[key] else { continue }
            guard let number = Int(text), (0...Self.limit).contains(number) else {
                throw RequirementError(key: key, value: text, expected: "an integer of 0 or more")
            }
            self[keyPath: figure.path] = number
        }
    }
}

/// What each NUMA node of a node has set apart for functions, as its labels say: `berth-numa-0-cpus=6`,
/// `berth-numa-0-hugepages-2M=512`, `berth-numa-1-hugepages-1G=4`. `berth labels` prints them for a machine.
struct NodeSupply: Hashable, Sendable {
    /// By the number of the NUMA node, in their order.
    private(set) var shares: [NUMAShare] = []

    /// No machine has more NUMA nodes.
    private static let nodeLimit = 1024

    /// Reads labels; others, and those that cannot be read, do not count.
    init(labels: [String]) {
        var found: [Int: NUMAShare] = [:]
        for label in labels where label.hasPrefix("berth-numa-") {
            let sides = label.split(separator: "=", omittingEmptySubsequences: false)
            let name = sides[0].dropFirst("berth-numa-".count).split(
                separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, name.count == 2, let node = Int(name[0]), (0..<Self.nodeLimit).contains(node),
                let figure = NUMAShare.figures.first(where: { $0.label == name[1] }),
                let number = Int(sides[1]), (0...NUMAShare.limit).contains(number)
            else { continue }
            found[node, default: NUMAShare()][keyPath: figure.path] = number
        }
        shares = found.sorted { $0.key < $1.key }.map(\.value)
    }

    /// Gives one of the NUMA nodes' shares away: of those that have enough the one with the fewest CPUs, so that large gaps
    /// stay whole.
    ///
    /// - Returns: whether there was one.
    mutating func give(_ share: NUMAShare) -> Bool {
        let fitting = shares.indices.filter { share.fits(in: shares[$0]) }
        guard let chosen = fitting.min(by: { shares[$0].isolatedCPUs < shares[$1].isolatedCPUs }) else { return false }
        shares[chosen] -= share
        return true
    }
}
