import HostClient

/// Claims two cores for a minute, shows what that did, and gives them back:
///
///     berth-client-example SOCKET NAME
///
/// The text of `docs/api.md` shows it.
@main
struct Example {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let berth = BerthClient(socket: arguments.first ?? BerthClient.defaultSocket)
        let holder = Holder(.run, arguments.dropFirst().first ?? "example")

        for pool in try await berth.pools() { print("pool \(pool.name): \(pool.free) of \(pool.total) CPUs are free") }
        do {
            let request = ClaimRequest(cpus: CPURequest(.cores(2)), lease: .seconds(60))
            let changed = try await berth.put(holder, request)
            print("\(holder) has the CPUs \(changed.claim.cpus)")
            for loss in changed.effects.preempted { print("\(loss.holder) lost the CPUs \(loss.cpus)") }
        } catch {
            guard let problem = error.problem else { throw error }
            print("refused (\(problem.code)): \(problem.detail)")
            for blocker in problem.heldBy { print("\(blocker.holder) has the CPUs \(blocker.cpus)") }
            return
        }
        let released = try await berth.delete(holder)
        print("released the CPUs \(released.effects.released)")
        for try await event in berth.events(after: 0, follows: false) {
            if case .decision(let decision) = event {
                print("\(decision.sequence): \(decision.action) of \(decision.holder): \(decision.outcome)")
            }
        }
    }
}
