/// Choices that differ from the EPA Orchestrator's; none is made unless the operator asks (EPA specification, section 7).
package struct EPAPolicy: OptionSet, Hashable, Sendable {
    /// The bits.
    package let rawValue: Int

    /// A policy of these bits.
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// `allocate_cores` keeps the holder's explicit CPUs and counts them in (item 20).
    package static let keepPins = EPAPolicy(rawValue: 1)
    /// A NUMA request takes free CPUs before those of an automatic grant (item 21).
    package static let preferFree = EPAPolicy(rawValue: 2)
    /// Cores are given whole where the count allows it; single CPUs go before a full core breaks (item 22).
    package static let wholeCores = EPAPolicy(rawValue: 4)
    /// Only online CPUs are given (item 24).
    package static let onlineOnly = EPAPolicy(rawValue: 8)

    /// The choices by the name of their option.
    package static let names: [(name: String, policy: EPAPolicy)] = [
        ("keep-pins", .keepPins), ("prefer-free", .preferFree), ("whole-cores", .wholeCores),
        ("online-only", .onlineOnly),
    ]
}
