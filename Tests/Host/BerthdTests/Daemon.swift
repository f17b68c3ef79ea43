import Glibc
import TestSupport
import Testing
import WireJSON

/// A directory with a socket, a state and a log, and the `berthd` processes that a test starts on it.
final class Site {
    let directory: TemporaryDirectory
    let binary: String
    private var starts = 0

    init() throws {
        directory = try TemporaryDirectory()
        binary = try Program.built("berthd")
    }

    var path: String { directory.path }
    var socket: String { "\(directory.path)/epa.sock" }
    var state: String { "\(directory.path)/state" }
    var database: String { "\(state)/ledger.db" }
    /// The options of every process here: never the machine's own paths.
    var paths: [String] { ["--config", "/dev/null", "--socket", socket, "--state-dir", state] }

    /// Starts `berthd` and does not wait for anything.
    func spawn(_ arguments: [String], environment: [String: String] = [:], below prefix: [String] = []) throws
        -> Program
    {
        starts += 1
        return try Program(prefix + [binary] + arguments, environment: environment, output: "\(path)/log-\(starts)")
    }

    /// Starts a serving `berthd` on the simulated machine and waits until it answers.
    func serve(
        _ options: [String] = ["--simulate"], socket: String? = nil, environment: [String: String] = [:],
        below prefix: [String] = []
    ) async throws -> Daemon {
        let program = try spawn(
            options.contains("--config") ? paths.dropFirst(2) + options : paths + options, environment: environment,
            below: prefix)
        return try await Daemon.answering(program, socket: socket ?? self.socket)
    }

    /// Runs a command of `berthd` on the state here to its end.
    func run(_ command: String, _ options: String...) async throws -> (status: Int32?, text: String) {
        try await Program.run([binary, command] + paths + options)
    }

    /// A capture of the simulated machine, for what a simulated one is not served from: the paths of an installation.
    func capture() async throws -> String {
        let file = "\(path)/machine.json"
        let result = try await Program.run([try Program.built("berth"), "topology", "capture", "--simulate", file])
        try #require(result.status == 0, "\(result)")
        return file
    }

    /// The contents of the state directory, the lock's text aside.
    var stateFiles: [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for name in TemporaryDirectory.names(in: state) where name != "lock" {
            files[name] = TemporaryDirectory.read("\(state)/\(name)")
        }
        return files
    }
}

/// A `berthd` that answers.
final class Daemon: Sendable {
    let program: Program
    let socket: String

    private init(_ program: Program, _ socket: String) {
        self.program = program
        self.socket = socket
    }

    struct Silent: Error, CustomStringConvertible { let description: String }

    static func answering(_ program: Program, socket: String) async throws -> Daemon {
        for _ in 0..<4000 {
            if (try? SocketClient(socket)) != nil { return Daemon(program, socket) }
            if let status = try await program.end(seconds: 0.005) {
                throw Silent(description: "berthd ended with \(status): \(program.text)")
            }
        }
        throw Silent(description: "berthd does not answer: \(program.text)")
    }

    /// Sends SIGTERM and gives the exit status.
    func stop() async throws -> Int32? {
        program.signal(SIGTERM)
        return try await program.end()
    }

    /// Ends it as a crash would.
    func kill() async throws {
        program.signal(SIGKILL)
        #expect(try await program.end() == 128 + SIGKILL)
    }

    // MARK: - Asking

    func reply(to text: String) throws -> JSONValue { try JSONValue(Array(try SocketClient(socket).ask(text).utf8)) }

    @discardableResult
    func ask(_ action: String, _ members: (String, JSONValue)..., uid: UInt32? = nil, gid: UInt32 = 65_534) throws
        -> JSONValue
    {
        let request = JSONWriter.object { writer in
            writer.member("action", action)
            for (name, value) in members { writer.member(name, value) }
        }
        let client = try SocketClient(socket, uid: uid, gid: gid)
        return try JSONValue(Array(try client.ask(String(decoding: request, as: UTF8.self)).utf8))
    }

    @discardableResult
    func cores(_ service: String, _ count: Int, uid: UInt32? = nil, gid: UInt32 = 65_534) throws -> JSONValue {
        try ask(
            "allocate_cores", ("service_name", .string(service)), ("num_of_cores", .number("\(count)")), uid: uid,
            gid: gid)
    }

    @discardableResult
    func numa(_ service: String, _ node: Int, _ count: Int) throws -> JSONValue {
        try ask(
            "allocate_numa_cores", ("service_name", .string(service)), ("numa_node", .number("\(node)")),
            ("num_of_cores", .number("\(count)")))
    }

    @discardableResult
    func pages(_ service: String, _ count: Int, node: Int = 0, size: Int = 2048) throws -> JSONValue {
        try ask(
            "allocate_hugepages", ("service_name", .string(service)), ("hugepages_requested", .number("\(count)")),
            ("node_id", .number("\(node)")), ("size_kb", .number("\(size)")))
    }

    func list() throws -> JSONValue { try ask("list_allocations") }
    func memory() throws -> JSONValue { try ask("get_memory_info") }

    /// Who holds which CPUs.
    func allocations() throws -> [String: String] {
        var result: [String: String] = [:]
        for entry in try list()["allocations"]?.array ?? [] {
            if let name = entry["service_name"]?.string { result[name] = entry["allocated_cores"]?.string }
        }
        return result
    }

    /// Who reserved how many pages of 2 MB on node 0.
    func reservations() throws -> [String: Int] {
        var result: [String: Int] = [:]
        for member in try memory()["numa_hugepages"]?["node0"]?["allocations"]?.members ?? [] {
            result[member.name] = member.value["2048"]?.integer
        }
        return result
    }
}

extension JSONValue {
    /// The text of an error reply.
    var error: String? { self["error"]?.string }
}

/// Whether a file is there.
func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
