import ArgumentParser
import Glibc
import Ledger
import LedgerStore
import Service
import Storage

/// `berthd export-state`: writes the state in the reference's form, for going back.
struct ExportState: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export-state",
        abstract: "Write the state as the reference's state.json, for going back to it.",
        discussion: """
            A file that the output replaces is kept beside it as FILE.previous, in place of the one kept before. Exit \
            status 66 where nothing was ever stored: nothing is written then.
            """)

    @OptionGroup var options: Options
    @Option(help: "The file to write; standard output unless given.")
    var output: String?

    func run() throws {
        try withStore(options, .reads) { files in
            switch try LedgerStore.read(files) {
            case .fresh:
                printError("\(files.database): nothing was ever stored here, so there is nothing to write")
                throw Status.noInput
            case .refused(let error):
                printError("\(error)")
                throw Status.untrusted
            case .sound(let ledger, _):
                // The reference writes microseconds and an offset.
                let time = timestamp(wallClock()).replacing("Z", with: "000+00:00")
                let bytes = EPAState.write(ledger, updatedAt: time)
                guard let output else { return print(String(decoding: bytes, as: UTF8.self)) }
                let previous = try Self.write(bytes, to: output)
                printError(
                    "wrote \(counted(ledger.count, "claim")) to \(output)"
                        + (previous.map { "; what was there is kept as \($0)" } ?? ""))
            }
        }
    }

    /// Writes the file in one step, durably, and keeps the one that it replaces.
    ///
    /// - Returns: the path of the file that was there.
    private static func write(_ bytes: [UInt8], to output: String) throws(SystemError) -> String? {
        var status = stat()
        let isThere = lstat(output, &status) == 0
        guard !isThere || status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError("write \(output), which is no regular file", errno: EEXIST)
        }
        let temporary = output + ".new"
        let fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        defer { close(fd) }
        guard fd >= 0, Glibc.write(fd, bytes, bytes.count) == bytes.count, fsync(fd) == 0 else {
            throw SystemError("write \(output)", errno: errno)
        }
        let previous = output + ".previous"
        if isThere {
            // By a second name, so that there is a file at every moment; some file systems have none.
            guard unlink(previous) == 0 || errno == ENOENT,
                link(output, previous) == 0 || rename(output, previous) == 0
            else { throw SystemError("keep \(output) as \(previous)", errno: errno) }
        }
        guard rename(temporary, output) == 0 else { throw SystemError("write \(output)", errno: errno) }
        return isThere ? previous : nil
    }
}
