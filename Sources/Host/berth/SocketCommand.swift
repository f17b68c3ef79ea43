import ArgumentParser
import EPAClient
import Rendering
import Terminal

/// A subcommand that asks the daemon.
protocol SocketCommand: ParsableCommand {
    var daemon: SocketOptions { get }
    var output: OutputOptions { get }
}

extension SocketCommand {
    /// Refuses a service without a name, which is what an unset variable of a script makes.
    func checkName(_ service: String) throws {
        if service.isEmpty { throw ValidationError("SERVICE: expected a name, not an empty text") }
    }

    /// Asks; with `--json` the daemon's reply goes to standard output as it is, an error reply too.
    func ask<Action: EPAAction>(_ action: Action) throws -> EPAClient.Answer<Action.Reply> {
        do {
            return try daemon.client.send(action)
        } catch {
            if output.json, case .refused(_, let reply) = error { try Output.write(json: reply) }
            throw Failure(error)
        }
    }

    /// Asks and shows the reply.
    func perform<Action: EPAAction>(_ action: Action, _ lines: (Action.Reply, Style) -> [StyledText]) throws {
        let answer = try ask(action)
        try output.show(json: answer.json) { lines(answer.reply, $0) }
    }

    /// Asks and shows one sentence.
    func perform<Action: EPAAction>(_ action: Action, _ sentence: (Action.Reply) -> String) throws {
        try perform(action) { reply, _ in [StyledText(sentence(reply))] }
    }
}
