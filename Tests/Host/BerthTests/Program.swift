import CTestSupport
import Glibc
import TestSupport
import Testing

/// The built `berth`, run as a person or a script runs it.
struct Program {
    /// What a run left.
    struct Result {
        /// The exit status; 128 and the signal where a signal ended it.
        let status: Int32
        let output: String
        let errors: String
    }

    /// Beside the test bundle.
    static let path: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let executable = String(decoding: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for start in [executable, CommandLine.arguments.first ?? ""] {
            let directory = start.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
                separator: "/")
            if access("\(directory)/berth", X_OK) == 0 { return "\(directory)/berth" }
        }
        return "berth"
    }()

    /// Runs it and waits. Nothing of the surrounding environment is passed on but `PATH`.
    ///
    /// - Parameters:
    ///   - terminal: where standard output goes instead of a file.
    ///   - uid: who runs it, by `setpriv`; needs root.
    static func run(
        _ arguments: [String], environment: [String: String] = [:], terminal: String? = nil, asUser uid: Int? = nil
    ) throws -> Result {
        let directory = try TemporaryDirectory()
        var path = path
        if uid != nil {
            // Other users may not enter the directory of the build.
            let copy = "\(directory.path)/berth"
            try TemporaryDirectory.write(try #require(TemporaryDirectory.read(path)), to: copy)
            chmod(copy, 0o755)
            path = copy
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let flags = O_WRONLY | O_CREAT | O_NOCTTY
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, terminal ?? "\(directory.path)/out", flags, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, "\(directory.path)/err", flags, 0o600)
        let variables = environment.merging(["PATH": "/usr/bin:/bin"]) { given, _ in given }
        let program = uid == nil ? path : "/usr/bin/setpriv"
        let prefix = uid.map { ["setpriv", "--reuid", "\($0)", "--regid", "\($0)", "--clear-groups"] } ?? []
        var words = (prefix + [path] + arguments).map { strdup($0) } + [nil]
        var settings = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in words + settings { free(text) } }
        var child = pid_t()
        let result = posix_spawn(&child, program, &actions, nil, &words, &settings)
        try #require(result == 0, "cannot start \(path): \(String(cString: strerror(result)))")
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        func text(_ name: String) -> String {
            String(decoding: TemporaryDirectory.read("\(directory.path)/\(name)") ?? [], as: UTF8.self)
        }
        let signal = status & 0x7F
        return Result(
            status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, output: text("out"), errors: text("err"))
    }
}

/// A pseudo-terminal of 60 columns.
final class Terminal {
    private let master: Int32
    let path: String

    init() throws {
        var buffer = [CChar](repeating: 0, count: 256)
        master = ctest_open_terminal(60, &buffer, Int32(buffer.count))
        try #require(master >= 0, "no pseudo-terminal: \(String(cString: strerror(errno)))")
        path = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { close(master) }

    /// What was written to it so far, at most 4 KiB.
    func text() -> String {
        var ready = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 0) > 0 else { return "" }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(master, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
    }
}
