import Glibc
import Rendering
import WireJSON

/// Standard output and standard error, without buffers.
enum Output {
    /// Writes text to standard output.
    static func write(_ text: String) throws(Failure) { try write(Array(text.utf8)) }

    /// Writes bytes to standard output.
    static func write(_ bytes: [UInt8]) throws(Failure) {
        guard put(bytes, on: STDOUT_FILENO) else {
            throw Failure("cannot write the output: \(String(cString: strerror(errno)))", status: Failure.output)
        }
    }

    /// Writes a JSON document. On a terminal it is pure ASCII, so that no name in it can control the terminal or look like
    /// something else; the value is the same.
    static func write(json: [UInt8]) throws(Failure) {
        guard isatty(STDOUT_FILENO) != 0, let value = try? JSONValue(json) else { return try write(json + [0x0A]) }
        var writer = JSONWriter(capacity: json.count, escapesNonASCII: true)
        writer.value(value)
        try write(writer.bytes + [0x0A])
    }

    /// Writes `berth: …` to standard error.
    static func complain(_ text: String) { _ = put(Array("berth: \(text)\n".utf8), on: STDERR_FILENO) }

    /// Writes a line to standard error that is no complaint.
    static func note(_ text: String) { _ = put(Array("berth: \(text)\n".utf8), on: STDERR_FILENO) }

    private static func put(_ bytes: [UInt8], on descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

extension JSONValue {
    /// The value without whitespace.
    var compact: [UInt8] {
        var writer = JSONWriter(capacity: 4_096)
        writer.value(self)
        return writer.bytes
    }
}
