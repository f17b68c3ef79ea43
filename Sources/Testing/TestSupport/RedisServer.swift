import Glibc

/// A `redis-server` of a test's own, on a Unix socket in a directory of its own; it ends with this object.
package final class RedisServer: Sendable {
    /// Its directory.
    package let directory: TemporaryDirectory
    private let program: Program

    /// Whether this machine has one; `make test` installs it.
    package static var isInstalled: Bool {
        ["/usr/bin/redis-server", "/usr/local/bin/redis-server"].contains { (path: String) in access(path, X_OK) == 0 }
    }

    /// Starts one and waits until it listens.
    ///
    /// - Parameters:
    ///   - directory: the directory for its socket; that of an earlier server brings it back at the same address.
    ///   - options: further options, such as `["--requirepass", "secret"]`.
    package init(in directory: TemporaryDirectory? = nil, options: [String] = []) throws {
        self.directory = try directory ?? TemporaryDirectory()
        let path = self.directory.path
        unlink("\(path)/redis.sock")
        program = try Program(
            ["redis-server", "--port", "0", "--unixsocket", "\(path)/redis.sock", "--dir", path, "--save", ""]
                + options,
            output: "\(path)/redis.log")
        // No more connections than it takes: those that it has not accepted yet would be in the way of the test's own.
        var patience = 1000
        while !isListening, patience > 0 {
            usleep(10_000)
            patience -= 1
        }
        guard patience > 0 else { throw Program.Missing(description: "redis-server does not listen: \(program.text)") }
    }

    /// Options for a cluster on loopback; it serves once its slots are added.
    ///
    /// - Throws: `FreePorts.Missing`.
    package static func clusterOptions() throws -> [String] {
        ["--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-port", "\(try FreePorts.take(1)[0])"]
    }

    /// Its address.
    package var url: String { "unix://\(directory.path)/redis.sock" }

    private var isListening: Bool { (try? SocketClient("\(directory.path)/redis.sock")) != nil }

    /// Sends its process a signal: SIGSTOP makes it hang, SIGCONT go on.
    package func signal(_ number: Int32) { program.signal(number) }

    /// Ends it and waits until it is gone.
    package func stop() async throws {
        program.signal(SIGKILL)
        _ = try await program.end()
    }
}
