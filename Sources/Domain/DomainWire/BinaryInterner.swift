import Crypto
import Domain
import FoundationEssentials
import Synchronization

/// Shares one buffer among requests with the same code.
///
/// Remembers the most recent binaries up to a total size. Running functions hold their code anyway; remembering it
/// only adds the lookup.
package final class BinaryInterner: Sendable {
    private struct Known {
        var binaries: [String: Binary] = [:]
        /// The digests, most recent last.
        var order: [String] = []
        var bytes = 0
    }

    /// The maximum size of remembered code, in bytes; larger binaries are not remembered.
    package let limit: Int
    private let known = Mutex(Known())

    /// Creates an interner.
    package init(limit: Int = 256 << 20) { self.limit = limit }

    /// The size of the remembered code, in bytes.
    package var bytes: Int { known.withLock { $0.bytes } }

    /// The code `data` with its SHA-256, in the buffer of an equal binary if one is remembered.
    package func binary(_ data: Data) -> Binary {
        let digest = Self.text(of: SHA256.hash(data: data))
        return known.withLock { known in
            if let binary = known.binaries[digest] {
                if known.order.last != digest, let index = known.order.firstIndex(of: digest) {
                    known.order.remove(at: index)
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

    /// The SHA-256 of code, in the form of ``Binary/digest``.
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
