import Machine
import Placement
import Testing

/// The choice of whole cores.
@Suite struct PlacementTests {
    @Test("whole cores of unequal size are combined to the exact count, the lowest ones first")
    func wholeCores() {
        let cores = [CPUSet([0, 1, 2, 3]), CPUSet([4, 5, 6]), CPUSet([7, 8, 9])]
        #expect(Placement.cpus(6, inWholeCores: cores) == CPUSet(4...9))
        #expect(Placement.cpus(7, inWholeCores: cores) == CPUSet(0...6))
        #expect(Placement.cpus(5, inWholeCores: cores) == nil)
        #expect(Placement.cpus(-1, inWholeCores: cores) == nil)
        #expect(Placement.cpus(4, inWholeCores: (0..<8).map { CPUSet([$0, $0 + 8]) }) == CPUSet([0, 1, 8, 9]))
        #expect(Placement.onePerCore(-1, cores) == nil && Placement.onePerCore(2, cores) == CPUSet([0, 4]))
    }
}
