import Domain
import Glibc
import Logging
import Service

/// Writes the CSV files with a domain's history.
///
/// A failure is logged once; the rows are lost until the file can be written again.
struct DatasetFiles {
    private let settings: Dataset.Settings
    private let logger: Logger
    private var dataset = Dataset()
    private var waiting: [Dataset.File: String] = [:]
    private var reportedFailure: String?

    /// Starts the files. A new file begins with the current state.
    ///
    /// - Parameter time: the current time, in milliseconds since 1970.
    init(_ settings: Dataset.Settings, from records: DomainRecords, at time: Int, logger: Logger) {
        self.settings = settings
        self.logger = logger
        var isNew: Set<Dataset.File> = []
        do throws(SystemError) { try makeFolders(above: settings.path) } catch { fail("\(error)") }
        for file in Dataset.File.allCases {
            let path = self.path(of: file)
            if !settings.appends, truncate(path, 0) != 0, errno != ENOENT { fail("truncate \(path)", errno) }
            var status = stat()
            guard stat(path, &status) != 0 || status.st_size == 0 else { continue }
            isNew.insert(file)
            waiting[file] = ""
        }
        add(dataset.take(records.snapshot, at: time).filter { isNew.contains($0.file) })
        write()
    }

    private func path(of file: Dataset.File) -> String { "\(settings.path)\(file.rawValue).csv" }

    /// Adds the rows for these changes.
    mutating func take(_ changes: [DomainChange], at time: Int) { add(dataset.take(changes, at: time)) }

    /// Adds the rows for a node's report.
    mutating func report(_ update: NodeUpdate, at time: Int) { add(dataset.report(update, at: time)) }

    private mutating func add(_ rows: [Dataset.Row]) {
        for row in rows { waiting[row.file, default: ""] += Dataset.line(row.fields, after: settings.additionalFields) }
    }

    /// Writes the queued rows.
    mutating func write() {
        guard !waiting.isEmpty else { return }
        var failure: String?
        for (file, text) in waiting {
            // A file that was moved away starts again with its header.
            let header = Dataset.line(file.columns, after: settings.additionalHeader)
            do throws(SystemError) {
                try Self.append(text, to: path(of: file), header: header)
            } catch { failure = "\(error)" }
        }
        waiting = [:]
        if let failure { fail(failure) } else { reportedFailure = nil }
    }

    private static func append(_ text: String, to path: String, header: String) throws(SystemError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw SystemError("open \(path)", errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        let isEmpty = fstat(descriptor, &status) == 0 && status.st_size == 0
        var rest = Array(((isEmpty ? header : "") + text).utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw SystemError("write \(path)", errno: errno) }
            rest = rest.dropFirst(count)
        }
    }

    private mutating func fail(_ action: String, _ number: Int32) { fail("\(SystemError(action, errno: number))") }

    private mutating func fail(_ reason: String) {
        guard reportedFailure != reason else { return }
        reportedFailure = reason
        logger.warning("the CSV files are incomplete", metadata: ["reason": "\(reason)"])
    }
}
