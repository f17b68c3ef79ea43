import ArgumentParser

/// The program: one subcommand for each request to the daemon and each view of the machine.
@main
struct Berth: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth",
        abstract: "Show and change who holds which CPUs and huge pages of this machine.",
        discussion: """
            berth talks to the daemon berthd, or to Canonical's EPA Orchestrator, over its socket: --socket, else \
            $BERTH_SOCKET, else $SNAP_DATA/data/epa.sock, else /run/berth/epa.sock, else the snap's on this host.

            EXIT STATUS
              0   success
              1   the daemon refused, or does not know the outcome; its reason is on standard error
              2   there is no such claim
              64  wrong arguments
              65  a reply or a file is malformed
              66  a file or machine cannot be read
              69  the daemon cannot be reached
              70  an internal error
              74  the output or a file cannot be written
              75  no reply in time; a change may still take effect
              77  not permitted to connect
            """,
        version: "berth \(version)",
        subcommands: [
            Run.self, Plan.self, Adopt.self, Claims.self, Show.self, Renew.self, Verify.self, List.self, Allocate.self, Percent.self, NUMA.self, Release.self, Memory.self, HugePages.self, Status.self,
            Map.self, Topology.self, Events.self,
        ])

    /// The version, the same as the daemon's.
    static let version = "0.2.0"

    static func main() async {
        Execution.rememberSignals()
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            leave(after: error)
        }
    }
}
