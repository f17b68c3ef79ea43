import ArgumentParser
import EPAClient
import HostClient
import Terminal

/// A subcommand that uses the daemon's API.
protocol APICommand: AsyncParsableCommand {
    var daemon: DaemonOptions { get }
    /// Whether a problem goes to standard output as it came.
    var wantsJSON: Bool { get }
}

extension APICommand {
    var wantsJSON: Bool { false }

    /// Makes a request; what goes wrong becomes the exit status for it.
    ///
    /// - Parameter request: what is asked for, where a refusal is to be explained by it.
    func ask<Answer>(
        _ request: HostClient.ClaimRequest? = nil, _ body: (BerthClient) async throws(BerthError) -> Answer
    ) async throws -> Answer {
        let client = daemon.api
        do throws(BerthError) { return try await body(client) } catch {
            let failure = Failure(error, socket: daemon.apiPath)
            guard let problem = error.problem else { throw failure }
            if wantsJSON { try Output.write(json: problem.json) }
            guard let request else { throw failure }
            let lines = await RefusalLines(problem, request, client).lines
            throw Failure(lines.joined(separator: "\n"), status: failure.status)
        }
    }
}

extension APICommand {
    /// Makes a claim, which must not be there yet.
    func create(_ holder: Holder, _ request: HostClient.ClaimRequest) async throws -> ChangedClaim {
        let made: ChangedClaim? = try await ask(request) { client throws(BerthError) in
            do throws(BerthError) { return try await client.create(holder, request) } catch {
                guard error.problem?.code == "condition_failed", !wantsJSON else { throw error }
                return nil
            }
        }
        if let made { return made }
        let present = try await ask { client throws(BerthError) in try await client.claim(holder) }
        let owner = present?.owner.map { ", of user \($0.uid)" } ?? ""
        throw Failure(
            "\(Printable.name("\(holder)")) is there already (CPUs \(present?.cpus.description ?? "-")\(owner)): choose another "
                + "name with --name, or change it with berth resize", status: Failure.refused)
    }
}

extension BerthError {
    /// Whether the same question may have an answer later: the daemon stopped, starts again, or is busy.
    var mayPass: Bool {
        switch self {
        case .unreachable, .closed, .timedOut: true
        case .problem(let problem): problem.status == 429 || problem.status == 503
        case .malformed, .notPermitted: false
        }
    }
}

extension Failure {
    /// What the API's client says.
    init(_ error: BerthError, socket: String) {
        switch error {
        case .problem(let problem):
            let lines = ([problem.detail] + HolderLines.lines(problem)).map(Printable.text)
            let status: Int32 =
                switch problem.code {
                case "no_claim": Self.noClaim
                case "forbidden": Self.notPermitted
                case "not_enforced": Self.unavailable
                case "outcome_unknown": Self.timeout
                default: Self.refused
                }
            self.init(lines.joined(separator: "\n"), status: status)
        case .notPermitted: self.init(ClientError.notPermitted(socket: socket))
        case .unreachable: self.init(Printable.text("\(error)"), status: Self.unreachable)
        case .timedOut:
            let text = "no answer in time; a change may still take effect"
            self.init("\(Printable.text(socket)): \(text)", status: Self.timeout)
        case .closed, .malformed: self.init(Printable.text("\(error)"), status: Self.malformed)
        }
    }
}
