import Glibc
import Logging
import Service
import Synchronization
import TestSupport
import Testing
import WireJSON

/// Lines for people and for machines, and where they go.
@Suite struct LogTests {
    @Test("what could end, hide or overwrite a line is escaped; letters of all scripts stay")
    func escaping() {
        #expect(escaped("plain é 漢 \u{1F600}") == "plain é 漢 \u{1F600}")
        #expect(escaped("a\nb\r\t\u{0}") == #"a\nb\r\t\0"#)
        for code in [
            0x07, 0x1B, 0x7F, 0x85, 0x9B, 0xAD, 0x200B, 0x200E, 0x2028, 0x2029, 0x202E, 0x2066, 0xFEFF, 0xE000, 0xE0041,
            0x10FFFF,
        ] {
            let scalar = Unicode.Scalar(UInt32(code)) ?? " "
            let text = escaped("a\(scalar)b")
            #expect(text.hasPrefix("a\\u{") && text.hasSuffix("}b") && text.utf8.allSatisfy { $0 < 0x80 }, "\(text)")
        }
        // What is escaped cannot be mistaken for what was there.
        #expect(escaped("\\n") == "\\\\n")
        #expect(escaped("") == "")
    }

    @Test("random texts: one line, and different texts are different lines")
    func escapingRandom() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed: seed)
        var lines: [String: [UInt32]] = [:]
        for _ in 0..<2000 {
            let text = String(
                String.UnicodeScalarView(
                    (0..<4).map { _ in
                        [
                            0x5C, 0x6E, 0x0A, 0x0D, 0x75, 0x7B, 0x61, 0x7D, 0x2028,
                            UInt32.random(in: 0..<0xD800, using: &random),
                        ]
                        .randomElement(using: &random).flatMap(Unicode.Scalar.init) ?? "x"
                    }))
            let line = escaped(text)
            #expect(!line.unicodeScalars.contains { $0.properties.generalCategory == .control || $0 == "\u{2028}" })
            let scalars = text.unicodeScalars.map(\.value)
            #expect(lines.updateValue(scalars, forKey: line) ?? scalars == scalars, "seed \(seed)")
        }
    }

    @Test("a log line is LEVEL: message key=value…; no value can forge a field or a line")
    func lines() throws {
        let directory = try TemporaryDirectory()
        var log = Logger(label: "x") { [sink = try! LineSink(path: "\(directory.path)/log")] _ in
            LineLogHandler(sink: sink, level: .info)
        }
        log[metadataKey: "own"] = "1"
        log.debug("not this")
        log.info("plain", metadata: ["b": "2", "a": "x y", "own": "3"])
        log.warning("a\nERROR: b", metadata: ["k": "v own=9", "q": "\" z=1", "e": "", "n": "1\n2", "s": "back\\"])
        #expect(
            try String(decoding: #require(TemporaryDirectory.read("\(directory.path)/log")), as: UTF8.self)
                == """
                INFO: plain a="x y" b=2 own=3
                WARNING: a\\nERROR: b e="" k="v own=9" n="1\\n2" own=1 q="\\" z=1" s=back\\

                """)
    }

    @Test("with a clock each line begins with the time as RFC 3339 says")
    func times() throws {
        let pipe = try Pipe()
        let log = Logger(label: "x") { [sink = LineSink(descriptor: pipe.writer)] _ in
            LineLogHandler(sink: sink, level: .info, clock: { 1_795_218_831_691 })
        }
        log.info("plain", metadata: ["a": "1"])
        #expect(String(decoding: pipe.drain(), as: UTF8.self) == "2026-11-20T23:53:51.691Z INFO: plain a=1\n")
    }

    @Test("a descriptor is the journal where JOURNAL_STREAM has its device and inode, and only there")
    func journal() throws {
        let pipe = try Pipe()
        var status = stat()
        #expect(fstat(pipe.writer, &status) == 0)
        func isJournal(_ stream: String?) -> Bool {
            LineLogHandler.isJournal(pipe.writer, environment: stream.map { ["JOURNAL_STREAM": $0] } ?? [:])
        }
        #expect(isJournal("\(status.st_dev):\(status.st_ino)"))
        for other in [nil, "", "x", "\(status.st_dev)", "\(status.st_dev):\(status.st_ino + 1)", "1:\(status.st_ino)"] {
            #expect(!isJournal(other), "\(other ?? "unset")")
        }
        #expect(!LineLogHandler.isJournal(-1, environment: ["JOURNAL_STREAM": "0:0"]))
    }

    @Test("lines for a slow reader are buffered and come in order; beyond the limit they are counted")
    func slowReader() throws {
        let pipe = try Pipe()
        let sink = LineSink(descriptor: pipe.writer)
        let line = [UInt8](repeating: 0x61, count: 999)
        let total = LineSink.backlogLimit / 1000 + 300
        for _ in 0..<total { sink.write(line) }
        var received = pipe.drain()
        var rounds = 0
        var extra = 0
        // Every write brings more of what was buffered.
        while !String(decoding: received.suffix(4000), as: UTF8.self).contains("dropped_lines"), rounds < 1000 {
            rounds += 1
            extra += 1
            sink.write(Array("more".utf8))
            received += pipe.drain()
        }
        received += pipe.drain()
        let lines = String(decoding: received, as: UTF8.self).split(separator: "\n")
        let whole = lines.count { $0.count == 999 }
        let more = lines.count { $0 == "more" }
        let dropped = lines.compactMap { try? JSONValue(Array($0.utf8))["dropped_lines"]?.integer }.reduce(0, +)
        #expect(dropped > 0)
        #expect(whole + more + dropped == total + extra)
        #expect(lines.allSatisfy { $0.count == 999 || $0 == "more" || $0.hasPrefix("{\"dropped_lines\":") })
        // Then all is as before.
        sink.write(Array("again".utf8))
        #expect(String(decoding: pipe.drain(), as: UTF8.self).hasSuffix("again\n"))
    }

    @Test("a reader that is gone is reported once, and once more after it worked again")
    func closedPipe() throws {
        signal(SIGPIPE, SIG_IGN)
        let pipe = try Pipe()
        let failures = Mutex<[String]>([])
        let sink = LineSink(descriptor: pipe.writer) { text in failures.withLock { $0.append(text) } }
        sink.write([0x61])
        pipe.closeReader()
        for _ in 0..<5 { sink.write([0x62]) }
        #expect(failures.withLock { $0 }.count == 1)
        #expect(failures.withLock { $0 }.first?.contains("Broken pipe") == true)
        let second = try Pipe()
        dup2(second.writer, pipe.writer)
        sink.write([0x63])
        #expect(String(decoding: second.drain(), as: UTF8.self).hasPrefix("c\n"))
        second.closeReader()
        // The old writer's other descriptor must go too for the pipe to break.
        for _ in 0..<5 { sink.write([0x64]) }
        #expect(failures.withLock { $0 }.count == 2)
    }

    @Test("a full disk is reported once and blocks nobody; the lines lost are counted when there is room")
    func fullDevice() throws {
        let failures = Mutex(0)
        let sink = try LineSink(path: "/dev/full") { _ in failures.withLock { $0 += 1 } }
        for _ in 0..<5 { sink.write([0x61]) }
        #expect(failures.withLock { $0 } == 1)
    }

    @Test("a file is appended to, is no other user's, and is opened anew after it was moved away")
    func reopen() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/log"
        try TemporaryDirectory.write(Array("old\n".utf8), to: path)
        let sink = try LineSink(path: path)
        sink.write(Array("one".utf8))
        rename(path, "\(path).1")
        sink.write(Array("two".utf8))
        try sink.reopen()
        sink.write(Array("three".utf8))
        #expect(TemporaryDirectory.read("\(path).1") == Array("old\none\ntwo\n".utf8))
        #expect(TemporaryDirectory.read(path) == Array("three\n".utf8))
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o007 == 0)
        TemporaryDirectory.remove(path)
        mkdir(path, 0o700)
        #expect(throws: SystemError.self) { try sink.reopen() }
        try LineSink.standardError.reopen()
    }

    @Test("a file that becomes writable again says how many lines are missing, at the place where they are")
    func missingLines() throws {
        let pipe = try Pipe()
        let sink = LineSink(descriptor: pipe.writer)
        let null = open("/dev/full", O_WRONLY)
        let keep = dup(pipe.writer)
        dup2(null, pipe.writer)
        for _ in 0..<3 { sink.write([0x61]) }
        dup2(keep, pipe.writer)
        sink.write([0x62])
        sink.write([0x63])
        #expect(String(decoding: pipe.drain(), as: UTF8.self) == "b\n{\"dropped_lines\":3}\nc\n")
        close(null)
        close(keep)
    }

    @Test("a line that was written in part stands alone: what comes after it begins a line of its own")
    func brokenLine() throws {
        let pipe = try Pipe()
        let sink = LineSink(descriptor: pipe.writer)
        let line = [UInt8](repeating: 0x61, count: 100_000)
        sink.write(line)
        let null = open("/dev/full", O_WRONLY)
        let keep = dup(pipe.writer)
        dup2(null, pipe.writer)
        for _ in 0..<2 { sink.write([0x62]) }
        dup2(keep, pipe.writer)
        let part = pipe.drain()
        #expect(!part.isEmpty && part.count < line.count)
        sink.write([0x63])
        sink.write([0x64])
        #expect(String(decoding: pipe.drain(), as: UTF8.self) == "\nc\n{\"dropped_lines\":3}\nd\n")
        close(null)
        close(keep)
    }

    @Test("a file that ends within a line gets its end first, so that the next line can be read")
    func unfinishedFile() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/log"
        try TemporaryDirectory.write(Array("{\"time\":".utf8), to: path)
        let sink = try LineSink(path: path)
        for line in ["one", "two"] { sink.write(Array(line.utf8)) }
        #expect(TemporaryDirectory.read(path) == Array("{\"time\":\none\ntwo\n".utf8))
        try TemporaryDirectory.write(Array("three".utf8), to: path)
        try sink.reopen()
        sink.write(Array("four".utf8))
        #expect(TemporaryDirectory.read(path) == Array("three\nfour\n".utf8))
    }

    @Test("a decision is one line of ASCII that reads back as it was, whatever the names")
    func audit() throws {
        let pipe = try Pipe()
        let audit = AuditLog(sink: LineSink(descriptor: pipe.writer), now: { 1_795_218_831_691 })
        let name = "x\n\u{2028}é\u{202E}\"\\\u{1F600}"
        audit.record(
            "granted", action: "allocate_cores", holder: "service:" + name,
            peer: PeerCredentials(uid: 7, gid: 8, pid: 9, label: "snap.é")
        ) {
            $0.member("count", 3)
        }
        audit.record("denied", action: "connect", holder: nil, peer: nil)
        let bytes = pipe.drain()
        #expect(bytes.allSatisfy { $0 == 0x0A || (0x20..<0x7F).contains($0) })
        let lines = bytes.split(separator: 0x0A)
        #expect(lines.count == 2)
        let line = try JSONValue(Array(lines[0]))
        #expect(
            line.members?.map(\.name) == [
                "time", "decision", "action", "holder", "uid", "gid", "pid", "label", "count",
            ])
        #expect(line["time"]?.string == "2026-11-20T23:53:51.691Z")
        #expect(line["holder"]?.string == "service:" + name && line["label"]?.string == "snap.é")
        #expect(
            String(decoding: lines[1], as: UTF8.self)
                == #"{"time":"2026-11-20T23:53:51.691Z","decision":"denied","action":"connect"}"#)
    }

    @Test(
        "a time is written as RFC 3339 says: leap years, ends of centuries, before 1970",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"), (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"), (1_740_787_199_999, "2025-02-28T23:59:59.999Z"),
            (1_740_787_200_000, "2025-03-01T00:00:00.000Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (4_107_456_000_000, "2100-02-28T00:00:00.000Z"), (-2_208_988_800_000, "1900-01-01T00:00:00.000Z"),
            (-2_203_891_200_001, "1900-02-28T23:59:59.999Z"), (-2_203_891_200_000, "1900-03-01T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        ])
    func timestamps(milliseconds: Int, text: String) {
        #expect(timestamp(milliseconds) == text)
    }

    @Test("times are those of the C library", arguments: [UInt64.random(in: 0...UInt64.max)])
    func timestampsRandom(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            let seconds = Int.random(in: -62_135_596_800...253_402_300_799, using: &random)
            var parts = tm()
            var time = seconds
            gmtime_r(&time, &parts)
            var text = [CChar](repeating: 0, count: 32)
            let length = strftime(&text, 32, "%m-%dT%H:%M:%S.000Z", &parts)
            let rest = String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let year = String(Int(parts.tm_year) + 1900)
            #expect(timestamp(seconds * 1000) == String(repeating: "0", count: 4 - year.count) + year + "-" + rest)
        }
        for extreme in [Int.min, Int.max] { #expect(timestamp(extreme).hasSuffix("Z")) }
    }

    @Test("the clock is the system's")
    func clock() {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        #expect(abs(wallClock() - time.tv_sec * 1000) < 60_000)
    }
}

/// A pipe; what it can take is small.
private final class Pipe {
    private var reader: Int32
    let writer: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        (reader, writer) = (ends[0], ends[1])
        // The tests fill it: the reading end must not wait.
        _ = fcntl(reader, F_SETFL, O_NONBLOCK)
    }

    deinit {
        closeReader()
        close(writer)
    }

    func closeReader() {
        if reader >= 0 { close(reader) }
        reader = -1
    }

    func drain() -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(reader, &piece, piece.count), count > 0 { bytes += piece.prefix(count) }
        return bytes
    }
}
