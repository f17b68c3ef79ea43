import Domain

/// The CSV files with a domain's history: computes the rows for each event (domain specification, section 5.7; quoted
/// according to RFC 4180). Pure: the caller writes them.
package struct Dataset: Sendable {
    /// The files; the raw value is the name.
    package enum File: String, CaseIterable, Sendable {
        /// The health of nodes, when it changes.
        case health = "health_status"
        /// The capabilities of nodes, when they change.
        case capabilities
        /// The placement of instances, when it changes.
        case mapping = "mapping_to_instance_id"
        /// The samples of components.
        case samples = "performance_samples"
        /// The log lines of components.
        case logs = "application_logs"

        /// The names of the columns.
        package var columns: [String] {
            switch self {
            case .health: ["timestamp", "node_id"] + NodeHealth().fields.map(\.name)
            case .capabilities: ["timestamp", "node_id"] + NodeCapabilities().fields.map(\.name)
            case .mapping: ["timestamp", "logical_id", "workflow_id", "node_id", "physical_id"]
            case .samples: ["identifier", "metric", "timestamp", "value"]
            case .logs: ["identifier", "target", "timestamp", "value"]
            }
        }
    }

    /// The settings in `proxy.dataset_settings`.
    package struct Settings: Hashable, Sendable {
        /// The prefix of the file names: `run1/` for files in a directory, `run1-` for a common name.
        package var path = ""
        /// Whether to append to existing files.
        package var appends = true
        /// The text at the start of each row, verbatim.
        package var additionalFields = ""
        /// The text at the start of the header, verbatim.
        package var additionalHeader = ""

        /// Creates the default settings of the template.
        package init() {}
    }

    /// A row of a file.
    package struct Row: Hashable, Sendable {
        /// The file.
        package let file: File
        /// One value for each column.
        package let fields: [String]
    }

    private var health: [NodeID: NodeHealth] = [:]
    private var capabilities: [NodeID: NodeCapabilities] = [:]
    private var places: [LogicalID: PhysicalID] = [:]
    private var workflows: [LogicalID: String] = [:]

    /// Creates an empty history.
    package init() {}

    /// The rows for these changes.
    ///
    /// - Parameter time: the current time, in milliseconds since 1970.
    package mutating func take(_ changes: [DomainChange], at time: Int) -> [Row] {
        let now = NumberText.plain(Double(time) / 1000)
        var rows: [Row] = []
        for change in changes {
            switch change {
            case .node(let record):
                let known = capabilities.updateValue(record.description.capabilities, forKey: record.id)
                guard known != record.description.capabilities else { continue }
                let values = record.description.capabilities.fields.map(\.value)
                rows.append(Row(file: .capabilities, fields: [now, "\(record.id)"] + values))
            case .nodeRemoved(let id):
                capabilities[id] = nil
                health[id] = nil
            case .instance(let record):
                workflows[record.id] = record.specification.workflowID
                rows += move(record.id, to: record.physical, now)
            case .placed(let id, let physical): rows += move(id, to: physical, now)
            case .instanceRemoved(let id):
                workflows[id] = nil
                places[id] = nil
            case .identity, .domain, .cordon, .departed, .wiring, .orphan, .stopFailed, .patchDue, .starting,
                .unknownOutcome:
                break
            }
        }
        return rows
    }

    private mutating func move(_ id: LogicalID, to physical: PhysicalID?, _ now: String) -> [Row] {
        guard places[id] != physical else { return [] }
        places[id] = physical
        let place = physical.map { ["\($0.node)", "\($0.component)"] } ?? ["", ""]
        return [Row(file: .mapping, fields: [now, "\(id)", workflows[id] ?? ""] + place)]
    }

    /// The rows for a node's report.
    ///
    /// - Parameter time: its time of arrival, in milliseconds since 1970.
    package mutating func report(_ update: NodeUpdate, at time: Int) -> [Row] {
        var rows: [Row] = []
        if health.updateValue(update.health, forKey: update.node) != update.health {
            let now = NumberText.plain(Double(time) / 1000)
            rows.append(
                Row(file: .health, fields: [now, "\(update.node)"] + update.health.fields.map(\.value)))
        }
        for metric in PerformanceSamples.Metric.allCases {
            for (component, samples) in (update.samples.samples[metric] ?? [:]).sorted(by: { $0.key < $1.key }) {
                for sample in samples {
                    let stamp = NumberText.time(sample.seconds, sample.nanoseconds)
                    let value = NumberText.plain(sample.value)
                    rows.append(Row(file: .samples, fields: ["\(component)", metric.rawValue, stamp, value]))
                }
            }
        }
        for (component, entries) in update.samples.logEntries.sorted(by: { $0.key < $1.key }) {
            for entry in entries {
                let stamp = NumberText.time(entry.seconds, entry.nanoseconds)
                rows.append(Row(file: .logs, fields: ["\(component)", entry.target, stamp, entry.message]))
            }
        }
        return rows
    }

    /// A line of CSV with its line end. Fields with commas, quotes or line ends are quoted.
    ///
    /// - Parameter constant: the text at the start of each line, verbatim; may be empty.
    package static func line(_ fields: [String], after constant: String) -> String {
        let quoted = fields.map { field in
            let isPlain = !field.utf8.contains { byte in
                byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\"") || byte == 10 || byte == 13
            }
            return isPlain
                ? field
                : "\""
                    + field.split(separator: "\"", omittingEmptySubsequences: false)
                    .joined(separator: "\"\"") + "\""
        }
        return ((constant.isEmpty ? [] : [constant]) + quoted).joined(separator: ",") + "\n"
    }
}

extension NodeHealth {
    /// The columns; temperatures in degrees.
    fileprivate var fields: [(name: String, value: String)] {
        figures.map { figure in
            let isTemperature = figure.name == "gpu_temp_cels"
            return (figure.name, isTemperature ? NumberText.plain(Double(figure.value) / 1000) : "\(figure.value)")
        }
    }
}

extension NodeCapabilities {
    /// The columns.
    fileprivate var fields: [(name: String, value: String)] {
        func list(_ texts: [String]) -> String { "[\(texts.joined(separator: ";"))]" }
        return [
            ("num_cpus", "\(cpus)"), ("model_name_cpu", cpuModel),
            ("clock_freq_cpu", NumberText.decimal(cpuFrequency)), ("num_cores", "\(cores)"),
            ("mem_size", "\(memoryMiB)"), ("labels", list(labels)), ("is_tee_running", "\(hasTEE)"),
            ("has_tpm", "\(hasTPM)"), ("runtimes", list(runtimes)), ("disk_tot_space", "\(diskMiB)"),
            ("num_gpus", "\(gpus)"), ("model_name_gpu", gpuModel), ("mem_size_gpu", "\(gpuMemoryMiB)"),
        ]
    }
}
