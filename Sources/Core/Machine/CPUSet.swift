/// A set of CPUs by their Linux number.
///
/// Stored as a bitmap of 64-bit words without trailing zero words, so equal sets compare and hash equal and the
/// algebra costs one pass over the shorter operand's words: 4,096 CPUs are 64 words.
///
/// CPU numbers run from 0 to ``maximumCPU``. The kernel's own limit is `CONFIG_NR_CPUS`, at most 8,192 today.
package struct CPUSet: Sendable, Hashable {
    /// The highest CPU number that a set can hold.
    package static let maximumCPU = 65_535

    @usableFromInline var words: [UInt64]

    /// The empty set.
    @inlinable
    package init() {
        words = []
    }

    /// The CPUs of a bitmap, CPU 0 in the lowest bit of the first word.
    @inlinable
    package init(words: [UInt64]) {
        self.words = words
        trim()
    }

    /// The CPUs of `range`; bounds outside `0...maximumCPU` are cut off.
    package init(_ range: ClosedRange<Int>) {
        self.init()
        insert(contentsOf: range)
    }

    /// The CPUs of a sequence; numbers outside `0...maximumCPU` are left out.
    @inlinable
    package init(_ cpus: some Sequence<Int>) {
        self.init()
        for cpu in cpus { insert(cpu) }
    }

    /// The number of CPUs in the set.
    @inlinable
    package var count: Int {
        var total = 0
        for word in words { total += word.nonzeroBitCount }
        return total
    }

    /// Whether no CPU is in the set.
    @inlinable
    package var isEmpty: Bool { words.isEmpty }

    /// The lowest CPU, or nil where the set is empty.
    @inlinable
    package var first: Int? {
        for (index, word) in words.enumerated() where word != 0 {
            return index * 64 + word.trailingZeroBitCount
        }
        return nil
    }

    /// The highest CPU, or nil where the set is empty.
    @inlinable
    package var last: Int? {
        guard let word = words.last else { return nil }
        return words.count * 64 - 1 - word.leadingZeroBitCount
    }

    /// Whether `cpu` is in the set; false for every number outside `0...maximumCPU`.
    @inlinable
    package func contains(_ cpu: Int) -> Bool {
        guard cpu >= 0, cpu >> 6 < words.count else { return false }
        return words[cpu >> 6] & (1 << UInt64(cpu & 63)) != 0
    }

    /// Adds `cpu`. Returns false, and changes nothing, where it is in the set already or outside `0...maximumCPU`.
    @inlinable
    @discardableResult
    package mutating func insert(_ cpu: Int) -> Bool {
        guard cpu >= 0, cpu <= Self.maximumCPU else { return false }
        let index = cpu >> 6
        while words.count <= index { words.append(0) }
        let bit: UInt64 = 1 << UInt64(cpu & 63)
        guard words[index] & bit == 0 else { return false }
        words[index] |= bit
        return true
    }

    /// Adds the CPUs of `range`; bounds outside `0...maximumCPU` are cut off.
    package mutating func insert(contentsOf range: ClosedRange<Int>) {
        let lower = Swift.max(range.lowerBound, 0)
        let upper = Swift.min(range.upperBound, Self.maximumCPU)
        guard lower <= upper else { return }
        while words.count <= upper >> 6 { words.append(0) }
        for index in (lower >> 6)...(upper >> 6) {
            let from = index == lower >> 6 ? UInt64(lower & 63) : 0
            let upTo = index == upper >> 6 ? UInt64(upper & 63) : 63
            words[index] |= (UInt64.max << from) & (UInt64.max >> (63 - upTo))
        }
    }

    /// Removes `cpu`. Returns whether it was in the set.
    @inlinable
    @discardableResult
    package mutating func remove(_ cpu: Int) -> Bool {
        guard contains(cpu) else { return false }
        words[cpu >> 6] &= ~(1 << UInt64(cpu & 63))
        trim()
        return true
    }

    @inlinable
    mutating func trim() {
        while words.last == 0 { words.removeLast() }
    }
}

