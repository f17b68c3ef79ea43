import Glibc

extension String {
    /// The value of one line of a `/proc/PID/status` file, whose text this is: what follows the name, a colon and a tab. Nil
    /// where there is no such line.
    func statusField(_ name: StaticString) -> String? {
        var text = self
        return text.withUTF8 { bytes -> String? in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty, let start = rest.baseAddress {
                let length = memchr(start, 0x0A, rest.count).map { UnsafeRawPointer($0) - start } ?? rest.count
                let nameLength = name.utf8CodeUnitCount
                if length > nameLength, memcmp(start, name.utf8Start, nameLength) == 0,
                    rest[nameLength...].starts(with: ":\t".utf8)
                {
                    return String(decoding: rest[..<length].dropFirst(nameLength + 2), as: UTF8.self)
                }
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(length + 1))
            }
            return nil
        }
    }
}
