import Testing

@testable import Storage

@Suite struct WriteAheadLogTests {
    @Test("speed") func speed() throws {
        let session = try Session(Array(Step.short.prefix(5)), close: false)
        var log: [UInt8] = []
        for operation in session.operations where operation.isLog {
            if operation.isTruncate { log.resize(operation.size) }
            for (i, b) in operation.bytes.enumerated() { log.put(b, at: operation.offset + i) }
        }
        let clock = ContinuousClock()
        print("log", log.count, try clock.measure { for _ in 0..<100 { _ = try WriteAheadLog(log, file: "") } } / 100)
        let x = try WriteAheadLog(log, file: "")
        print(x.committedEnd, x.tail)
        print("assemble", try clock.measure { for _ in 0..<100 { _ = try SQLiteImage.assemble(session.database, log, session.files, .current) } } / 100)
        let l = Loader(session.files)
        print("load", clock.measure { for _ in 0..<100 { _ = l.load(session.database, log) } } / 100)
        let (image, _) = try SQLiteImage.assemble(session.database, log, session.files, .current)
        print("image", try clock.measure { for _ in 0..<100 { _ = try SQLiteImage(image: image, files: session.files, schema: .current) } } / 100)
    }
}
