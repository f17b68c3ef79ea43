/// CRC-64/XZ (ECMA-182 polynomial, reflected, all ones in and out): the checksum of records and of the last
/// good state. Its published check value for `"123456789"` is `0x995DC9BBDF1939FA`.
struct CRC64: Sendable {
    private var register: UInt64 = .max

    private static let table: [UInt64] = (0..<256).map { index in
        (0..<8).reduce(UInt64(index)) { value, _ in
            value & 1 == 1 ? (value >> 1) ^ 0xC96C_5795_D787_0F42 : value >> 1
        }
    }

    /// The checksum of everything added so far.
    var value: UInt64 { ~register }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var register = self.register
        Self.table.withUnsafeBufferPointer { table in
            for byte in bytes {
                register = table[Int(truncatingIfNeeded: (register ^ UInt64(byte)) & 0xFF)] ^ (register >> 8)
            }
        }
        self.register = register
    }

    /// Adds the big-endian bytes of `number`.
    mutating func add(_ number: UInt64) {
        withUnsafeBytes(of: number.bigEndian) { add($0) }
    }

    static func of(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var crc = CRC64()
        let array = Array(bytes)
        array.withUnsafeBytes { crc.add($0) }
        return crc.value
    }
}
