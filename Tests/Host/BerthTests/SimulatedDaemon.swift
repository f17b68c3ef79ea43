import Glibc
import TestSupport
import Testing

/// A `berthd` that serves the simulated machine, both sockets in a directory of its own: CPUs 2-7,10-15,18-23,26-31 are
/// isolated, in two nodes.
final class SimulatedDaemon {
    let directory: TemporaryDirectory
    private var program: TestSupport.Program
    private let binary: String

    var socket: String { "\(directory.path)/epa.sock" }
    var environment: [String: String] { ["BERTH_SOCKET": socket] }

    struct Silent: Error, CustomStringConvertible { let description: String }

    /// Starts it and waits until it serves.
    init() async throws {
        directory = try TemporaryDirectory()
        binary = try TestSupport.Program.built("berthd")
        program = try Self.start(binary, directory)
        try await answer()
    }

    private static func start(_ binary: String, _ directory: TemporaryDirectory) throws -> TestSupport.Program {
        try TestSupport.Program(
            [
                binary, "--config", "/dev/null", "--socket", "\(directory.path)/epa.sock", "--state-dir",
                "\(directory.path)/state", "--simulate",
            ], output: "\(directory.path)/log")
    }

    private func answer() async throws {
        let isThere = try await eventually {
            _ = try (SocketClient(socket), SocketClient("\(directory.path)/berth.sock"))
            return true
        }
        guard isThere else { throw Silent(description: "berthd does not serve: \(program.text)") }
    }

    /// Stops it and starts it again on the same state.
    func restart() async throws {
        try await stop()
        program = try Self.start(binary, directory)
        try await answer()
    }

    /// Stops it.
    func stop() async throws {
        program.signal(SIGTERM)
        #expect(try await program.end() == 0, "\(program.text)")
    }

    /// Runs `berth` against it to the end.
    @discardableResult
    func berth(_ arguments: String..., terminal: String? = nil) throws -> Program.Result {
        try Program.run(arguments, environment: environment, terminal: terminal)
    }

    /// Runs `berth` against it, and expects success.
    @discardableResult
    func succeed(_ arguments: String..., location: SourceLocation = #_sourceLocation) throws -> String {
        let result = try Program.run(arguments, environment: environment)
        #expect(result.status == 0 && result.errors.isEmpty, "\(arguments): \(result)", sourceLocation: location)
        return result.output
    }

    /// Sends a request to the API and gives the answer.
    @discardableResult
    func send(_ method: String, _ path: String, _ body: String) throws -> String {
        let client = try SocketClient("\(directory.path)/berth.sock")
        return try client.ask(
            "\(method) \(path) HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    /// Starts `berth` and does not wait; its output goes to a file in the directory.
    func spawn(_ arguments: String...) throws -> TestSupport.Program {
        try TestSupport.Program(
            [try TestSupport.Program.built("berth")] + arguments, environment: environment,
            output: "\(directory.path)/berth-\(TemporaryDirectory.names(in: directory.path).count)")
    }
}
