import Glibc
import Ledger
import Machine
import Service

/// One change to CPU masks that several claims share: an interrupt's, that of interrupts to come, that of the unbound kernel
/// workqueues.
///
/// It is a difference, never a whole mask: some CPUs leave, and others come where none would be left. So the shifts of several
/// claims are applied and undone in any order, as often as one likes, and every mask is in the end what it was. A mask that
/// somebody else has changed meanwhile is left to them.
package struct MaskShift: Equatable, Sendable {
    /// What has a mask.
    package enum Target: Equatable, Sendable {
        /// Interrupts by their numbers, ascending (`/proc/irq/N/smp_affinity_list`).
        case interrupts([Int])
        /// Interrupts that are set up from now on (`/proc/irq/default_smp_affinity`).
        case newInterrupts
        /// Unbound kernel workqueues (`/sys/devices/virtual/workqueue/cpumask`).
        case workqueues
    }

    /// Whose masks.
    package let target: Target
    /// The CPUs that leave the mask; never empty.
    package let removed: CPUSet
    /// The CPUs that come in their place, where nothing else would be left.
    package let added: CPUSet

    /// A shift; nil where nothing is removed, no interrupt is named, or a CPU is both removed and added.
    package init?(_ target: Target, removed: CPUSet, added: CPUSet = CPUSet()) {
        guard !removed.isEmpty, removed.isDisjoint(with: added), target != .interrupts([]) else { return nil }
        self.target = target
        self.removed = removed
        self.added = added
    }
}

// MARK: - Planning

extension MaskShift {
    /// What keeps interrupts and unbound workqueues off some CPUs, from the masks as they are now. Masks without these CPUs,
    /// and those that cannot be read, need nothing.
    ///
    /// - Parameters:
    ///   - off: the CPUs to be left alone.
    ///   - others: CPUs that other shifts keep free, also those that are only planned so far: they do not count as left.
    ///   - housekeeping: the CPUs that take over where a mask has no other CPU that is online.
    package static func plan(
        off: CPUSet, others: CPUSet = CPUSet(), housekeeping: CPUSet, files: any KernelFiles
    ) -> [MaskShift] {
        let online = Masks.online(files)
        func difference(_ path: String, _ form: Masks.Form) -> Difference? {
            guard let mask = try? Masks.read(path, form, files) else { return nil }
            let removed = mask.intersection(off)
            guard !removed.isEmpty else { return nil }
            let left = mask.subtracting(off).subtracting(others)
            let isEnough = online.map { !left.isDisjoint(with: $0) } ?? !left.isEmpty
            guard !isEnough else { return Difference(removed: removed, added: CPUSet()) }
            let usable = housekeeping.subtracting(off).subtracting(mask)
            return Difference(removed: removed, added: online.map { usable.intersection($0) } ?? usable)
        }
        var shifts: [MaskShift] = []
        // Those to come first, so that none is set up on the CPUs meanwhile.
        if let found = difference(Masks.newInterrupts, .hexadecimal) {
            shifts += [MaskShift(.newInterrupts, removed: found.removed, added: found.added)].compactMap(\.self)
        }
        var groups: [Difference: [Int]] = [:]
        for irq in interrupts(files) {
            if let found = difference(Masks.interrupt(irq), .list) { groups[found, default: []].append(irq) }
        }
        for (found, irqs) in groups.sorted(by: { ($0.value.first ?? 0) < ($1.value.first ?? 0) }) {
            shifts += [MaskShift(.interrupts(irqs), removed: found.removed, added: found.added)].compactMap(\.self)
        }
        if let found = difference(Masks.workqueues, .hexadecimal) {
            shifts += [MaskShift(.workqueues, removed: found.removed, added: found.added)].compactMap(\.self)
        }
        return shifts
    }

    /// The numbers of all interrupts, ascending; none where they cannot be read.
    static func interrupts(_ files: any KernelFiles) -> [Int] {
        ((try? files.entries(Masks.interrupts)) ?? []).compactMap { Int($0) }.filter { $0 >= 0 }.sorted()
    }

    private struct Difference: Hashable {
        let removed: CPUSet
        let added: CPUSet
    }
}

// MARK: - Applying

extension MaskShift {
    /// Takes the CPUs out of the masks. What is out already stays out. An interrupt that is gone, or that the kernel does not
    /// let move (it manages it itself), is no error. The others are moved even where one of them fails.
    ///
    /// - Parameter housekeeping: what a mask gets that would be empty, because somebody else changed it since the plan was made.
    ///   It is asked for only then.
    /// - Throws: ``EnforcementError`` with the kernel's reason; also where a mask would be empty all the same.
    package func apply(
        _ files: any KernelFiles, housekeeping: @autoclosure () throws(EnforcementError) -> CPUSet = CPUSet()
    ) throws(EnforcementError) {
        try forEachMask { path, form throws(EnforcementError) in
            guard let present = try read(path, form, files), !present.isDisjoint(with: removed) else { return }
            var next = present.subtracting(removed).union(added)
            if next.isEmpty { next = try housekeeping().subtracting(removed) }
            guard !next.isEmpty else { throw EnforcementError("\(path) has no other CPU than \(present.list)") }
            _ = try write(next, path, form, files)
        }
    }

