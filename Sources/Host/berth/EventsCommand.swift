import ArgumentParser
import Glibc

/// `berth events`: runs `berthd events`, which reads the stored decisions. `berth` itself reads no state.
struct Events: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the stored decisions, oldest first.",
        discussion: """
            Runs berthd events with the same arguments and exit statuses; berth events --help shows them. It needs to read \
            the state directory, so usually root. berthd is taken from the directory of berth, else from PATH.
            """)
    @Argument(parsing: .captureForPassthrough, help: "The arguments of berthd events, such as --after NUMBER.")
    var arguments: [String] = []

    func run() throws {
        let beside = Self.ownDirectory.map { "\($0)/berthd" }
        let program = beside.flatMap { access($0, X_OK) == 0 ? $0 : nil } ?? "berthd"
        let words = ([program, "events"] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        execvp(program, words)
        throw Failure(
            "cannot run berthd events: \(String(cString: strerror(errno))); berthd reads the stored decisions and must be "
                + "installed beside berth or on PATH", status: Failure.noInput)
    }

    /// The directory of this program.
    private static var ownDirectory: String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else { return nil }
        let path = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return path.lastIndex(of: "/").map { String(path[..<$0]) }
    }
}
