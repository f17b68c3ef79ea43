/// Linux mask text: the form of `cpumap`, `thread_siblings` and `shared_cpu_map`
/// (kernel `lib/bitmap.c`, `%pb`: hexadecimal words of 32 CPUs, the highest first, joined by commas).
extension CPUSet {
    /// Reads Linux mask text such as `00000000,003f0000,0000003f`.
    ///
    /// A mask without commas is one hexadecimal number of any length. Empty text is the empty set.
    ///
    /// - Throws: ``CPUListError`` with the offending word.
    package init(mask: some StringProtocol) throws(CPUListError) {
        self.init()
        var text = String(mask)
        text.makeContiguousUTF8()
        let words = text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard words.count > 1 || !(words.first?.isEmpty ?? true) else { return }
        var base = 0
        for word in words.reversed() {
            guard !word.isEmpty, word.count <= 8 || words.count == 1 else { throw Self.badMask(word) }
            var low = base
            for digit in word.reversed() {
                guard let value = Self.hexadecimal(digit) else { throw Self.badMask(word) }
                for bit in 0..<4 where value & (1 << bit) != 0 {
                    guard low + bit <= Self.maximumCPU else {
                        throw CPUListError(part: String(low + bit), reason: .tooLarge)
                    }
                    insert(low + bit)
                }
                low += 4
            }
            base += 32
        }
    }

    private static func badMask(_ word: Substring.UTF8View) -> CPUListError {
        CPUListError(part: CPUListError.part(word), reason: .badMask)
    }

    private static func hexadecimal(_ digit: UInt8) -> Int? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(digit - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(digit - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): Int(digit - UInt8(ascii: "A")) + 10
        default: nil
        }
    }
}
