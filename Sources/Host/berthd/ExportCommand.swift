import ArgumentParser
import Glibc
import Ledger
import LedgerStore
import Service
import Storage

/// `berthd export-state`: writes the state in the EPA Orchestrator's form, for going back.
struct ExportState: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export-state",
        abstract: "Write the state as the EPA Orchestrator's state.json, for going back to it.",
        discussion: """
            What that form cannot hold is left out, and said on standard error. berthd may be running. A file that the output replaces stays beside it as FILE.previous, in place of an \
            earlier one. Exit status 66 if nothing was ever stored: nothing is written then.
            """)

    @OptionGroup var state: StateOptions
    @Option(help: "The file to write; standard output unless given.")
    var output: String?
    @OptionGroup(visibility: .hidden) var unused: UnusedOptions

    func run() throws {
        let source = ConfigurationSource(config: state.config, flags: state.flags + unused.flags)
        try withStore(source, .reads) { files, _ in
            switch try LedgerStore.read(files) {
            case .fresh:
                printError("\(files.database): nothing was ever stored here, so there is nothing to write")
                throw Status.noInput
            case .refused(let error):
                printError("\(error)")
                throw Status.corrupt
            case .sound(let ledger, _):
                // The EPA Orchestrator writes microseconds and an offset.
                let time = timestamp(wallClock()).replacing("Z", with: "000+00:00")
                let export = EPAState.write(ledger, updatedAt: time)
                for sentence in export.leftOut { printError(sentence) }
                guard let output else { return print(String(decoding: export.text, as: UTF8.self)) }
                let previous = try Self.write(export.text, to: output)
                printError(
                    "wrote \(counted(export.claims, "claim")) to \(output)"
                        + (previous.map { "; what was there is now \($0)" } ?? ""))
            }
        }
    }

    /// Writes the file in one step, durably, and links the one that it replaces.
    ///
    /// - Returns: the path of the file that was there.
    private static func write(_ bytes: [UInt8], to output: String) throws(SystemError) -> String? {
        var status = stat()
        let isThere = lstat(output, &status) == 0
        guard !isThere || status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError("write \(output), which is no regular file", errno: EEXIST)
        }
        let previous = output + ".previous"
        try writeDurably(bytes, to: output) { () throws(SystemError) in
            guard isThere else { return }
            // By a second name, so that there is a file at every moment; some file systems have none.
            guard unlink(previous) == 0 || errno == ENOENT,
                link(output, previous) == 0 || rename(output, previous) == 0
            else { throw SystemError("rename \(output) to \(previous)", errno: errno) }
        }
        return isThere ? previous : nil
    }
}
