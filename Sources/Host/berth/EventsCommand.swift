import ArgumentParser
import HostClient
import Terminal
import WireJSON

/// `berth events`.
struct Events: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what was decided: who got which CPUs, who lost them, who asked.",
        discussion: """
            One line for each decision, oldest first: its time in UTC, its number, what came of it, who asked. Without --follow \
            the stored decisions are printed, about the last 10000, or the newest ones with --limit. With --follow those to \
            come are printed until Ctrl-C, after stored ones with --limit or --after; a daemon that restarts is waited for, \
            and nothing is missed. With --after N --limit M, the first M decisions after number N are printed. \
            With --json each decision is a document on a line of its own; {"gap": {"after": number, "oldest": number}} says \
            that the decisions between two numbers are not retained any more.

            berthd events prints the stored decisions without the daemon.
            """)
    @Flag(name: [.long, .customShort("f")], help: "Go on with the decisions to come.") var follow = false
    @Option(help: ArgumentHelp("Begin after the decision of this number.", valueName: "number")) var after: Int?
    @Option(
        help: ArgumentHelp(
            "Print so many of the stored decisions: the newest, or with --after the next ones.", valueName: "count"))
    var limit: Int?
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let after, after < 0 { throw ValidationError("--after: expected 0 or more") }
        if let limit, limit < 1 { throw ValidationError("--limit: expected 1 or more") }
    }

    func run() async throws {
        var reader = Reader(command: self)
        var isFirst = true
        while true {
            let end = try await reader.readOn()
            guard follow, !reader.isDone else {
                if let end { throw failure(end) }
                return
            }
            guard Self.mayPass(end, isFirst: isFirst) else {
                throw failure(end ?? .closed("The daemon ended the stream"))
            }
            if isFirst || reader.hasRead {
                Output.note("the daemon stopped or ended the stream; waiting for it")
                if reader.position == nil {
                    Output.note("it cannot be told what is decided until then: no decision has a number yet (--after)")
                }
            }
            isFirst = false
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    /// Whether to try again: a stream may end at any time; a daemon that was never there is not waited for.
    private static func mayPass(_ end: BerthError?, isFirst: Bool) -> Bool {
        switch end {
        case nil, .closed: true
        case let end?: !isFirst && end.mayPass
        }
    }

    private func failure(_ error: BerthError) -> Failure {
        let failure = Failure(error, socket: daemon.apiPath)
        guard case .unreachable = error else { return failure }
        return Failure(
            failure.message + "\nberthd events prints the stored decisions without the daemon", status: failure.status)
    }

    /// Reads one stream after the other, each where the last one ended.
    private struct Reader {
        let command: Events
        /// The number of the last decision that was read; nil to begin with the newest stored ones, or those to come.
        var position: Int?
        /// Whether the last stream had a decision.
        var hasRead = false
        private var left: Int

        init(command: Events) {
            self.command = command
            position = command.after ?? (command.follow || command.limit != nil ? nil : 0)
            let isEndless = command.follow && command.after == nil
            left = isEndless ? .max : command.limit ?? .max
        }

        /// Whether there is enough.
        var isDone: Bool { left == 0 }

        /// Prints until the stream ends.
        ///
        /// - Returns: what it ended with; nil for its regular end.
        mutating func readOn() async throws -> BerthError? {
            hasRead = false
            let events = command.daemon.api.events(
                after: position, last: position == nil ? command.limit : nil, follows: command.follow)
            var iterator = events.makeAsyncIterator()
            while !isDone {
                let event: HostEvent?
                do throws(BerthError) { event = try await iterator.next() } catch { return error }
                switch event {
                case nil: return nil
                case .gap(let after, let oldest): try write(gapAfter: after, oldest)
                case .machine: continue
                case .decision(let decision):
                    (position, hasRead) = (decision.sequence, true)
                    left -= 1
                    let line = command.output.json ? decision.json : Array(DecisionText.line(decision).utf8)
                    try Output.write(line + [0x0A])
                }
            }
            return nil
        }

        private func write(gapAfter after: Int, _ oldest: Int) throws {
            // Whoever names no number asks for what there is.
            guard command.after != nil || hasRead || position ?? 0 > 0 else { return }
            guard command.output.json else {
                return try Output.write(
                    "decisions after \(after) are not retained any more; the oldest is \(oldest)\n")
            }
            try Output.write(
                json: JSONWriter.object { writer in
                    writer.name("gap")
                    writer.object { gap in
                        gap.member("after", after)
                        gap.member("oldest", oldest)
                    }
                })
        }
    }
}