    /// Gives the CPUs back to the masks, and takes away those that came in their place. A mask in which a removed CPU is back,
    /// or an added one is gone, was changed by somebody else, or undone before: it stays as it is.
    ///
    /// - Throws: ``EnforcementError`` with the kernel's reason.
    package func undo(_ files: any KernelFiles) throws(EnforcementError) {
        let online = Masks.online(files)
        try forEachMask { path, form throws(EnforcementError) in
            guard let present = try read(path, form, files), present.isDisjoint(with: removed),
                added.isSubset(of: present)
            else { return }
            var next = present.union(removed).subtracting(added)
            // The kernel refuses a mask without a CPU that is online.
            if let online, next.isDisjoint(with: online) { next.formUnion(added) }
            _ = try write(next, path, form, files)
        }
    }

    /// Checks that the CPUs are out of the masks. A driver may have put them back: some set the masks of their interrupts anew
    /// whenever a CPU goes offline or comes back. What is gone, and what the kernel does not let move, is no difference.
    ///
    /// - Throws: ``EnforcementError`` with the first mask that has one of the CPUs.
    package func verify(_ files: any KernelFiles) throws(EnforcementError) {
        try forEachMask { path, form throws(EnforcementError) in
            guard let present = try read(path, form, files) else { return }
            let back = present.intersection(removed)
            guard !back.isEmpty, !isInterrupt || !Masks.isManaged(path, files) else { return }
            throw EnforcementError("\(path) has CPUs \(back.list), which only the claim may use")
        }
    }

    /// Does something to each mask of the target, all of them even where it fails for one.
    private func forEachMask(
        _ body: (String, Masks.Form) throws(EnforcementError) -> Void
    ) throws(EnforcementError) {
        switch target {
        case .newInterrupts: try body(Masks.newInterrupts, .hexadecimal)
        case .workqueues: try body(Masks.workqueues, .hexadecimal)
        case .interrupts(let irqs):
            var failure: EnforcementError?
            for irq in irqs {
                do throws(EnforcementError) { try body(Masks.interrupt(irq), .list) } catch {
                    failure = failure ?? error
                }
            }
            if let failure { throw failure }
        }
    }

    /// The mask, or nil where the interrupt is gone.
    private func read(_ path: String, _ form: Masks.Form, _ files: any KernelFiles) throws(EnforcementError) -> CPUSet?
    {
        do throws(Masks.Failure) { return try Masks.read(path, form, files) } catch {
            // EIO: it went between open and read.
            if case .system(let error) = error, isInterrupt, isGone(error) || error.errno == EIO { return nil }
            throw EnforcementError(error.description)
        }
    }

    /// Whether the mask was written: false where the interrupt is gone, or cannot be moved.
    private func write(
        _ mask: CPUSet, _ path: String, _ form: Masks.Form, _ files: any KernelFiles
    ) throws(EnforcementError) -> Bool {
        do throws(SystemError) {
            try files.write(Masks.text(mask, form), to: path)
            return true
        } catch {
            if isInterrupt, isGone(error) || Masks.isManaged(error) { return false }
            throw EnforcementError("\(error.description), writing \(Masks.text(mask, form))")
        }
    }

    private var isInterrupt: Bool { if case .interrupts = target { true } else { false } }

    private func isGone(_ error: SystemError) -> Bool { error.errno == ENOENT || error.errno == ENODEV }
}

// MARK: - Text

extension MaskShift {
    /// One line: `irq 25-26,30 -4-7 +0`, `new-irqs -4-7`, `workqueues -4-7 +0-1`. CPUs after `-` leave, CPUs after `+` come.
    package var text: String {
        let name =
            switch target {
            case .interrupts(let irqs): "irq \(NumberList.text(irqs))"
            case .newInterrupts: "new-irqs"
            case .workqueues: "workqueues"
            }
        return "\(name) -\(removed.list)" + (added.isEmpty ? "" : " +\(added.list)")
    }

    /// The shift of a ``text``; nil where it is none.
    package init?(text: String) {
        var words = text.split(separator: " ", omittingEmptySubsequences: false)[...]
        let target: Target
        switch words.popFirst() {
        case "irq":
            guard let numbers = words.popFirst().flatMap({ NumberList.numbers($0) }) else { return nil }
            target = .interrupts(numbers)
        case "new-irqs": target = .newInterrupts
        case "workqueues": target = .workqueues
        default: return nil
        }
        func cpus(after sign: Character) -> CPUSet? {
            guard let word = words.first, word.first == sign else { return nil }
            words = words.dropFirst()
            guard let cpus = try? CPUSet(list: word.dropFirst()), !cpus.isEmpty else { return nil }
            return cpus
        }
        guard let removed = cpus(after: "-") else { return nil }
        let added = words.isEmpty ? CPUSet() : cpus(after: "+")
        guard let added, words.isEmpty else { return nil }
        self.init(target, removed: removed, added: added)
    }
}
