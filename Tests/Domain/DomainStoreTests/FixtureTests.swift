import Domain
import DomainStore
import Glibc
import Storage
import TestSupport
import Testing

/// Stores that version 0.1.0 wrote, closed or killed. The zeros that it wrote ahead of the log's frames were cut off the files;
/// `expected.txt` has the number of the last record, then the records.
@Suite struct FixtureTests {
    @Test(
        "a store of version 0.1.0 opens, holds what it held, and goes on",
        arguments: ["events-closed", "events-killed", "snapshot-closed", "snapshot-killed"], [0, 1 << 20])
    func opens(_ name: String, _ zeros: Int) throws {
        let source = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/") + "/Fixtures/\(name)"
        let directory = try TemporaryDirectory(in: "/dev/shm")
        func copy(_ file: String) throws {
            var bytes = try #require(TemporaryDirectory.read("\(source)/\(file)"))
            if file.hasSuffix("-wal") { bytes += [UInt8](repeating: 0, count: zeros) }
            try TemporaryDirectory.write(bytes, to: "\(directory.path)/\(file)")
        }
        for file in TemporaryDirectory.names(in: source) where file.hasPrefix("domain.") { try copy(file) }
        #expect(mkdir("\(directory.path)/binaries", 0o700) == 0)
        for file in TemporaryDirectory.names(in: "\(source)/binaries") { try copy("binaries/\(file)") }

        let lines = try #require(TemporaryDirectory.read("\(source)/expected.txt")).split(separator: 10)
        let expected = Recovered(
            snapshot: lines.first { $0.starts(with: "snapshot ".utf8) }.map { Array($0.dropFirst(9)) },
            events: lines.filter { $0.starts(with: "event ".utf8) }.map { Array($0.dropFirst(6)) },
            seq: try #require(lines.first.flatMap { Int64(String(decoding: $0, as: UTF8.self)) }))
        let files = StoreFiles(directory: directory.path, name: DomainStore.name)
        #expect(try files.inspect() == .recovered(expected))

        var held: DomainRecords
        do {
            let (store, records) = try DomainStoreTests.open(directory.path)
            held = records
            // 34 functions were made and one removed; the last one has code of its own.
            #expect(held.instances.count == 34)
            #expect(held.instances[LogicalID(high: 1, low: 11)] == nil)
            #expect(held.domainID == "d \"1\"")
            guard case .function(let last) = held.instances[LogicalID(high: 1, low: 50)]?.specification else {
                Issue.record("the last function is missing")
                return
            }
            #expect(last.functionClass.binary?.bytes == [50])
            let change = DomainChange.cordon(NodeID(high: 1, low: 1), true)
            try store.commit([change], before: held)
            held.apply(change)
        }
        #expect(try DomainStoreTests.open(directory.path).1 == held)
        let records = try files.records(after: 0, limit: .max)
        #expect(records.last?.seq == expected.seq + 1)
        #expect(records.dropLast().map(\.payload) == [expected.snapshot].compactMap(\.self) + expected.events)
    }
}
