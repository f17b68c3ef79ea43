import Glibc
import TestSupport
import Testing
import WireJSON

/// What the EPA Orchestrator answered, against the process.
@Suite(.needsShared) struct RecordingTests {
    @Test("the recordings of the EPA Orchestrator replay without a mismatch", .needsRoot)
    func recordings() async throws {
        let shared = try #require(SharedDirectory.path)
        let berthd = try Program.built("berthd")
        let result = try await Program.run(
            ["python3", "\(shared)/tools/epa_replay.py", "--cmd", "\(berthd) --config /dev/null --read-timeout 1"],
            seconds: 120)
        #expect(result.status == 0, "\(result.text)")
        #expect(result.text.contains(" 0 mismatches"))
    }

    @Test(
        "each recorded quirk of the EPA Orchestrator is answered by exactly one JSON object, and differs only where section 7 says better",
        arguments: [
            "q01_negative_numa_count_wipes", "q02_negative_core_count_is_default_policy",
            "q03_negative_hugepages_recorded", "q04_isolated_set_shrinks", "q05_request_over_1024_bytes",
            "q06_surrogate_service_name", "q07_huge_integers", "q08_offline_isolated_cpu_handed_out",
            "q09_json_parser_dependent",
        ])
    func quirks(name: String) async throws {
        let shared = try #require(SharedDirectory.path)
        let recording = try Recording("\(shared)/golden", name)
        let site = try Site()
        try recording.writeMachine(to: "\(site.path)/sys")
        let options = ["--sysfs-root", "\(site.path)/sys", "--read-timeout", "1"]
        var daemon = try await site.serve(options)
        var found: [Int: String] = [:]
        for (index, exchange) in recording.exchanges.enumerated() {
            switch exchange["control"]?.string {
            case "restart":
                #expect(try await daemon.stop() == 0)
                daemon = try await site.serve(options)
            case "write_file":
                try recording.write(exchange, to: "\(site.path)/sys")
            default:
                let client = try SocketClient(site.socket)
                try client.send(recording.payload(of: exchange))
                let reply = try client.receive()
                let value = try JSONValue(reply)
                #expect(value.members != nil)
                guard !recording.matches(value, exchange) else { continue }
                found[index] = cut(String(decoding: reply, as: UTF8.self))
            }
        }
        #expect(found == quirkDeviations[name] ?? [:])
        #expect(try await daemon.stop() == 0)
    }
}

/// `text` with runs of 20 and more of one character cut to one and `…`.
private func cut(_ text: String) -> String {
    var result = ""
    var rest = text[...]
    while let first = rest.first {
        let run = rest.prefix { $0 == first }
        result += run.count < 20 ? String(run) : "\(first)…"
        rest = rest[run.endIndex...]
    }
    return result
}

/// One recording and its machine.
private struct Recording {
    let exchanges: [JSONValue]
    private let machine: [JSONValue.Member]

    init(_ golden: String, _ name: String) throws {
        let bytes = try #require(TemporaryDirectory.read("\(golden)/quirks/\(name).json"))
        // Lone surrogates stand in some recorded replies that nobody is to repeat.
        let value = try JSONValue(bytes)
        exchanges = try #require(value["exchanges"]?.array)
        let topology = try #require(value["topology"]?.string)
        let files = try #require(TemporaryDirectory.read("\(golden)/topologies/\(topology).json"))
        machine = try #require(try JSONValue(files).members)
    }

    /// Writes the files of the machine below a directory that stands for /sys.
    func writeMachine(to root: String) throws {
        for file in machine { try write(file.name, file.value.string ?? "", to: root) }
    }

    /// Writes the file that an exchange changes.
    func write(_ exchange: JSONValue, to root: String) throws {
        try write(try #require(exchange["path"]?.string), try #require(exchange["content"]?.string), to: root)
    }

    private func write(_ path: String, _ content: String, to root: String) throws {
        let path = "\(root)/devices/system/\(path)"
        var directory = ""
        for part in path.split(separator: "/").dropLast() {
            directory += "/\(part)"
            mkdir(directory, 0o755)
        }
        try TemporaryDirectory.write(Array(content.utf8), to: path)
    }

    /// The bytes to send.
    func payload(of exchange: JSONValue) -> [UInt8] {
        if let text = exchange["send"]?.string { return Array(text.utf8) }
        if let hex = exchange["send_hex"]?.string {
            return stride(from: 0, to: hex.utf8.count, by: 2).compactMap {
                UInt8(hex.dropFirst($0).prefix(2), radix: 16)
            }
        }
        var writer = JSONWriter()
        writer.value(exchange["send"] ?? .null)
        return writer.bytes
    }

    /// Whether a reply is the recorded one, or an error where the recording only demands one.
    func matches(_ reply: JSONValue, _ exchange: JSONValue) -> Bool {
        if exchange["error_text_exact"] == .boolean(false) {
            return reply.members?.map(\.name) == ["version", "error"] && reply.error?.isEmpty == false
        }
        return reply == exchange["receive"]
    }
}
