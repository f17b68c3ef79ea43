import ArgumentParser
import HostClient
import Terminal

/// A subcommand that uses the daemon's API.
protocol APICommand: AsyncParsableCommand {
    var daemon: DaemonOptions { get }
}

extension APICommand {
    /// Makes a request; what goes wrong becomes the exit status for it.
    func ask<Answer>(_ body: (BerthClient) async throws(BerthError) -> Answer) async throws -> Answer {
        do { return try await body(daemon.api) } catch { throw Failure(error, socket: daemon.apiPath) }
    }
}

extension BerthError {
    /// Whether the same question may have an answer later: the daemon stopped, starts again, or is busy.
    var mayPass: Bool {
        switch self {
        case .unreachable, .closed, .timedOut: true
        case .problem(let problem): problem.status == 429 || problem.status == 503
        case .malformed: false
        }
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
