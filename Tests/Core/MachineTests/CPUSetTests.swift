import Machine
import TestSupport
import Testing

@Suite struct CPUSetTests {
    @Test(
        "list text reads and prints back in the kernel's form",
        arguments: [
            ("", ""), ("0", "0"), ("4,5", "4-5"), ("0-3,8", "0-3,8"), (" 1 , ,3-4\n", "1,3-4"), ("8191", "8191"),
            ("0-30:2/4", "0-1,4-5,8-9,12-13,16-17,20-21,24-25,28-29"), ("3,1,2,2", "1-3"), ("63-64", "63-64"),
        ])
    func roundTrip(_ text: String, _ printed: String) throws {
        let set = try CPUSet(list: text)
        #expect(set.list == printed)
        #expect(try CPUSet(list: set.list) == set)
    }

    @Test(
        "a bad list names the offending part",
        arguments: [
            ("1,5-2", "Invalid CPU range: 5-2 (start > end)"),
            ("1,x", "Invalid CPU number: x (expected N, A-B or A-B:USED/GROUP)"),
            ("1-", "Invalid CPU number: 1- (expected N, A-B or A-B:USED/GROUP)"),
            ("-3", "Invalid CPU number: -3 (expected N, A-B or A-B:USED/GROUP)"),
            ("0-99999999999999999999", "Invalid CPU number: 0-99999999999999999999 (above 65535)"),
            ("0-7:3/2", "Invalid CPU stride: 0-7:3/2 (expected A-B:USED/GROUP with 1 <= USED <= GROUP)"),
            ("0-7:0/2", "Invalid CPU stride: 0-7:0/2 (expected A-B:USED/GROUP with 1 <= USED <= GROUP)"),
        ])
    func errors(_ text: String, _ message: String) {
        let error = #expect(throws: CPUListError.self) { try CPUSet(list: text) }
        #expect(error?.description == message)
    }

    @Test("the algebra agrees with Set<Int> on random sets", arguments: 0..<200 as Range<UInt64>)
    func algebra(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        func draw() -> Set<Int> {
            Set((0..<Int.random(in: 0...80, using: &random)).map { _ in Int.random(in: 0...500, using: &random) })
        }
        let (a, b) = (draw(), draw())
        let (x, y) = (CPUSet(a), CPUSet(b))
        #expect(Set(x) == a, "seed \(seed)")
        #expect(Array(x) == a.sorted(), "seed \(seed)")
        #expect(x.count == a.count && x.isEmpty == a.isEmpty, "seed \(seed)")
        #expect(x.first == a.min() && x.last == a.max(), "seed \(seed)")
        #expect(Set(x.union(y)) == a.union(b), "seed \(seed)")
        #expect(Set(x.intersection(y)) == a.intersection(b), "seed \(seed)")
        #expect(Set(x.subtracting(y)) == a.subtracting(b), "seed \(seed)")
        #expect(x.isDisjoint(with: y) == a.isDisjoint(with: b), "seed \(seed)")
        #expect(x.isSubset(of: y) == a.isSubset(of: b), "seed \(seed)")
        #expect(x.intersection(y).isSubset(of: x), "seed \(seed)")
        let some = Int.random(in: 0...90, using: &random)
        #expect(Array(x.lowest(some)) == Array(a.sorted().prefix(some)), "seed \(seed)")
        #expect((x == y) == (a == b) && x.union(y) == y.union(x), "seed \(seed)")
        var shrinking = x
        for cpu in a { shrinking.remove(cpu) }
        #expect(shrinking == CPUSet(), "seed \(seed)")
    }

    @Test("numbers that no kernel uses neither trap nor enter a set")
    func outOfRange() {
        var set = CPUSet([-1, 3, 70_000])
        #expect(set.list == "3")
        #expect(!set.insert(-5) && !set.insert(Int.max) && !set.contains(Int.min) && !set.contains(Int.max))
        set.insert(contentsOf: -10...1)
        #expect(set.list == "0-1,3")
    }

    @Test("an error quotes no more than the start of a long item, and a list of strides without end is refused")
    func hostileLists() {
        let long = String(repeating: "x", count: 100_000)
        #expect(throws: CPUListError(part: String(repeating: "x", count: 64) + "…", reason: .notANumber)) {
            try CPUSet(list: "1,\(long)")
        }
        #expect(throws: CPUListError(part: String(repeating: "x", count: 64) + "…", reason: .badMask)) {
            try CPUSet(mask: long)
        }
        let strides = Array(repeating: "0-65535:1/2", count: 10_000).joined(separator: ",")
        #expect(throws: CPUListError(part: "0-65535:1/2", reason: .tooManyStrides)) { try CPUSet(list: strides) }
        #expect((try? CPUSet(list: Array(repeating: "0-65535:1/2", count: 8).joined(separator: ",")))?.count == 32_768)
    }
}
