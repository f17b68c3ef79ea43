import Synchronization

/// What the controllers count.
package final class ControllerMetrics: Sendable {
    /// A count of reconciliations.
    package struct Reconciliations: Hashable, Sendable {
        /// The controller.
        package let controller: String
        /// Whether they went well.
        package let isGood: Bool
    }

    private let counts = Mutex<[Reconciliations: Int]>([:])

    /// Nothing was counted yet.
    package init() {}

    func reconciled(_ controller: String, isGood: Bool) {
        counts.withLock { $0[Reconciliations(controller: controller, isGood: isGood), default: 0] += 1 }
    }

    /// The counts since the start.
    package var reconciliations: [Reconciliations: Int] { counts.withLock { $0 } }
}
