/// What a binding withdraws from everybody else, as `spec.exclusivenessLevel` spells it.
///
/// The pod is confined to the binding's CPUs whatever the level.
package enum ExclusivenessLevel: String, Sendable, Hashable, CaseIterable {
    /// Nothing: the CPUs may be shared.
    case none = "None"
    /// The CPUs of the binding.
    case cpu = "CPU"
    /// Every CPU of the cores that the binding touches.
    case core = "Core"
    /// Every CPU of the sockets that the binding touches.
    case socket = "Socket"
    /// Every CPU of the NUMA nodes that the binding touches.
    case numa = "NUMA"
}
