import ArgumentParser
import Domain
import DomainRPC
import DomainView
import Glibc
import Redis
import Terminal

/// `proxy top`.
struct Top: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the load of nodes or a workflow, every second until Ctrl-C.",
        subcommands: [Nodes.self, Workflow.self])

    /// How often to print.
    struct Options: ParsableArguments {
        @Flag(help: "Print once and exit; the default if the output is not a terminal.")
        var once = false
    }

    struct Nodes: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show runtimes, load and memory of each node.",
            discussion: """
                `-` for values that a node has not reported. JSON: {"nodes": [{"id", "name", "runtimes", "health": as in \
                Redis, or null}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption
        @OptionGroup var top: Options

        func run() async throws {
            let reader = DomainReader(try options.connect())
            try await Screen(isOnce: top.once || output.json).show {
                let view = try options.read([.nodes, .status, .health], reader)
                let (table, json) = view.topNodes(options.naming)
                return output.json ? .json(json) : .table(table)
            }
        }
    }

    struct Workflow: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show where the components of a workflow run, and their times in the last minute.",
            discussion: """
                Also asks the controller. JSON: {"workflow", "components": [{"name", "domain", "id", "nodes": [UUID], \
                "function_execution_time": {"count", "mean", "min", "max"} in seconds, or null, "function_transfer_time": \
                likewise}]}.
                """)
        @OptionGroup var options: ProxyOptions
        @OptionGroup var output: JSONOption
        @OptionGroup var top: Options
        @Argument(help: "The workflow's id.")
        var workflow: String

        func run() async throws {
            let connection = try options.connect()
            let controller = try options.controller()
            defer { controller.close() }
            let reader = DomainReader(connection)
            try await Screen(isOnce: top.once || output.json).show {
                let status: WorkflowStatus
                do throws(WorkflowClient.Failure) {
                    status = try await controller.inspect(workflow)
                } catch {
                    if case .refused = error { throw fail("\(error)", Status.refused) }
                    throw fail("\(error)", Status.noAddress)
                }
                var now = timespec()
                clock_gettime(CLOCK_REALTIME, &now)
                let begin = Double(now.tv_sec - 60)
                var view = try options.read([.instances, .nodes], reader)
                do {
                    try reader.add(
                        [.execution, .transfer], of: view.components(of: status), since: begin, to: &view)
                } catch { throw fail("\(error)", Status.noAddress) }
                let (table, json) = view.topWorkflow(status, since: begin, options.naming)
                return output.json ? .json(json) : .table(table)
            }
        }
    }
}

/// Repeated output on a terminal.
struct Screen {
    enum Content {
        case table(Table)
        case json([UInt8])
    }

    let isOnce: Bool

    /// Prints the result of `body`: once, or every second on a terminal.
    func show(_ body: () async throws -> Content) async throws {
        let isTerminal = isatty(STDOUT_FILENO) != 0
        let style = Style(usesColour: isTerminal, usesUnicode: false, width: 80, isTerminal: isTerminal)
        while true {
            switch try await body() {
            case .json(let bytes): return try ProxyOutput.write(json: bytes)
            case .table(let table) where isOnce || !isTerminal:
                return try ProxyOutput.write(table.lines().rendered(style))
            case .table(let table):
                var lines = table.lines()
                let rows = Self.terminalRows
                if lines.count >= rows {
                    let hidden = lines.count - (rows - 2)
                    lines = lines.prefix(rows - 2) + [StyledText("… and \(hidden) more", .faint)]
                }
                // Clear the screen, and start in the upper left corner.
                try ProxyOutput.write("\u{1B}[H\u{1B}[2J" + lines.rendered(style))
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    private static var terminalRows: Int {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 3 else { return 24 }
        return Int(size.ws_row)
    }
}
