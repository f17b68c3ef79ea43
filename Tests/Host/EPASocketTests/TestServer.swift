import EPASocket
import Glibc
import Host
import Ledger
import LedgerStore
import Logging
import Machine
import Service
import Synchronization
import TestSupport
import Testing
import WireJSON

/// A server of the EPA socket in this process, on a store and a machine of its own.
final class TestServer: Sendable {
    let directory: TemporaryDirectory
    let path: String
    let files: ChangingFiles
    let server: EPAServer
    let host: Host
    private let decisionLog: DecisionLog
    private let socket: SocketFile

    var logPath: String { "\(directory.path)/log" }
    var auditPath: String { "\(directory.path)/audit" }

    /// 8 CPUs in 4 cores (siblings n and n+4) on 2 nodes, CPUs 1-3 and 5-7 isolated, 16 pages of 2 MB on each node.
    static var small: CapturedFiles {
        var machine = CapturedFiles.Shape()
        machine.packages = 2
        machine.coresPerNode = 2
        machine.threadsPerCore = 2
        machine.isolated = CPUSet([1, 2, 3, 5, 6, 7])
        machine.hugePages = [HugePagePool(sizeKB: 2048, total: 16, free: 16)]
        return CapturedFiles(machine)
    }

    init(
        _ machine: CapturedFiles = TestServer.small, directory: TemporaryDirectory? = nil, imported: Ledger? = nil,
        vfs: String? = nil, mode: UInt32 = 0o600, pools: [String: CPUSet] = [:],
        settings change: (inout EPASettings) -> Void = { _ in }
    ) async throws {
        let directory = try directory ?? TemporaryDirectory()
        self.directory = directory
        files = ChangingFiles(machine)
        path = "\(directory.path)/epa.sock"
        var settings = EPASettings()
        settings.access.isOpen = mode & 0o006 == 0o006
        change(&settings)

        let log = try LineSink(path: "\(directory.path)/log")
        let opened = try LedgerStore.open(
            directory: "\(directory.path)/state", imported: imported, vfs: vfs, now: wallClock,
            report: { log.write(Array("ERROR: \($0)".utf8)) })
        let (ledger, store): (Ledger, any DecisionStore) =
            switch opened {
            case .ready(let store, let ledger): (ledger, store)
            case .refused(let error, let lastGood): (lastGood ?? Ledger(), RefusingStore(error))
            }
        decisionLog = try DecisionLog(
            audit: AuditLog(sink: try LineSink(path: "\(directory.path)/audit")),
            logger: Logger(label: "test") { _ in LineLogHandler(sink: log, level: .debug) })
        host = try Host(
            ledger: ledger, store: store, machine: HostMachine(files: files, pools: pools),
            onDecisions: { [decisionLog] in decisionLog.note($0) })
        server = EPAServer(
            frontend: EPAFrontend(
                host: host, decisionLog: decisionLog, status: EPAStatus(version: "0", machine: "captured")),
            decisionLog: decisionLog, settings: settings)
        socket = try SocketFile(listeningAt: path, mode: mode, owner: nil, group: nil)
        try server.start(descriptor: socket.descriptor, threads: 2)
    }

    func stop() async {
        socket.remove()
        server.stop(within: 5)
        close(socket.descriptor)
        host.stop()
        decisionLog.stop(within: 5)
    }

    /// Serves for as long as `body` runs.
    static func serving(
        _ machine: CapturedFiles = TestServer.small, directory: TemporaryDirectory? = nil, imported: Ledger? = nil,
        vfs: String? = nil, mode: UInt32 = 0o600, pools: [String: CPUSet] = [:],
        settings: (inout EPASettings) -> Void = { _ in },
        _ body: (TestServer) async throws -> Void
    ) async throws {
        let server = try await TestServer(
            machine, directory: directory, imported: imported, vfs: vfs, mode: mode, pools: pools, settings: settings)
        do { try await body(server) } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    // MARK: - Asking

    /// The reply to a text as it is.
    func raw(_ text: String) throws -> String { try SocketClient(path).ask(text) }

    /// The decoded reply to a text as it is.
    func reply(to text: String) throws -> JSONValue { try JSONValue(Array(try raw(text).utf8)) }

    /// The decoded reply to an action.
    @discardableResult
    func ask(_ action: String, _ members: (String, JSONValue)..., uid: UInt32? = nil) throws -> JSONValue {
        let request = JSONWriter.object { writer in
            writer.member("action", action)
            for (name, value) in members { writer.member(name, value) }
        }
        return try JSONValue(Array(try SocketClient(path, uid: uid).ask(String(decoding: request, as: UTF8.self)).utf8))
    }

    func cores(_ service: String, _ count: Int, uid: UInt32? = nil) throws -> JSONValue {
        try ask("allocate_cores", ("service_name", .string(service)), ("num_of_cores", .number("\(count)")), uid: uid)
    }

    func numa(_ service: String, _ node: Int, _ count: Int, uid: UInt32? = nil) throws -> JSONValue {
        try ask(
            "allocate_numa_cores", ("service_name", .string(service)), ("numa_node", .number("\(node)")),
            ("num_of_cores", .number("\(count)")), uid: uid)
    }

    func pages(_ service: String, _ count: Int, node: Int = 0, size: Int = 2048, uid: UInt32? = nil) throws -> JSONValue
    {
        try ask(
            "allocate_hugepages", ("service_name", .string(service)), ("hugepages_requested", .number("\(count)")),
            ("node_id", .number("\(node)")), ("size_kb", .number("\(size)")), uid: uid)
    }

    func list() throws -> JSONValue { try ask("list_allocations") }

    /// Who holds which CPUs.
    func allocations() throws -> [String: String] {
        var result: [String: String] = [:]
        for entry in try list()["allocations"]?.array ?? [] {
            if let name = entry["service_name"]?.string { result[name] = entry["allocated_cores"]?.string }
        }
        return result
    }

    /// The lines of the log so far.
    var log: [String] { Self.lines(logPath) }
    /// The lines of the audit log so far; decisions are written after their reply, so wait for the last.
    func audit(atLeast count: Int) async throws -> [JSONValue] {
        for _ in 0..<200 where Self.lines(auditPath).count < count { try await Task.sleep(for: .milliseconds(10)) }
        return try Self.lines(auditPath).map { try JSONValue(Array($0.utf8)) }
    }
    /// Waits until the log has a line with `text`.
    func logHas(_ text: String) async throws -> Bool {
        for _ in 0..<200 {
            if log.contains(where: { $0.contains(text) }) { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    private static func lines(_ path: String) -> [String] {
        String(decoding: TemporaryDirectory.read(path) ?? [], as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

extension JSONValue {
    /// The text of an error reply.
    var error: String? { self["error"]?.string }
}
