import TestSupport
import Testing

/// `berthd undo` where the kernel has nothing to undo. `make e2e` tries it on real kernels.
@Suite struct UndoTests {
    @Test("berthd undo refuses while berthd runs, says what it did, and leaves the claims")
    func claimsStay() async throws {
        let site = try Site()
        var daemon = try await site.serve(["--simulate"])
        #expect(try daemon.cores("a", 2).error == nil)
        let allocations = try daemon.allocations()
        let refused = try await site.run("undo")
        #expect(refused.status == 75, "\(refused)")
        #expect(try await daemon.stop() == 0)
        let undone = try await site.run("undo")
        #expect(undone.status == 0 && undone.text == "the kernel does nothing any more for 0 claims\n", "\(undone)")
        daemon = try await site.serve(["--simulate"])
        #expect(try daemon.allocations() == allocations)
        #expect(try await daemon.stop() == 0)
    }

    @Test("berthd undo without a state directory ends with the status of a missing file")
    func noState() async throws {
        let site = try Site()
        #expect(try await site.run("undo").status == 66)
    }
}
