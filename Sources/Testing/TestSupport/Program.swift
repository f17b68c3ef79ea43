import CTestSupport
import Glibc

/// A running program of a test's own: its standard output and error go to one file.
package final class Program: Sendable {
    /// Its process.
    package let pid: pid_t
    /// The file with all that it printed.
    package let output: String

    /// The built program of this package: it stands beside the program that runs the tests.
    package static func built(_ name: String) throws -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(length, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for runner in [own, CommandLine.arguments.first ?? ""] {
            guard let slash = runner.lastIndex(of: "/") else { continue }
            let path = "\(runner[..<slash])/\(name)"
            if access(path, X_OK) == 0 { return path }
        }
        throw Missing(description: "\(name) was not built beside \(own)")
    }

    /// A program that is not there, or cannot be started.
    package struct Missing: Error, CustomStringConvertible {
        /// Which, and why.
        package let description: String
    }

    /// Starts a program with exactly these arguments and this environment.
    package init(_ arguments: [String], environment: [String: String] = [:], output: String) throws {
        self.output = output
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // What other tests have open at the moment, sockets that listen for one, is not to live on in it.
        ctest_close_from(&actions, 3)
        let argv = arguments.map { strdup($0) } + [nil]
        let envp =
            environment.merging(["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]) { own, _ in own }
            .map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in argv + envp { free(text) } }
        var pid: pid_t = 0
        let result = posix_spawnp(&pid, arguments[0], &actions, nil, argv, envp)
        guard result == 0 else { throw Missing(description: "\(arguments[0]): \(String(cString: strerror(result)))") }
        self.pid = pid
    }

    deinit {
        guard look() == nil else { return }
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    /// The exit status if it has ended, 128 + n where signal n ended it; the child can be waited for again.
    private func look() -> Int32? {
        var info = siginfo_t()
        guard waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 else { return -1 }
        guard info.si_signo == SIGCHLD else { return nil }
        let status = info._sifields._sigchld.si_status
        return info.si_code == Int32(CLD_EXITED) ? status : 128 + status
    }

    /// Waits for its end, at most `seconds`; nil where it goes on.
    package func end(seconds: Double = 20) async throws -> Int32? {
        for _ in 0..<Int(seconds / 0.005) {
            if let status = look() { return status }
            try await Task.sleep(for: .milliseconds(5))
        }
        return look()
    }

    /// Sends a signal.
    package func signal(_ number: Int32) { kill(pid, number) }

    /// All that it printed.
    package var text: String { String(decoding: TemporaryDirectory.read(output) ?? [], as: UTF8.self) }
    /// That, line by line.
    package var lines: [String] { text.split(separator: "\n").map(String.init) }

    /// Waits until it has printed `text`.
    package func prints(_ text: String, seconds: Double = 10) async throws -> Bool {
        for _ in 0..<Int(seconds / 0.005) {
            if self.text.contains(text) { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    /// Runs a program to its end: its status and all that it printed.
    package static func run(
        _ arguments: [String], environment: [String: String] = [:], seconds: Double = 20
    ) async throws -> (status: Int32?, text: String) {
        let directory = try TemporaryDirectory()
        let program = try Program(arguments, environment: environment, output: "\(directory.path)/output")
        let status = try await program.end(seconds: seconds)
        return (status, program.text)
    }
}
