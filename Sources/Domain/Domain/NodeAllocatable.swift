/// Isolated CPUs and huge pages of a NUMA node: set aside by a node, or requested by a function.
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

    /// The annotation and the label suffix (after `berth-numa-<n>-`) of each figure.
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

    /// More than any machine has, and far below the limits of Int.
    fileprivate static let limit = 1 << 32
}

extension NUMAShare {
    /// What a function requests in its annotations `isolated_cpus`, `hugepages_2M` and `hugepages_1G`, all of it from
    /// one NUMA node. Only the LoadAware strategy reads them.
    ///
    /// - Throws: ``RequirementError`` that names the key.
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

/// What each NUMA node of a node sets aside for functions, from the node's labels: `berth-numa-0-cpus=6`,
/// `berth-numa-0-hugepages-2M=512`, `berth-numa-1-hugepages-1G=4`. `berth topology labels` prints them for a machine.
struct NodeAllocatable: Hashable, Sendable {
    /// By NUMA node number.
    private(set) var shares: [NUMAShare] = []

    /// More NUMA nodes than any machine has.
    private static let nodeLimit = 1024

    /// Parses labels; others, and malformed ones, are ignored.
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

    /// Allocates a share from the fitting NUMA node with the fewest CPUs (best fit).
    ///
    /// - Returns: whether one had enough.
    mutating func allocate(_ share: NUMAShare) -> Bool {
        let fitting = shares.indices.filter { share.fits(in: shares[$0]) }
        guard let chosen = fitting.min(by: { shares[$0].isolatedCPUs < shares[$1].isolatedCPUs }) else { return false }
        shares[chosen] -= share
        return true
    }
}
