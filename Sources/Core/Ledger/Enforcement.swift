/// What the kernel is to enforce for a claim, and how far that is.
///
/// A claim is committed as preparing, with the undo of each step, before the first step is taken; it is active once the
/// kernel was read back, and releasing from the moment at which it is given up until everything is undone.
package struct Enforcement: Equatable, Sendable {
    /// How far the kernel follows the claim.
    package enum Phase: String, Sendable {
        /// Steps are being applied; the holder has no answer yet.
        case preparing
        /// The kernel does what the claim says.
        case active
        /// Steps are being undone; the CPUs are not free yet.
        case releasing
    }

    /// How far the kernel follows.
    package var phase: Phase
    /// Tells it from earlier and later ones of the same holder.
    package var id: Int
    /// The steps that are, or may have been, applied, in order.
    package var steps: [EnforcementStep]
    /// Why the last attempt to enforce or to undo failed; nil where none did.
    package var failure: String?

    /// An enforcement in `phase`.
    package init(phase: Phase, id: Int = 0, steps: [EnforcementStep] = [], failure: String? = nil) {
        self.phase = phase
        self.id = id
        self.steps = steps
        self.failure = failure
    }
}

/// One change to the kernel and its undo, as values that the module which carries them out understands.
package struct EnforcementStep: Equatable, Sendable {
    /// What is to be done.
    package let action: String
    /// What takes it back.
    package let undo: String

    /// A step.
    package init(action: String, undo: String) {
        self.action = action
        self.undo = undo
    }
}
