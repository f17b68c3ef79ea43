/// Most bytes of a text are letters that mean themselves. They are looked at eight at a time, in one word.
enum PlainBytes {
    private static let lows: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// How many bytes stand together, from the first one on, that mean themselves in a JSON string: ASCII, and neither a control
    /// character nor a quotation mark nor a backslash. Of the last seven bytes none is counted.
    static func count(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.withUnsafeBytes { bytes in
            var count = 0
            while count + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: count, as: UInt64.self))
                let others = (word & highs) | needsEscape(word)
                guard others == 0 else { return count + others.trailingZeroBitCount / 8 }
                count += 8
            }
            return count
        }
    }

    /// Whether a string of these bytes is written as it is: no control character, no quotation mark, no backslash.
    static func areAll(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        let raw = UnsafeRawBufferPointer(bytes)
        var count = 0
        while count + 8 <= raw.count {
            guard needsEscape(raw.loadUnaligned(fromByteOffset: count, as: UInt64.self)) == 0 else { return false }
            count += 8
        }
        return bytes[count...].allSatisfy { $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
    }

    /// Not 0 where one of eight bytes is a control character, a quotation mark or a backslash; the lowest bit that is set is in
    /// the first such byte.
    private static func needsEscape(_ word: UInt64) -> UInt64 {
        func hasZero(_ word: UInt64) -> UInt64 { (word &- lows) & ~word & highs }
        let isControl = (word &- lows &* 0x20) & ~word & highs
        return isControl | hasZero(word ^ (lows &* 0x22)) | hasZero(word ^ (lows &* 0x5C))
    }
}
