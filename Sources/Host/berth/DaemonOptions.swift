import ArgumentParser
import EPAClient
import Glibc
import HostClient

/// How to reach the daemon.
struct DaemonOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The daemon's EPA socket.", valueName: "path"))
    var socket: String?
    @Option(
        help: ArgumentHelp(
            "The socket of the daemon's HTTP API; berth.sock beside the EPA socket unless given.", valueName: "path"))
    var apiSocket: String?
    @Option(
        help: ArgumentHelp(
            "How long to wait for a reply: 10 unless given, 70 for the API, where a change may wait for the kernel. It may "
                + "wait for the disk too: for the daemon's commit-timeout, 30 s by default.",
            valueName: "seconds"))
    var timeout: Double?

    func validate() throws {
        if let timeout, !(timeout > 0 && timeout <= 86_400) {
            throw ValidationError("--timeout: expected a number of seconds above 0 and at most 86400")
        }
    }

    /// The path of the EPA socket.
    var path: String {
        SocketPath.resolve(given: socket, environment: processEnvironment()) { access($0, F_OK) == 0 }
    }

    /// The path of the API's socket.
    var apiPath: String {
        if let apiSocket { return apiSocket }
        return Self.apiPath(beside: path)
    }

    /// Where the API is, unless it is configured to be elsewhere.
    static func apiPath(beside socket: String) -> String {
        guard let slash = socket.lastIndex(of: "/") else { return "berth.sock" }
        return "\(socket[...slash])berth.sock"
    }

    /// What the API says; nil where there is none: the EPA Orchestrator, a berthd older than 0.2, one whose API is turned off.
    ///
    /// - Throws: ``Failure``.
    func fromAPI<Answer>(_ body: (BerthClient) async throws(BerthError) -> Answer) async throws(Failure) -> Answer? {
        guard apiSocket != nil || access(apiPath, F_OK) == 0 else { return nil }
        do throws(BerthError) { return try await body(api) } catch {
            if apiSocket == nil, case .unreachable = error { return nil }
            throw Failure(error, socket: apiPath)
        }
    }

    /// A client of the EPA socket.
    var epa: EPAClient { EPAClient(socket: path, timeout: timeout ?? 10) }
    /// A client of the API.
    var api: BerthClient { BerthClient(socket: apiPath, timeLimit: .seconds(timeout ?? 70)) }
}