// MARK: - Set algebra

extension CPUSet {
    /// The CPUs in either set.
    @inlinable
    package func union(_ other: CPUSet) -> CPUSet {
        var result = self
        result.formUnion(other)
        return result
    }

    /// The CPUs in both sets.
    @inlinable
    package func intersection(_ other: CPUSet) -> CPUSet {
        var result = self
        result.formIntersection(other)
        return result
    }

    /// The CPUs of this set that are not in `other`.
    @inlinable
    package func subtracting(_ other: CPUSet) -> CPUSet {
        var result = self
        result.subtract(other)
        return result
    }

    /// Adds the CPUs of `other`.
    @inlinable
    package mutating func formUnion(_ other: CPUSet) {
        while words.count < other.words.count { words.append(0) }
        for index in other.words.indices { words[index] |= other.words[index] }
    }

    /// Removes the CPUs that are not in `other`.
    @inlinable
    package mutating func formIntersection(_ other: CPUSet) {
        if words.count > other.words.count { words.removeLast(words.count - other.words.count) }
        for index in words.indices { words[index] &= other.words[index] }
        trim()
    }

    /// Removes the CPUs of `other`.
    @inlinable
    package mutating func subtract(_ other: CPUSet) {
        for index in 0..<Swift.min(words.count, other.words.count) { words[index] &= ~other.words[index] }
        trim()
    }

    /// Whether the sets have no CPU in common.
    @inlinable
    package func isDisjoint(with other: CPUSet) -> Bool {
        for index in 0..<Swift.min(words.count, other.words.count) where words[index] & other.words[index] != 0 {
            return false
        }
        return true
    }

    /// Whether every CPU of this set is in `other`.
    @inlinable
    package func isSubset(of other: CPUSet) -> Bool {
        guard words.count <= other.words.count else { return false }
        for index in words.indices where words[index] & ~other.words[index] != 0 { return false }
        return true
    }

    /// The `count` lowest CPUs; the whole set where it has no more, the empty set where `count` is 0 or less.
    package func lowest(_ count: Int) -> CPUSet {
        var left = count
        guard left > 0 else { return CPUSet() }
        var result: [UInt64] = []
        for var word in words {
            let bits = word.nonzeroBitCount
            guard bits > left else {
                result.append(word)
                left -= bits
                continue
            }
            var part: UInt64 = 0
            while left > 0 {
                let bit = word & (~word &+ 1)
                part |= bit
                word ^= bit
                left -= 1
            }
            result.append(part)
            break
        }
        return CPUSet(words: result)
    }
}

// MARK: - Iteration

extension CPUSet: Sequence {
    /// Gives the CPUs in ascending order.
    package struct Iterator: IteratorProtocol {
        @usableFromInline let words: [UInt64]
        @usableFromInline var index = 0
        @usableFromInline var word: UInt64

        @inlinable
        init(_ words: [UInt64]) {
            self.words = words
            word = words.first ?? 0
        }

        /// The next higher CPU, or nil at the end.
        @inlinable
        package mutating func next() -> Int? {
            while word == 0 {
                index += 1
                guard index < words.count else { return nil }
                word = words[index]
            }
            let bit = word.trailingZeroBitCount
            word &= word &- 1
            return index * 64 + bit
        }
    }

    /// An iterator over the CPUs in ascending order.
    @inlinable
    package func makeIterator() -> Iterator { Iterator(words) }

    /// A lower bound of ``count`` that costs nothing.
    @inlinable
    package var underestimatedCount: Int { words.isEmpty ? 0 : 1 }
}

extension CPUSet: ExpressibleByArrayLiteral {
    /// The CPUs of the literal; numbers outside `0...maximumCPU` are left out.
    package init(arrayLiteral elements: Int...) { self.init(elements) }
}
