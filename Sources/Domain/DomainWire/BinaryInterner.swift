import Crypto
import Domain
import FoundationEssentials
import Synchronization

/// Gives equal code one buffer, however many requests bring it.
///
/// It remembers the binaries that it saw last, up to a number of bytes: those that are running are held by whoever runs them
/// anyway, the others are the price of finding them again.
package final class BinaryInterner: Sendable {
    private struct Known {
        var binaries: [String: Binary] = [:]
        /// The digests, those seen last at the end.
        var order: [String] = []
        var bytes = 0
    }

    /// The most bytes that are remembered; a binary that is larger is not.
    package let limit: Int
    private let known = Mutex(Known())

    /// Remembers `limit` bytes of code.
    package init(limit: Int = 256 << 20) { self.limit = limit }

    /// How many bytes of code are remembered.
    package var bytes: Int { known.withLock { $0.bytes } }

    /// The code `data` with its SHA-256, in the buffer of the equal one that was seen before where there is one.
    package func binary(_ data: Data) -> Binary {
        let digest = Self.text(of: SHA256.hash(data: data))
        return known.withLock { known in
            if let binary = known.binaries[digest] {
                if known.order.last != digest, let place = known.order.firstIndex(of: digest) {
                    known.order.remove(at: place)
                    known.order.append(digest)
                }
                return binary
            }
            let binary = Binary(digest: digest, bytes: Array(data))
            guard data.count <= limit else { return binary }
            known.binaries[digest] = binary
            known.order.append(digest)
            known.bytes += data.count
            while known.bytes > limit, !known.order.isEmpty {
                let oldest = known.binaries.removeValue(forKey: known.order.removeFirst())
                known.bytes -= oldest?.bytes.count ?? 0
            }
            return binary
        }
    }

    /// The SHA-256 of code, as a ``Binary`` has it.
    package static func digest(of bytes: [UInt8]) -> String { text(of: SHA256.hash(data: bytes)) }

    /// 64 lower-case hexadecimal digits.
    private static func text(of hash: SHA256.Digest) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(64)
        for byte in hash {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 0xF)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
