import CFaultVFS
import CSQLite
import Domain
import DomainSimulation
import DomainStore
import Storage
import Synchronization
import TestSupport
import Testing

/// What a domain keeps, in its directory.
@Suite struct DomainStoreTests {
    private struct Untrusted: Error { let reason: String }

    /// Stands in for SHA-256: equal bytes give equal texts, and others most likely do not.
    private static func digest(_ bytes: [UInt8]) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let text = String(hash, radix: 16)
        return String(repeating: "0", count: 64 - text.utf8.count) + text
    }

    static func open(_ directory: String, vfs: String? = nil) throws -> (DomainStore, DomainRecords) {
        switch try DomainStore.open(directory: directory, vfs: vfs, digest: digest, report: { _ in }) {
        case .ready(let store, let records): return (store, records)
        case .untrusted(let reason): throw Untrusted(reason: reason)
        }
    }

    private static func function(_ number: UInt64, code: [UInt8]? = nil) -> DomainChange {
        .instance(
            InstanceRecord(
                id: LogicalID(high: 1, low: number),
                specification: .function(
                    FunctionSpecification(
                        functionClass: FunctionClass(
                            id: "f\n\u{0}\"", runtime: "RUST_WASM", version: "1",
                            binary: code.map { Binary(digest: digest($0), bytes: $0) }, outputs: ["out"]),
                        annotations: ["init-payload": "é"], stateID: StateID(high: 2, low: number),
                        statePolicy: .global, workflowID: "wf")),
                created: number, physical: nil))
    }

    @Test("what whole histories leave behind is read back as it was, from single changes and from a snapshot")
    func histories() throws {
        for seed in UInt64(1)...20 {
            var simulation = Simulation(seed: seed, shape: .init(seed: seed))
            simulation.live()
            let directory = try TemporaryDirectory()
            do {
                let (store, empty) = try Self.open(directory.path)
                var records = empty
                for change in simulation.stored.snapshot {
                    try store.commit([change], before: records)
                    records.apply(change)
                }
                // As if the process had died.
            }
            #expect(try Self.open(directory.path).1 == simulation.stored, "seed \(seed)")
            do {
                let (store, records) = try Self.open(directory.path)
                store.maintain(records, isIdle: true)
                store.close(records)
            }
            #expect(try Self.open(directory.path).1 == simulation.stored, "seed \(seed)")
        }
    }

    @Test("many changes that are kept together are read back together, also where they are larger than a record")
    func manyChanges() throws {
        let directory = try TemporaryDirectory()
        let rows = (0..<100).map { number in
            DomainChange.wiring(
                LogicalID(high: 1, low: UInt64(number)),
                [String(repeating: "c", count: 10_000): LogicalID(high: 2, low: 2)])
        }
        var records = DomainRecords()
        for change in rows { records.apply(change) }
        do {
            let (store, empty) = try Self.open(directory.path)
            try store.commit(rows, before: empty)
        }
        #expect(try Self.open(directory.path).1 == records)
    }

    @Test("the code of functions is stored once by content, read back, and removed when nothing names it")
    func binaries() throws {
        let directory = try TemporaryDirectory()
        let code = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        do {
            let (store, empty) = try Self.open(directory.path)
            var records = empty
            for number in UInt64(1)...5 {
                let change = Self.function(number, code: number == 5 ? [1] : code)
                try store.commit([change], before: records)
                records.apply(change)
            }
            #expect(store.code.holds(Binary(digest: Self.digest(code), bytes: code)))
            #expect(!store.code.holds(Binary(digest: Self.digest([2]), bytes: [2])))
            let gone = DomainChange.instanceRemoved(LogicalID(high: 1, low: 5))
            try store.commit([gone], before: records)
        }
        #expect(TemporaryDirectory.names(in: "\(directory.path)/binaries").count == 2)
        let (_, records) = try Self.open(directory.path)
        #expect(TemporaryDirectory.names(in: "\(directory.path)/binaries") == [Self.digest(code)])
        for record in records.instances.values {
            guard case .function(let function) = record.specification else { continue }
            #expect(function.functionClass.binary?.bytes == code)
        }
        #expect(records.instances.count == 4)
    }

    @Test("code that was changed or is missing is never used: the state cannot be trusted, and the file is named")
    func damagedCode() throws {
        let directory = try TemporaryDirectory()
        let code: [UInt8] = [1, 2, 3]
        try Self.open(directory.path).0.commit([Self.function(1, code: code)], before: DomainRecords())
        let file = "\(directory.path)/binaries/\(Self.digest(code))"
        try TemporaryDirectory.write([1, 2, 4], to: file)
        #expect(throws: Untrusted.self) { try Self.open(directory.path) }
        try TemporaryDirectory.write(code, to: file)
        #expect(try Self.open(directory.path).1.instances.count == 1)
        try TemporaryDirectory.write([], to: file)
        let error = #expect(throws: Untrusted.self) { try Self.open(directory.path) }
        #expect(error?.reason.contains(file) == true)
    }

    @Test("wherever the disk fails, what was refused is not there and what was kept is; then all goes on")
    func faults() throws {
        let number = Atomic(0)
        for nth in 1...12 {
            let name = "domain-fault-\(number.add(1, ordering: .relaxed).newValue)"
            let vfs = try #require(faultvfs_create(name))
            defer { faultvfs_destroy(vfs) }
            let directory = try TemporaryDirectory()
            var records = DomainRecords()
            do {
                let (store, _) = try Self.open(directory.path, vfs: name)
                faultvfs_fail(vfs, Int32(FAULTVFS_WRITE | FAULTVFS_SYNC), nth, SQLITE_FULL, 0, 1)
                for number in UInt64(1)...6 {
                    let change = Self.function(number, code: [UInt8(number)])
                    do { try store.commit([change], before: records) } catch { continue }
                    records.apply(change)
                }
                faultvfs_fail(vfs, 0, 0, 0, 0, 0)
                let change = DomainChange.cordon(NodeID(high: 1, low: 1), true)
                try store.commit([change], before: records)
                records.apply(change)
            }
            #expect(try Self.open(directory.path).1 == records, "operation \(nth)")
        }
    }

    @Test("a crash at any write of the store loses nothing that was kept, invents nothing, and all goes on")
    func crashes() throws {
        let name = "domain-crash"
        let vfs = try #require(faultvfs_create(name))
        defer { faultvfs_destroy(vfs) }
        var crashes = 0
        for nth in 1... {
            let directory = try TemporaryDirectory()
            // A store that exists: how it is made is the journal's own test.
            _ = try Self.open(directory.path)
            faultvfs_crash(vfs, nth, [0, 1, 24, 32, 1_000, 4_095][nth % 6])
            var kept = DomainRecords()
            var asked = kept
            var isDone = false
            do {
                let (store, _) = try Self.open(directory.path, vfs: name)
                for change in Self.life {
                    asked = kept
                    asked.apply(change)
                    try store.commit([change], before: kept)
                    kept = asked
                }
                isDone = true
                store.close(kept)
            } catch {}
            let crashed = faultvfs_count(vfs, Int32(FAULTVFS_CHANGES)) >= nth
            faultvfs_crash(vfs, 0, 0)
            do {
                let (store, found) = try Self.open(directory.path)
                #expect(found == kept || found == asked, "crash at \(nth)")
                try store.commit([.cordon(NodeID(high: 1, low: 1), true)], before: found)
                kept = found
                kept.apply(.cordon(NodeID(high: 1, low: 1), true))
            }
            #expect(try Self.open(directory.path).1 == kept, "crash at \(nth)")
            guard crashed else {
                #expect(isDone)
                break
            }
            crashes += 1
        }
        #expect(crashes > 20)
    }

    /// Changes of every kind.
    private static var life: [DomainChange] {
        let node = NodeID(high: 2, low: 2)
        let physical = PhysicalID(node: node, component: ComponentID(high: 3, low: 3))
        let description = NodeDescription(agentURL: "http://a:1", invocationURL: "http://b:2")
        let instances = (1...4).map { function($0, code: [UInt8($0), 7]) }
        let id = LogicalID(high: 9, low: 9)
        return instances + [
            .node(
                NodeRecord(
                    id: node, nonce: 5, description: description, claims: [:], isReset: true,
                    formerNonces: [1, .max])),
            .instance(
                InstanceRecord(
                    id: id, specification: .resource(ResourceSpecification(classType: "c")), created: 9, physical: nil)),
            .starting(node, true), .unknownOutcome(node, true), .placed(id, physical), .wiring(id, ["out": id]),
            .patchDue(id, true),
            .orphan(physical, .function, true), .stopFailed(physical), .identity(nonce: 1, counter: 2, sequence: 3),
            .domain("d \"1\""),
            .departed(node, true),
            .unknownOutcome(node, false), .starting(node, false), .instanceRemoved(id), .nodeRemoved(node),
        ]
    }

    @Test(
        "garbage in a record is refused as what it is", arguments: ["", "{}", "[{}]", "[{\"node\":{}}]", "[1]", "nul"])
    func garbage(_ text: String) throws {
        let directory = try TemporaryDirectory()
        do {
            let files = StoreFiles(directory: directory.path, name: DomainStore.name)
            let (journal, _) = try Journal.open(files)
            try journal.append([Array(text.utf8)])
        }
        #expect(throws: Untrusted.self) { try Self.open(directory.path) }
    }
}
