import ArgumentParser
import Glibc
import HostClient
import Terminal

/// `berth run`.
struct Run: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a program on CPUs of its own.",
        discussion: """
            berth asks the daemon for the CPUs, is moved onto them, and becomes the program: exit status, signals, streams \
            and job control are the program's own. The claim ends with the last process that the program leaves behind. If \
            the daemon refuses, the program does not start.

            berth run --cores 4 --node 1 -- ./engine --flag

            Exit status before the program starts: 126 if it cannot be executed, 127 if there is no such program, else as \
            for every command (see berth --help).
            """)
    @OptionGroup(title: "What the program has") var claim: ClaimOptions
    @Option(help: "The claim's name; the program's and a process id unless given.", transform: RunName.read)
    var name: String?
    @Flag(help: "Print nothing about the claim.")
    var quiet = false
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @Argument(parsing: .postTerminator, help: "The program and its arguments, after --.")
    var program: [String] = []

    func validate() throws {
        guard let first = program.first, !first.isEmpty else {
            throw ValidationError("expected -- and a program, such as: berth run --cores 2 -- ./engine")
        }
    }

    func run() async throws {
        let execution = try Execution(program)
        let holder = Holder(.run, name ?? "\(execution.name)-\(getpid())")
        let request = try claim.request(process: .caller)
        let changed = try await create(holder, request)
        if !quiet {
            let lines = [ClaimSentence.text(changed.claim)] + EffectLines.lines(changed.effects)
            Output.note(lines.joined(separator: "\n"))
        }
        throw execution
    }
}

/// What a program inherits, as it was when this one started.
struct InheritedState {
    /// What SIGPIPE does.
    private var action = sigaction()
    /// The descriptors that were open.
    let descriptors: Set<Int32>

    /// What there is now.
    init() {
        sigaction(SIGPIPE, nil, &action)
        descriptors = Set(Execution.openDescriptors())
    }

    /// Has SIGPIPE do what it did.
    func restore() {
        var action = action
        sigaction(SIGPIPE, &action, nil)
    }
}

/// A program that takes the place of this one, once a command has thrown it.
struct Execution: Error {
    /// The file, and the arguments with the name that was given first.
    private let path: String
    private let arguments: [String]

    /// Finds the program as a shell does, so that nothing is claimed for one that is not there.
    ///
    /// - Throws: ``Failure`` with the status that shells give: 127 where there is none, 126 where it cannot be executed.
    init(_ arguments: [String], path: String? = processEnvironment()["PATH"]) throws {
        self.arguments = arguments
        let name = arguments.first ?? ""
        var places = [name]
        if !name.contains("/") {
            places = (path ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":", omittingEmptySubsequences: false)
                .map { "\($0.isEmpty ? "." : String($0))/\(name)" }
        }
        var isThere = false
        for place in places {
            var status = stat()
            guard stat(place, &status) == 0 else { continue }
            isThere = true
            guard status.st_mode & S_IFMT == S_IFREG, access(place, X_OK) == 0 else { continue }
            self.path = place
            return
        }
        guard isThere else { throw Failure("\(Printable.text(name)): there is no such program", status: 127) }
        throw Failure("\(Printable.text(name)): permission denied", status: 126)
    }

    /// The descriptors that are open in this process; none where that cannot be told.
    static func openDescriptors() -> [Int32] {
        guard let directory = opendir("/proc/self/fd") else { return [] }
        defer { closedir(directory) }
        var found: [Int32] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let number = Int32(name), number != dirfd(directory) { found.append(number) }
        }
        return found
    }

    /// The program's own name.
    var name: String { String(path.split(separator: "/").last ?? "program") }

    /// Becomes the program; called on the first thread, whose signal mask is as it was at the start. Returns only where the
    /// kernel refuses.
    ///
    /// - Parameter start: what there was at the start. The client's library ignores SIGPIPE and opens descriptors.
    func replaceThisProcess(_ start: InheritedState) -> Failure {
        start.restore()
        // What the libraries opened, and do not close by themselves. What the caller passed on was open before.
        for descriptor in Self.openDescriptors() where !start.descriptors.contains(descriptor) {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
        let words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        execv(path, words)
        let reason = String(cString: strerror(errno))
        return Failure("\(Printable.text(path)): \(reason)", status: errno == ENOENT ? 127 : 126)
    }
}
