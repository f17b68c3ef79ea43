import Machine

/// A rule of the ledger that a change would break. No request leads here from a consistent ledger; a store or a file to
/// import that does is corrupt.
package enum LedgerViolation: Error, Equatable, Sendable, CustomStringConvertible {
    /// A claim or one of its grants has nothing in it.
    case empty(Holder)
    /// A grant has CPUs that are not exclusive although others of it are.
    case notExclusive(Holder, CPUSet)
    /// Two grants or two holders have CPUs in common that are exclusive to one of them.
    case overlap(Holder, Holder, CPUSet)
    /// A reservation is there twice, or its figures are out of range.
    case badReservation(Holder, PageReservation)

    /// One sentence for people.
    package var description: String {
        switch self {
        case .empty(let holder): "the claim of \(quoted(holder)) holds nothing"
        case .notExclusive(let holder, let cpus):
            "\(quoted(holder)) has CPUs \(cpus) that are not exclusive beside others that are"
        case .overlap(let one, let two, let cpus) where one == two:
            "\(quoted(one)) holds CPUs \(cpus) twice"
        case .overlap(let one, let two, let cpus): "\(quoted(one)) and \(quoted(two)) both hold CPUs \(cpus)"
        case .badReservation(let holder, let pages):
            "\(quoted(holder)) reserves \(pages.count) pages of \(pages.sizeKB) kB on node \(pages.node), "
                + "which is there twice or out of range"
        }
    }

    private func quoted(_ holder: Holder) -> String { holder.displayName.debugDescription }
}
