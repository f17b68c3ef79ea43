import CFaultVFS
import Glibc
import TestSupport

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

    static func perform(_ step: Step, on journal: Journal, _ model: inout Model) throws(StorageError) {
        switch step {
        case .append(let events):
            try journal.append(events)
            model.events += events
        case .checkpoint: try journal.maintain(above: 0)
        case .compact: try journal.compact(snapshot: model.snapshot)
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

    /// - Parameter logSpace: how much of the log is written ahead at a time.
    init(_ steps: [Step], close: Bool = true, logSpace: Int = 0) throws {
        let folder = try ScratchFolder()
        files = folder.files
        let vfs = try FaultVFS()
        try Journal.open(files).journal.close()
        database = try bytes(of: files.database) ?? []
        log = try bytes(of: files.log) ?? []
        faultvfs_record(vfs.handle, 1)
        do {
            let (journal, recovered) = try Journal.open(files, vfs: vfs.name, logSpace: logSpace)
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

/// The pure loader with a memory: the same image is read once.
final class Loader {
    private let files: StoreFiles
    private var known: [(image: [UInt8], result: Result<SQLiteImage, Damage>)] = []
    private(set) var loads = 0

    init(_ files: StoreFiles) { self.files = files }

    func load(_ database: [UInt8], _ log: [UInt8]?) -> Result<Model, Damage> {
        do throws(Damage) {
            let (image, _) = try SQLiteImage.assemble(database, log ?? [], files, .current)
            let result: Result<SQLiteImage, Damage>
            if let seen = known.last(where: { same($0.image, image) }) {
                result = seen.result
            } else {
                loads += 1
                result = Result { () throws(Damage) in
                    try SQLiteImage(image: image, files: files, schema: .current)
                }
                known.append((image, result))
                if known.count > 4 { known.removeFirst() }
            }
            let loaded = try result.get()
            if log == nil && loaded.head.state == .open { throw Damage(.missing, file: files.log, what: "missing") }
            return .success(Model(loaded.recovered))
        } catch {
            return .failure(error)
        }
    }
}

private func same(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    one.count == other.count && memcmp(one, other, one.count) == 0
}
