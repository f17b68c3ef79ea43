import Glibc

@main
/// A demo controller and three demo nodes for `make demo-domain`. Reads commands from standard input, one word per
/// line, and prints one line for each. Exits at the end of its input.
struct BerthDomainDemo {
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        guard CommandLine.arguments.count == 1 else {
            let isHelp = ["-h", "--help"].contains(CommandLine.arguments[1])
            say(help, on: isHelp ? STDOUT_FILENO : STDERR_FILENO)
            exit(isHelp ? 0 : 64)
        }
        do {
            let stage = try Stage()
            say(stage.addresses)
            while let line = readLine() {
                switch line {
                case "join": say(try await stage.join())
                case "deploy": say(try await stage.deploy())
                case "kill": say(try stage.kill())
                case "count": say("\(stage.running)")
                default: throw Stage.Problem(description: "no such word: \(line)")
                }
            }
            await stage.end()
        } catch {
            say("berth-domain-demo: \(error)", on: STDERR_FILENO)
            exit(1)
        }
    }

    private static let help = """
        berth-domain-demo: a controller and three nodes on the loopback interface, to try berth-domain. The nodes run nothing.

        The first line that it prints has three URLs. Set them as domain_register_url, orchestrator_url (and
        orchestrator_url_announced), and node_register_url in orchestrator.toml, then start berth-domain. After that, type a
        word a line; each prints one line:

          join    starts the nodes east, north and south, and waits until the controller knows them
          deploy  deploys a workflow of two functions and a resource; prints its id
          kill    silences the node with the most functions; prints its name and id
          count   prints how many components the remaining nodes have

        It ends with its input (Ctrl-D).
        """

    private static func say(_ line: String, on descriptor: Int32 = STDOUT_FILENO) {
        let bytes = Array("\(line)\n".utf8)
        _ = write(descriptor, bytes, bytes.count)
    }
}
