import ArgumentParser
import DomainView
import WireJSON

/// `proxy dump`.
struct Dump: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Save parts of the mirror to files in the working directory, or print them.",
        subcommands: [Performance.self, PerformanceCSV.self, Instances.self])

    struct Performance: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Save the samples and log lines of each component to METRIC-PHYSICAL.dat.",
            discussion: """
                Each line is `TIME,VALUE`, the time in UTC (ISO 8601). Values are quoted as in CSV. In file names, all \
                characters except letters, digits and .:_- are escaped as %2F. JSON: {"files": [NAME]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            let files = try options.read([.series]).performanceFiles
            try Dump.save(files, json: output.json) { "saving to \($0)\n" }
        }
    }

    struct PerformanceCSV: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "performance-csv", abstract: "Print all samples and log lines as CSV (RFC 4180).",
            discussion: """
                The columns are metric, name (the class), lid, timestamp, value; name and lid are empty for components \
                that are no longer in the domain. JSON: {"samples": [{"metric", "name", "id", "physical", "timestamp", "value"}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            try ProxyOutput.write(options.read([.series, .instances]).performanceTable, json: output.json)
        }
    }

    struct Instances: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Save the request of each function and resource to fun-ID.json or res-ID.json.",
            discussion: "Prints nothing. JSON: {\"files\": [NAME]}.")
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws { try Dump.save(options.read([.instances]).instanceFiles, json: output.json) { _ in "" } }
    }

    /// Saves as many files as possible, and fails if one cannot be saved.
    private static func save(_ files: [DumpFile], json: Bool, _ line: (String) -> String) throws {
        var names: [String] = []
        var hasFailed = false
        for file in files {
            if !json { try ProxyOutput.write(line(file.name)) }
            if let reason = ProxyOutput.save(file) {
                printError("cannot write \(file.name): \(reason)")
                hasFailed = true
            } else {
                names.append(file.name)
            }
        }
        if json { try ProxyOutput.write(json: JSONWriter.object { $0.member("files", names) }) }
        if hasFailed { throw Status.inputOutput }
    }
}
