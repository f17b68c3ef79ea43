import Glibc

/// A controller and three nodes for `make demo-domain`, which tells it on standard input what to do, a word a line, and reads
/// a line for each on standard output. It ends with its input.
@main
/// A demo controller and three demo nodes for `make demo-domain`. Reads commands from standard input, one word per
/// line, and prints one line for each. Exits at the end of its input.
struct BerthDomainDemo {
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
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

    private static func say(_ line: String, on descriptor: Int32 = STDOUT_FILENO) {
        let bytes = Array("\(line)\n".utf8)
        _ = write(descriptor, bytes, bytes.count)
    }
}
