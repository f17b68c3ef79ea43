import ArgumentParser
import EPAClient
import Machine
import Rendering
import Terminal

/// A subcommand that sends requests to the daemon.
protocol SocketCommand: ParsableCommand {
    var daemon: DaemonOptions { get }
    var output: OutputOptions { get }
}

extension SocketCommand {
    /// Sends a request. With `--json` an error reply goes to standard output as it came.
    func ask<Action: EPAAction>(_ action: Action) throws -> EPAClient.Answer<Action.Reply> {
        do {
            return try daemon.epa.send(action)
        } catch {
            if output.json, case .refused(_, let reply) = error { try Output.write(json: reply) }
            throw Failure(error)
        }
    }

    /// What the daemon says about itself; nil where it does not support the request.
    func status() throws -> DaemonStatus? {
        do { return try daemon.epa.status() } catch { throw Failure(error) }
    }

    /// The machine that the daemon serves, as far as this program can read it.
    ///
    /// The EPA Orchestrator and older versions of berthd do not say which machine they serve. They are taken to serve this
    /// one where it has as many isolated CPUs as they count.
    func servedMachine(_ status: DaemonStatus?) -> ServedMachine? {
        let files: any MachineFiles
        switch status?.machine {
        case nil, "real": files = DirectoryFiles()
        case "simulated": files = CapturedFiles.simulated
        default: return nil
        }
        let reader = MachineReader(files: files)
        guard let isolated = try? reader.isolated(), let online = reader.online() else { return nil }
        let pools = (reader.nodeIDs() ?? []).compactMap { id in reader.hugePages(ofNode: id).map { (id, $0) } }
        return ServedMachine(
            isolated: isolated, online: online, hugePages: Dictionary(pools) { first, _ in first })
    }

    /// Sends a request and shows the reply.
    func perform<Action: EPAAction>(_ action: Action, _ lines: (Action.Reply, Style) -> [StyledText]) throws {
        let answer = try ask(action)
        try output.show(json: answer.json) { lines(answer.reply, $0) }
    }

    /// Sends a request and shows one sentence.
    func perform<Action: EPAAction>(_ action: Action, _ sentence: (Action.Reply) -> String) throws {
        try perform(action) { reply, _ in [StyledText(sentence(reply))] }
    }
}
