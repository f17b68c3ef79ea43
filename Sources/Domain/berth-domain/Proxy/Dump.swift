import ArgumentParser
import DomainView
import WireJSON

/// `proxy dump`.
struct Dump: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Save what the mirror holds to files of the working folder, or print it.",
        subcommands: [Performance.self, PerformanceCSV.self, Instances.self])

    struct Performance: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Save the figures and log lines of each component to METRIC-PHYSICAL.dat.",
            discussion: """
                A line is `TIME,VALUE`, the time in UTC as in ISO 8601; values with commas, quotes or line ends are in \
                quotes, as in a CSV file. In a file's name all but letters, digits and .:_- is escaped as %2F. JSON: \
                {"files": [NAME]}.
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
            commandName: "performance-csv", abstract: "Print all figures and log lines as CSV (RFC 4180).",
            discussion: """
                The columns are metric, name (the class), lid, timestamp, value; name and lid are empty for what is not in \
                the domain any more. JSON: {"samples": [{"metric", "name", "id", "physical", "timestamp", "value"}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws {
            try ProxyOutput.write(options.read([.series, .instances]).performanceTable, json: output.json)
        }
    }

    struct Instances: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Save what was asked for to fun-ID.json or res-ID.json, for each function and resource.",
            discussion: "Prints nothing. JSON: {\"files\": [NAME]}.")
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption

        func run() throws { try Dump.save(options.read([.instances]).instanceFiles, json: output.json) { _ in "" } }
    }

    /// Saves all that can be saved, and fails where something cannot.
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
