import Glibc
import Host
import HostAPI
import Kernel
import Ledger
import LedgerStore
import Logging
import Machine
import Service
import TestSupport
import Testing
import WireJSON

/// A server of the HTTP API in this process, on a store and a machine of its own.
final class TestAPI: Sendable {
    let directory: TemporaryDirectory
    let path: String
    let host: Host
    let server: APIServer
    private let socket: SocketFile
    private let decisionLog: DecisionLog
    private let providers: APIProviders

    /// 8 CPUs in 4 cores (siblings n and n+4) on 2 nodes, CPUs 1-3 and 5-7 isolated, 16 pages of 2 MB on each node, 4 of
    /// them in use.
    static var small: CapturedFiles {
        var machine = CapturedFiles.Shape()
        machine.packages = 2
        machine.coresPerNode = 2
        machine.threadsPerCore = 2
        machine.isolated = CPUSet([1, 2, 3, 5, 6, 7])
        machine.hugePages = [HugePagePool(sizeKB: 2048, total: 16, free: 12)]
        return CapturedFiles(machine)
    }

    init(
        machine files: CapturedFiles, mode: UInt32, enforcer: (any Enforcer)?,
        store given: (any DecisionStore & Sendable)?,
        providers change: (inout APIProviders) -> Void, settings adjust: (inout APISettings) -> Void
    ) throws {
        directory = try TemporaryDirectory()
        path = "\(directory.path)/berth.sock"
        let log = try LineSink(path: "\(directory.path)/log")
        decisionLog = try DecisionLog(
            audit: AuditLog(sink: try LineSink(path: "\(directory.path)/audit")),
            logger: Logger(label: "test") { _ in LineLogHandler(sink: log, level: .debug) })
        let machine = HostMachine(files: files, pools: [Pool.general: CPUSet([0, 4])])
        let note: @Sendable ([Host.Report]) -> Void = { [decisionLog] in decisionLog.note($0) }
        if let given {
            host = try Host(ledger: Ledger(), store: given, machine: machine, enforcer: enforcer, onDecisions: note)
        } else {
            guard
                case .ready(let store, let ledger) = try LedgerStore.open(
                    directory: "\(directory.path)/state", imported: nil, vfs: nil, now: wallClock, report: { _ in })
            else { throw NoStore() }
            host = try Host(ledger: ledger, store: store, machine: machine, enforcer: enforcer, onDecisions: note)
        }
        socket = try SocketFile(listeningAt: path, mode: mode, owner: nil, group: nil)
        var providers = APIProviders(version: "1.2.3", machine: "captured")
        change(&providers)
        var settings = APISettings()
        settings.access.isOpen = mode & 0o006 == 0o006
        adjust(&settings)
        self.providers = providers
        server = APIServer(
            host: host, descriptor: socket.descriptor, providers: providers, settings: settings,
            decisionLog: decisionLog, logger: Self.silence)
        server.start()
    }

    private static let silence = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// A server of the same host over TLS, not started.
    func server(_ tls: APITLS) -> APIServer {
        APIServer(
            host: host, descriptor: tls.descriptor, tls: tls, providers: providers, settings: server.settings,
            decisionLog: decisionLog, logger: Self.silence)
    }

    struct NoStore: Error {}

    func stop() async {
        socket.remove()
        await server.stop(within: .seconds(5))
        close(socket.descriptor)
        host.stop()
        decisionLog.stop(within: 5)
    }

    /// Serves for as long as `body` runs.
    static func serving(
        machine: CapturedFiles = TestAPI.small, mode: UInt32 = 0o600, enforcer: (any Enforcer)? = nil,
        store: (any DecisionStore & Sendable)? = nil,
        providers: (inout APIProviders) -> Void = { _ in }, settings: (inout APISettings) -> Void = { _ in },
        _ body: (TestAPI) async throws -> Void
    ) async throws {
        let api = try TestAPI(
            machine: machine, mode: mode, enforcer: enforcer, store: store, providers: providers, settings: settings)
        do { try await body(api) } catch {
            await api.stop()
            throw error
        }
        await api.stop()
    }

    // MARK: - Asking

    /// Sends bytes as they are and reads what comes back until the connection ends.
    func raw(_ text: String, uid: UInt32? = nil) throws -> Reply { Reply(try SocketClient(path, uid: uid).ask(text)) }

    /// Sends a request on a connection of its own.
    @discardableResult
    func ask(
        _ method: String, _ target: String, _ body: String? = nil, _ fields: [String: String] = [:], uid: UInt32? = nil
    ) throws -> Reply {
        var text = "\(method) \(target) HTTP/1.1\r\nHost: berth\r\nConnection: close\r\n"
        for (name, value) in fields { text += "\(name): \(value)\r\n" }
        if let body {
            if fields["Content-Type"] == nil { text += "Content-Type: application/json\r\n" }
            text += "Content-Length: \(body.utf8.count)\r\n"
        }
        return try raw("\(text)\r\n\(body ?? "")", uid: uid)
    }

    @discardableResult
    func put(_ holder: String, _ body: String, _ fields: [String: String] = [:], uid: UInt32? = nil) throws -> Reply {
        try ask("PUT", "/v1/claims/\(holder)", body, fields, uid: uid)
    }
}

/// Does what blocks on a thread of its own, so that it holds no other test up.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        do throws(SystemError) {
            try startThread(named: "test") { continuation.resume(with: Result { try body() }) }
        } catch { continuation.resume(throwing: error) }
    }
}

/// A connection that is used by one thread at a time.
final class Connection: @unchecked Sendable {
    private let client: SocketClient
    private var text = ""

    init(_ path: String) throws { client = try SocketClient(path) }

    /// Sends a text.
    func send(_ text: String) throws { try client.send(text) }

    /// Waits until what has come has `part` in it so many times. Returns all that has come.
    func text(until part: String, times: Int = 1) async throws -> String {
        try await blocking { [self] in
            while text.ranges(of: part).count < times {
                let piece = try client.receive(limit: 1)
                guard !piece.isEmpty else { break }
                text += String(decoding: piece, as: UTF8.self)
            }
            return text
        }
    }

    /// All that has come by the end of the connection.
    func rest() async throws -> String {
        try await blocking { [self] in
            text += String(decoding: try client.receive(), as: UTF8.self)
            return text
        }
    }
}

/// An answer, taken apart by other means than the code under test.
struct Reply {
    let text: String
    let status: Int
    let fields: [String: String]
    let body: String

    init(_ text: String) {
        self.text = text
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let lines = (parts.first ?? "").split(separator: "\r\n")
        status = (lines.first?.split(separator: " ").dropFirst().first).flatMap { Int($0) } ?? 0
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        self.fields = fields
        body = parts.count > 1 ? String(parts[1]) : ""
    }

    var json: JSONValue? { try? JSONValue(Array(body.utf8)) }
    subscript(name: String) -> JSONValue? { json?[name] }
    /// The code of a problem.
    var code: String? { fields["content-type"] == "application/problem+json" ? self["code"]?.string : nil }
    var cpus: String? { self["cpus"]?.string }
    var version: String? { self["version"]?.string }
}
