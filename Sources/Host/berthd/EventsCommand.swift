import ArgumentParser
import Ledger
import LedgerStore
import Machine
import Service
import Storage

/// `berthd events`: reads the trail of decisions.
struct Events: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the decisions that are stored, oldest first; also while berthd runs.",
        discussion: """
            One line for each: its number, time, holder, outcome (granted, released, expired, failed), action, \
            CPUs, and who asked; then the huge pages that were given back, and who lost CPUs. Give the last number to --after to continue from there. About the last 10000 decisions are \
            retained. Exit status 66 if there is no such state directory, 65 if the state is corrupt.
            """)

    @OptionGroup var state: StateOptions
    @Option(help: ArgumentHelp("Print the decisions after this number.", valueName: "number"))
    var after: Int64?
    @Option(
        help: ArgumentHelp("Print at most this many: the newest, or with --after the next ones.", valueName: "count"))
    var limit = 1000
    @Flag(help: "Print each decision as one JSON object, as it is stored, with its number as seq.")
    var json = false
    @OptionGroup(visibility: .hidden) var unused: UnusedOptions

    func validate() throws {
        guard after ?? 0 >= 0 else { throw ValidationError("--after takes a number of 0 or more") }
        guard (1...1_000_000).contains(limit) else { throw ValidationError("--limit takes a number from 1 to 1000000") }
    }

    func run() throws {
        let source = ConfigurationSource(config: state.config, flags: state.flags + unused.flags)
        try withStore(source, .reads) { files, _ in
            let start = after.map { HistoryStart.after($0) } ?? .newest(limit)
            for decision in try LedgerStore.decisions(of: files, from: start, limit: limit) {
                print(json ? decision.jsonLine : decision.line)
            }
        }
    }
}

extension DecisionRecord {
    /// For people.
    fileprivate var line: String {
        let cpus = outcome == .granted || released.isEmpty ? granted : released
        let who = caller.map { "uid:\($0.uid),pid:\($0.pid),\($0.frontend)" } ?? "berthd"
        var words = [
            "\(seq)", timestamp(time), quoted(holder.fullName), outcome.rawValue, quoted(action),
            cpus.isEmpty ? "-" : cpus.list, quoted(who),
        ]
        for pages in releasedPages {
            words.append("released-pages=\(pages.count)x\(pages.sizeKB)kB@\(pages.node)")
        }
        for loss in preempted { words.append("preempted=\(quoted(loss.holder.fullName)):\(loss.cpus)") }
        return words.joined(separator: " ")
    }

    /// As it is stored, with its number in front.
    fileprivate var jsonLine: String { "{\"seq\":\(seq)," + String(decoding: json.dropFirst(), as: UTF8.self) }
}
