import ArgumentParser
import EPAClient
import Glibc
import HostClient
import Terminal

/// Where the daemon's HTTP API is.
struct APISocketOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The socket of the daemon's API; berth.sock beside the other socket unless given.", valueName: "path"))
    var apiSocket: String?
    /// The path of the socket.
    var path: String {
        if let apiSocket { return apiSocket }
        let other = SocketPath.resolve(given: nil, environment: processEnvironment()) { access($0, F_OK) == 0 }
        return "\(other.prefix(through: other.lastIndex(of: "/") ?? other.startIndex))berth.sock"
    }

    func client(timeout: Double) -> BerthClient { BerthClient(socket: path, timeLimit: .seconds(timeout)) }
}

/// How to reach the daemon's HTTP API.
struct APIOptions: ParsableArguments {
    @OptionGroup var socket: APISocketOptions
    @Option(help: ArgumentHelp("How long to wait for an answer.", valueName: "seconds"))
    var timeout = 70.0

    func validate() throws {
        guard timeout > 0, timeout <= 86_400 else {
            throw ValidationError("--timeout: expected a number of seconds above 0 and at most 86400")
        }
    }

    var client: BerthClient { socket.client(timeout: timeout) }
}

/// A subcommand that uses the daemon's API.
protocol APICommand: AsyncParsableCommand {
    var api: APIOptions { get }
}

extension APICommand {
    /// Makes a request; what goes wrong becomes the exit status for it.
    func ask<Answer>(_ body: (BerthClient) async throws(BerthError) -> Answer) async throws -> Answer {
        do { return try await body(api.client) } catch { throw Failure(error, socket: api.socket.path) }
    }
}

extension Failure {
    /// What the API's client says.
    init(_ error: BerthError, socket: String) {
        switch error {
        case .problem(let problem):
            var lines = [Printable.text(problem.detail)]
            for holding in problem.heldBy {
                lines.append(
                    "  \(Printable.text(holding.holder)) has the CPUs \(Printable.text(holding.cpus.description))")
            }
            let status: Int32 =
                switch problem.code {
                case "no_claim": Self.noClaim
                case "forbidden": Self.notPermitted
                case "outcome_unknown": Self.timeout
                default: Self.refused
                }
            self.init(lines.joined(separator: "\n"), status: status)
        case .unreachable: self.init(Printable.text("\(error)"), status: Self.unreachable)
        case .timedOut:
            let text = "no answer in time; a change may still take effect"
            self.init("\(Printable.text(socket)): \(text)", status: Self.timeout)
        case .closed, .malformed: self.init(Printable.text("\(error)"), status: Self.malformed)
        }
    }
}

/// The holder of a text: `run:NAME` and the like; a bare name is a run.
struct HolderArgument: ExpressibleByArgument {
    let holder: Holder

    init?(argument: String) {
        if let holder = Holder(argument), !holder.name.isEmpty {
            self.holder = holder
        } else if !argument.isEmpty {
            holder = Holder(.run, argument)
        } else {
            return nil
        }
    }
}
