import CFaultVFS
import Glibc
import TestSupport
import Testing

@testable import Storage

/// The owner's state in these tests: the list of all events, which is also what a snapshot holds.
struct Model: Equatable {
    var events: [[UInt8]] = []

    var snapshot: [UInt8] {
        events.flatMap { event in [UInt8(event.count & 255), UInt8(event.count >> 8)] + event }
    }

    init() {}

    init(adding events: [[UInt8]], to model: Model) { self.events = model.events + events }

    init(_ recovered: Recovered) {
        var rest = (recovered.snapshot ?? [])[...]
        while rest.count >= 2 {
            let count = Int(rest[rest.startIndex]) | Int(rest[rest.startIndex + 1]) << 8
            events.append(Array(rest.dropFirst(2).prefix(count)))
            rest = rest.dropFirst(2 + count)
        }
        events += recovered.events
    }
}

/// One step of an owner.
enum Step {
    case append([[UInt8]])
    case checkpoint
    case compact

    /// So many records stay when the state is written anew.
    static let retained = 3

    static func perform(_ step: Step, on journal: Journal, _ model: inout Model) throws(StorageError) {
        switch step {
        case .append(let events):
            try journal.append(events)
            model.events += events
        case .checkpoint: try journal.maintain(above: 0)
        case .compact: try journal.compact(snapshot: model.snapshot, retaining: Step.retained)
        }
    }

    /// A short life with every kind of step.
    static let short: [Step] = [
        .append([payload(1)]), .append([payload(2), payload(3, length: 900)]), .checkpoint, .append([payload(4)]),
        .append([payload(5, length: 5_000)]), .compact, .append([payload(6)]), .append([payload(7)]),
    ]
}

/// Everything a journal did to its files while it ran through steps, and what was acknowledged when.
struct Session {
    let files: StoreFiles
    /// The files before.
    let database: [UInt8]
    let log: [UInt8]
    let operations: [Operation]
    /// `models[n]`: what was acknowledged after n steps; `acknowledged[n]`: how many operations had been done by then.
    private(set) var models = [Model()]
    private(set) var acknowledged = [0]

    init(_ steps: [Step], close: Bool = true) throws {
        let directory = try ScratchDirectory()
        files = directory.files
        let vfs = try FaultVFS()
        try Journal.open(files).journal.close()
        database = try bytes(of: files.database) ?? []
        log = try bytes(of: files.log) ?? []
        faultvfs_record(vfs.handle, 1)
        do {
            let (journal, recovered) = try Journal.open(files, vfs: vfs.name)
            var model = Model(recovered)
            models = [model]
            for step in steps {
                try Step.perform(step, on: journal, &model)
                models.append(model)
                acknowledged.append(faultvfs_recorded(vfs.handle))
            }
            if close { try journal.close() }
        }
        operations = vfs.operations
    }

    /// What may be found after a crash during operation `index`: what was acknowledged by then, or with the step in flight.
    func allowed(at index: Int) -> [Model] {
        let done = acknowledged.lastIndex { $0 <= index } ?? 0
        return Array(models[done...min(done + 1, models.count - 1)])
    }
}

extension Session {
    /// The files after the last operation.
    var final: (database: [UInt8], log: [UInt8]) {
        var (database, log) = (self.database, self.log)
        for operation in operations {
            if operation.isLog { log.apply(operation) } else { database.apply(operation) }
        }
        return (database, log)
    }
}

/// Opens files of given content as the journal does.
final class Loader {
    private let directory: ScratchDirectory
    var files: StoreFiles { directory.files }

    init() throws {
        directory = try ScratchDirectory()
        try FileIO.prepareDirectory(directory.files.directory)
    }

    func load(_ database: [UInt8], _ log: [UInt8]?) -> Result<Model, Corruption> {
        fill(files.database, database)
        if let log { fill(files.log, log) } else { unlink(files.log) }
        do throws(StorageError) {
            return .success(Model(try OpenDatabase(files, payloadLimit: Journal.payloadLimit).recovered))
        } catch {
            guard case .corrupt(let corruption) = error.reason else {
                Issue.record("not corruption: \(error)")
                return .failure(Corruption(.malformed, file: error.file, what: error.description))
            }
            return .failure(corruption)
        }
    }

    private func fill(_ path: String, _ bytes: [UInt8]) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(descriptor) }
        if write(descriptor, bytes, bytes.count) != bytes.count { Issue.record("cannot write \(path): \(errno)") }
    }
}
