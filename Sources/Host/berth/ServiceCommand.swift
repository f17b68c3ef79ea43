import ArgumentParser
import EPAClient
import HostClient
import Machine
import Rendering
import Terminal

/// A subcommand that changes what a service holds, over the EPA socket: there the operator's policies for services apply.
protocol ServiceCommand: SocketCommand, AsyncParsableCommand {
    var service: String { get }
}

/// Who holds which CPUs at one moment.
struct Holdings {
    let list: AllocationList
    let status: DaemonStatus?

    /// All claims, those to CPUs that are not isolated any more too.
    var allocations: [Allocation] { list.allocations + (status?.outsidePool ?? []) }
}

extension SocketCommand {
    /// Who holds what now.
    func holdings() throws -> Holdings { Holdings(list: try ask(ListAllocations()).reply, status: try status()) }

    /// The name under which the daemon lists a service: its own, unless that is how a holder of another kind is listed.
    func listedName(of service: String) async throws -> String {
        guard let other = Holder(service) else { return service }
        let claim = try await daemon.fromAPI { client throws(BerthError) in try await client.claim(other) }
        return (claim ?? nil) == nil ? service : "\(Holder(.service, service))"
    }
}

extension ServiceCommand {
    /// Changes the service's CPUs and says what came of it, for others too. A refusal says what stands in the way.
    func change<Action: EPAAction>(_ action: Action, _ sentence: (Action.Reply) -> String) async throws {
        guard !output.json else { return try perform(action, sentence) }
        let before = try holdings()
        let listed = try await listedName(of: service)
        let answer = try await send(action) { message in
            guard Self.isShortage(message) else { return [] }
            let pools = try await daemon.fromAPI { client throws(BerthError) in try await client.pools() }
            guard let pool = pools?.first(where: { $0.name == "isolated" }) else {
                return ServiceShortage(of: listed, before.list, servedMachine(before.status)).lines
            }
            return ServiceShortage(of: listed, before.list, free: CPUSet(pool.freeCPUs)).lines
        }
        try output.show(json: answer.json) { _ in
            // The change is made; that nothing more can be told is no error.
            let after = try? holdings()
            let effects = after.map {
                ServiceEffects(of: listed, before: before.allocations, after: $0.allocations).lines
            }
            return ([sentence(answer.reply)] + (effects ?? [])).map { StyledText($0) }
        }
    }

    /// Sends a request; a refusal has further lines, which `explanation` finds for the daemon's text.
    func send<Action: EPAAction>(
        _ action: Action, _ explanation: (String) async throws -> [String]
    ) async throws -> EPAClient.Answer<Action.Reply> {
        do { return try daemon.epa.send(action) } catch {
            guard case .refused(let message, _) = error else { throw Failure(error) }
            // Without an explanation the reason is told all the same.
            let lines = (try? await explanation(message)) ?? []
            throw Failure(([Failure(error).message] + lines).joined(separator: "\n"), status: Failure.refused)
        }
    }

    /// Whether the daemon's text says that there is too little of something (EPA specification, section 2).
    private static func isShortage(_ text: String) -> Bool {
        [
            "Insufficient CPUs", "No CPUs available", "No Isolated CPUs available", "NUMA node", "Failed to allocate",
            "Requested CPUs", "The service holds", "No isolated CPUs available",
        ].contains { text.hasPrefix($0) }
    }
}
