import ArgumentParser
import Dispatch
import Synchronization

/// The program: one subcommand for each request to the daemon and each view of the machine.
@main
struct Berth: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth",
        abstract: "Show and change who holds which CPUs and huge pages of this machine.",
        discussion: """
            berth talks to the daemon berthd, or to Canonical's EPA Orchestrator, over its socket: --socket, else \
            $BERTH_SOCKET, else $SNAP_DATA/data/epa.sock, else /run/berth/epa.sock, else the snap's on this host. The \
            HTTP API of berthd is at berth.sock beside it. --json, --color, --socket, --api-socket and --timeout may stand \
            in front of a command.

            EXIT STATUS
              0   success
              1   the daemon refused, or does not know the outcome; its reason is on standard error
              2   there is no such claim
              64  wrong arguments, or a name that several claims have
              65  a reply or a file is malformed
              66  a file or machine cannot be read
              69  the daemon cannot be reached, or enforces nothing (berth verify)
              70  an internal error
              74  the output or a file cannot be written
              75  no reply in time; a change may still take effect
              77  not permitted to connect
            """,
        version: "berth \(version)",
        subcommands: [
            Run.self, Plan.self, Adopt.self, Resize.self, Claims.self, Show.self, Renew.self, Verify.self, List.self,
            Allocate.self,
            Percent.self, NUMA.self, Release.self, Memory.self, HugePages.self, Status.self,
            Map.self, Topology.self, Events.self,
        ])

    /// The version, the same as the daemon's.
    static let version = "0.2.0"

    static func main() {
        let start = InheritedState()
        do {
            let words = Array(CommandLine.arguments.dropFirst())
            var command = try parseAsRoot(CommandWords.ordered(words, root: Berth.self))
            if let command = command as? any AsyncParsableCommand {
                try waitForEnd(of: command, since: start)
            } else {
                try command.run()
            }
        } catch {
            leave(after: error)
        }
    }

    /// Runs a command and waits on this thread. An asynchronous `main` would end the first thread with pthread_exit(3), which
    /// costs a static program 40 ms; and the first thread is the one that becomes the program of `berth run`.
    ///
    /// - Parameter start: what that program inherits.
    private static func waitForEnd(of command: any AsyncParsableCommand, since start: InheritedState) throws {
        let work = Work(command)
        Task.detached {
            await work.run()
            work.ended.signal()
        }
        work.ended.wait()
        if let error = work.error.withLock({ $0 }) {
            throw (error as? Execution)?.replaceThisProcess(start) ?? error
        }
    }

    /// A command on its way to another thread and back. The first thread only waits meanwhile.
    private final class Work: @unchecked Sendable {
        let ended = DispatchSemaphore(value: 0)
        let error = Mutex<(any Error)?>(nil)
        private var command: any AsyncParsableCommand

        init(_ command: any AsyncParsableCommand) { self.command = command }

        func run() async {
            do { try await command.run() } catch { self.error.withLock { $0 = error } }
        }
    }
}
