import Machine

/// The huge pages of one size on a node, from the kernel's counts and what claims have.
/// ``inUse`` + ``kernelReserved`` + ``reserved`` + ``free`` = ``total``.
///
/// Neither the kernel nor the claims say whose the pages are that are in use, or that the kernel has promised to mappings.
/// They count as pages of the claims, up to what these have.
package struct PageFigures: Equatable, Sendable {
    /// All pages.
    package let total: Int
    /// Pages that anybody uses.
    package let inUse: Int
    /// Free pages that the kernel has promised to mappings that have not touched them yet (`resv_hugepages`).
    package let kernelReserved: Int
    /// Pages that claims have, and that are neither used nor promised.
    package let reserved: Int
    /// Pages that can be given.
    package let free: Int

    /// The figures of `pool`, of which claims have `claimed` pages.
    package init(_ pool: HugePagePool, claimed: Int) {
        total = max(pool.total, 0)
        let kernelFree = min(max(pool.free, 0), total)
        let promised = min(max(pool.reserved, 0), kernelFree)
        inUse = total - kernelFree
        free = min(Self.free(total: total, free: kernelFree, reserved: claimed), kernelFree - promised)
        kernelReserved = min(promised, kernelFree - free)
        reserved = kernelFree - free - kernelReserved
    }

    /// The free pages once what is reserved here but not yet used is taken off (EPA specification 3.5, "Overlay").
    ///
    /// Pages that anybody uses count as used by those who reserved, so strangers' use hides reservations (EPA
    /// specification, section 7, item 29).
    package static func free(total: Int, free: Int, reserved: Int) -> Int {
        guard reserved > 0 else { return free }
        let used = max(total - free, 0)
        return max(free - max(reserved - used, 0), 0)
    }
}
