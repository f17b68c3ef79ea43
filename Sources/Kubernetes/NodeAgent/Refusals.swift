import KubernetesClient

/// What the daemon has refused, until something has changed and it is asked again.
package struct Refusals: Sendable {
    private struct Entry {
        var refusal: PodSituation.Refusal
        /// How often in a row.
        var count: Int
        /// Whether something has changed since, so that asking again makes sense.
        var isOutdated = false
    }

    private var entries: [ObjectKey: Entry] = [:]
    /// How often something has changed; told to ``note(_:of:asked:)``.
    package private(set) var changes = 0

    /// Nothing was refused.
    package init() {}

    /// What was refused for a pod, where nothing has changed since.
    package subscript(pod: ObjectKey) -> PodSituation.Refusal? {
        entries[pod].flatMap { $0.isOutdated ? nil : $0.refusal }
    }

    /// The daemon has refused this.
    ///
    /// - Parameters:
    ///   - changes: ``changes`` before it was asked.
    ///   - isOfKernel: whether the daemon has agreed, and the kernel has not: that may work later, and nobody says when.
    /// - Returns: whether that was not known, and when to ask again: where the kernel has refused, and where something has
    ///   changed while the daemon was asked, which may have refused before that.
    package mutating func note(
        _ refusal: PodSituation.Refusal, of pod: ObjectKey, asked changes: Int, isOfKernel: Bool = false
    ) -> (isNews: Bool, retry: Duration?) {
        let last = entries[pod]
        let count = (last?.refusal.wish == refusal.wish ? last?.count ?? 0 : 0) + 1
        let isOutdated = changes != self.changes
        entries[pod] = Entry(refusal: refusal, count: count, isOutdated: isOutdated)
        let later = isOfKernel ? min(Duration.seconds(1 << min(count - 1, 6)), .seconds(60)) : nil
        return (last?.refusal != refusal, isOutdated ? Self.delay(after: count) : later)
    }

    /// What was refused for a pod is to be asked for again.
    package mutating func outdate(_ pod: ObjectKey) { entries[pod]?.isOutdated = true }

    /// The daemon has done what was asked for.
    package mutating func forget(_ pod: ObjectKey) { entries[pod] = nil }

    /// Something has changed on the machine: what was refused may be granted now.
    ///
    /// - Parameter pods: those that are looked at anyway.
    /// - Returns: the pods to ask again for, in order, each later the oftener it was refused in a row.
    package mutating func outdate(except pods: Set<ObjectKey>) -> [(pod: ObjectKey, delay: Duration)] {
        changes += 1
        return entries.keys.sorted().filter { !pods.contains($0) }.map { pod in
            entries[pod]?.isOutdated = true
            return (pod, Self.delay(after: entries[pod]?.count ?? 0))
        }
    }

    private static func delay(after count: Int) -> Duration {
        count < 2 ? .zero : min(.milliseconds(100 << min(count - 2, 10)), .seconds(60))
    }
}
