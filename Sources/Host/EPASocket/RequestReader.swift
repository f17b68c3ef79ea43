import WireJSON

/// Puts one request together from the bytes of a connection, in however many pieces they come.
///
/// A pure state machine: bytes in, what to do next out. There is no framing but the JSON text itself (EPA specification,
/// section 1), so the request ends where its value ends; a malformed one is known at its first wrong byte.
package struct RequestReader: Sendable {
    /// The most bytes of one request.
    package static let limit = 65_536

    /// What the connection is to do.
    package enum Step: Equatable, Sendable {
        /// Wait for more bytes.
        case wait
        /// Answer this request.
        case request(JSONValue)
        /// Answer with this error.
        case reject(String)
    }

    private var scanner = JSONScanner()
    private var bytes: [UInt8] = []
    /// How many bytes the scanner has taken; pieces of whitespace before the value wait for the first other byte.
    private var scanned = 0
    /// Whether anything but whitespace has come, and whether it began an object.
    private var hasBegun = false
    private var isObject = false

    /// A reader for one request.
    package init() {}

    /// Whether any byte has come.
    package var isEmpty: Bool { bytes.isEmpty }

    /// Takes the next bytes.
    package mutating func receive(_ piece: ArraySlice<UInt8>) -> Step {
        bytes.append(contentsOf: piece)
        if !hasBegun {
            // Whitespace that came earlier is not looked at again.
            guard let first = piece.first(where: { $0 != 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 }) else {
                return bytes.count > Self.limit ? tooLong : .wait
            }
            hasBegun = true
            isObject = first == UInt8(ascii: "{")
        }
        guard isObject else { return .reject("Invalid request: expected a JSON object") }
        do throws(JSONError) {
            let fresh = bytes[scanned...]
            scanned = bytes.count
            switch try scanner.scan(fresh) {
            case .incomplete: return bytes.count > Self.limit ? tooLong : .wait
            case .complete(let end):
                guard end <= Self.limit else { return tooLong }
                try JSONValue.checkRest(of: bytes[end...])
                return .request(JSONValue(scanned: bytes[..<end]))
            }
        } catch {
            return .reject(error.description)
        }
    }

    /// Says that no more bytes will come: nil where none ever came, which needs no answer.
    package func end() -> Step? {
        isEmpty ? nil : .reject("Invalid request: it ended within the JSON text (byte \(bytes.count))")
    }

    /// Says that the time for the request is over.
    package func expire(seconds: Int) -> Step {
        .reject("Request timed out: no complete JSON text within \(seconds) s")
    }

    private var tooLong: Step { .reject("Request too large: more than \(Self.limit) bytes") }
}
