/// A random number generator with value semantics: the same seed gives the same sequence.
///
/// The algorithm xoshiro256** by Blackman and Vigna (prng.di.unimi.it), seeded through SplitMix64. Not for secrets.
package struct Xoshiro: RandomNumberGenerator, Hashable, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// Creates a generator from a seed.
    package init(seed: UInt64) {
        var next = seed
        func word() -> UInt64 {
            next &+= 0x9E37_79B9_7F4A_7C15
            var mixed = next
            mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
            return mixed ^ mixed >> 31
        }
        state = (word(), word(), word(), word())
    }

    /// Creates a generator with a random seed.
    package init(from system: inout SystemRandomNumberGenerator) {
        state = (system.next() | 1, system.next(), system.next(), system.next())
    }

    /// The next 64 bits.
    package mutating func next() -> UInt64 {
        func rotate(_ word: UInt64, _ count: UInt64) -> UInt64 { word << count | word >> (64 - count) }
        let result = rotate(state.1 &* 5, 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = rotate(state.3, 45)
        return result
    }

    /// Whether both generate the same numbers.
    package static func == (left: Xoshiro, right: Xoshiro) -> Bool { left.state == right.state }

    /// Hashes the state.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(state.0)
        hasher.combine(state.3)
    }
}
