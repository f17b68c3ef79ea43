import Machine

/// A change to masks of interrupts or workqueues that takes CPUs out of them.
package struct MaskShift: Equatable, Sendable {
    /// The change as a line of text.
    package var text: String

    /// The change that `text` describes; nil where it describes none.
    package init?(text: String) { return nil }

    /// What keeps interrupts and unbound kernel work away from `off`.
    package static func plan(off: CPUSet, housekeeping: CPUSet, files: any KernelFiles) -> [MaskShift] { [] }

    /// Takes the CPUs out of the masks.
    ///
    /// - Throws: ``EnforcementError`` with the kernel's reason.
    package func apply(_ files: any KernelFiles) throws(EnforcementError) {}

    /// Gives the CPUs back to the masks.
    ///
    /// - Throws: ``EnforcementError`` with the kernel's reason.
    package func undo(_ files: any KernelFiles) throws(EnforcementError) {}
}
