import DomainView
import Glibc
import WireJSON

/// Standard output.
enum ProxyOutput {
    static func write(_ text: String) throws { try write(Array(text.utf8)) }

    static func write(_ report: Report, json: Bool) throws {
        if json { return try write(json: report.json) }
        try write(report.lines.reduce(into: "") { $0 += $1 + "\n" })
    }

    /// A terminal gets ASCII only, so that no name can contain control sequences.
    static func write(json: [UInt8]) throws {
        guard isatty(STDOUT_FILENO) != 0, let value = try? JSONValue(json) else { return try write(json + [0x0A]) }
        var writer = JSONWriter(capacity: json.count, escapesNonASCII: true)
        writer.value(value)
        try write(writer.bytes + [0x0A])
    }

    private static func write(_ bytes: [UInt8]) throws {
        if let reason = put(bytes, on: STDOUT_FILENO) {
            throw fail("cannot write the output: \(reason)", Status.inputOutput)
        }
    }

    /// Writes all bytes.
    ///
    /// - Returns: the reason for a failure; nil for success.
    static func put(_ bytes: [UInt8], on descriptor: Int32) -> String? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return String(cString: strerror(errno))
            }
            rest = rest.dropFirst(count)
        }
        return nil
    }

    /// Writes a file.
    ///
    /// - Returns: the reason for a failure; nil for success.
    static func save(_ file: DumpFile) -> String? {
        let descriptor = open(file.name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return String(cString: strerror(errno)) }
        let reason = put(file.bytes, on: descriptor)
        return close(descriptor) == 0 ? reason : reason ?? String(cString: strerror(errno))
    }
}
