import Glibc
import Service
import Synchronization
import TestSupport
import Testing
import WireJSON

private let list =
    #"{"version":"1.0","total_allocations":1,"total_allocated_cpus":2,"total_available_cpus":24,"remaining_available_cpus":22,"allocations":[{"service_name":"evil\nroot \u001b[31m","allocated_cores":"2-3","cores_count":2,"is_explicit":true}]}"#
private let memory =
    #"{"version":"1.0","service_name":"","numa_hugepages":{"node0":{"capacity":[{"total":8,"free":6,"size":2048}],"allocations":{"a":{"2048":2,"64":1}}}}}"#
private let cores =
    #"{"version":"1.0","service_name":"a","num_of_cores":2,"cores_allocated":2,"allocated_cores":"4-5","shared_cpus":"6-7","total_available_cpus":24,"remaining_available_cpus":20}"#
private let percent =
    #"{"version":"1.0","service_name":"a","cores_allocated_count":1,"allocated_cores":"4","total_available_cpus":24,"remaining_available_cpus":7}"#
private let node =
    #"{"version":"1.0","service_name":"a","numa_node":1,"num_of_cores":2,"cores_allocated":"10,26","total_available_cpus":24,"remaining_available_cpus":20}"#
private func status(accepts: Bool = true, machine: String = "real", outside: String = "") -> String {
    let reason = accepts ? "" : #""reason":"The stored state is\n corrupt","#
    return
        #"{"version":"1.0","berth_status":{"daemon":"9.8.7","machine":"\#(machine)","accepts_changes":\#(accepts),\#(reason)"claims_outside_pool":[\#(outside)]}}"#
}
private let stillReserved =
    "  still reserved: 2 x 2M on node 0, 1 x 64K on node 0 (release --hugepages gives them back)\n"
private let unknown = #"{"version":"1.0","error":"Unknown action: berth_status"}"#
private let pages =
    #"{"version":"1.0","service_name":"a","hugepages_requested":4,"allocation_successful":true,"message":"ok","node_id":0,"size_kb":2048}"#

@Suite("The berth command")
struct CommandTests {
    /// Answers each action with a good reply.
    private func daemon(list: String = list, status: String = status()) throws -> FakeDaemon {
        try FakeDaemon { request in
            for (action, reply) in [
                ("berth_status", status), ("list_allocations", list), ("get_memory_info", memory),
                ("allocate_cores_percent", percent),
                ("allocate_numa_cores", node), ("allocate_hugepages", pages), ("allocate_cores", cores),
            ] where request.contains("\"\(action)\"") { return .text(reply) }
            return .text(#"{"version":"1.0","error":"Unknown action"}"#)
        }
    }

    private func run(_ daemon: FakeDaemon, _ arguments: String...) throws -> Program.Result {
        try Program.run(arguments, environment: ["BERTH_SOCKET": daemon.path])
    }

    @Test(
        "Each command sends its action and prints what came of it",
        arguments: [
            (
                ["allocate", "a", "--default-share"], #""num_of_cores":0}"#,
                "a holds CPUs 4-5 (2, automatic); 20 of 24 free\n"
            ),
            (
                ["allocate", "a", "--percent", "50"], #""percent":50}"#, "a holds CPUs 4 (1, automatic); 7 of 24 free\n"
            ),
            (
                ["allocate", "a", "2", "--node", "1", "--explicit"], #""numa_node":1,"num_of_cores":2}"#,
                "a holds CPUs 10,26 (2, explicit, node 1); 20 of 24 free\n"
            ),
            (["allocate", "a", "2"], #""num_of_cores":2}"#, "a holds CPUs 4-5 (2, automatic); 20 of 24 free\n"),
            (["percent", "a", "50"], #""percent":50}"#, "a holds CPUs 4 (1, automatic); 7 of 24 free\n"),
            (
                ["numa", "a", "1", "2"], #""numa_node":1,"num_of_cores":2}"#,
                "a holds CPUs 10,26 (2, explicit, node 1); 20 of 24 free\n"
            ),
            (
                ["hugepages", "a", "4", "--node", "0", "--size", "2M"],
                #""hugepages_requested":4,"node_id":0,"size_kb":2048}"#, "a: 4 2M pages on node 0 reserved\n"
            ),
            (
                ["hugepages", "a", "0", "--node", "0", "--size", "1G"],
                #"requested":-1,"node_id":0,"size_kb":1048576}"#, "a:"
            ),
            (
                ["hugepages", "a", "--remove", "--node", "0", "--size", "64"],
                #"requested":-1,"node_id":0,"size_kb":64}"#, "a:"
            ),
        ])
    func actions(arguments: [String], request: String, output: String) throws {
        let daemon = try daemon()
        let result = try Program.run(arguments, environment: ["BERTH_SOCKET": daemon.path])
        #expect(result.status == 0 && result.errors.isEmpty, "\(result)")
        #expect(result.output.hasPrefix(output), "\(result.output)")
        let changes = daemon.requests.filter { $0.contains(#""allocate_"#) }
        #expect(changes.count == 1 && changes[0].hasSuffix(request), "\(daemon.requests)")
    }

    @Test(
        "release says what was given back, or that there was nothing",
        arguments: [
            (["release", "a"], ["2-3,18"], "a gave back CPUs 2-3,18 (3); 20 of 24 free\n" + stillReserved),
            (["release", "a"], [""], "a held no CPUs; 20 of 24 free\n" + stillReserved),
            (
                ["release", "a", "--node", "1"], ["2,10,26", "2"],
                "a gave back CPUs 10,26 of node 1 (2); 20 of 24 free\n"
            ),
            (["release", "a", "--node", "1"], ["2", "2"], "a held no CPUs of node 1; 20 of 24 free\n"),
            (
                ["release", "a", "--hugepages"], ["2"],
                "a gave back CPUs 2 (1); 20 of 24 free\na gave back 2 x 2M on node 0\na gave back 1 x 64K on node 0\n"
            ),
        ])
    func released(arguments: [String], lists: [String], output: String) throws {
        let asked = Mutex(0)
        let daemon = try FakeDaemon { request in
            if request.contains("list_allocations") {
                let cpus = asked.withLock { count in
                    defer { count += 1 }
                    return lists[min(count, lists.count - 1)]
                }
                let entry =
                    cpus.isEmpty
                    ? "" : #"{"service_name":"a","allocated_cores":"\#(cpus)","cores_count":1,"is_explicit":true}"#
                return .text(
                    #"{"total_allocations":1,"total_allocated_cpus":2,"total_available_cpus":24,"remaining_available_cpus":22,"allocations":[\#(entry)]}"#
                )
            }
            if request.contains("berth_status") { return .text(unknown) }
            if request.contains("get_memory_info") { return .text(memory) }
            if request.contains("\"allocate_cores\"") { return .text(cores) }
            if request.contains("allocate_numa_cores") { return .text(node) }
            let size = request.contains("\"size_kb\":64}") ? 64 : 2048
            return .text(pages.replacing("2048", with: "\(size)"))
        }
        let result = try Program.run(arguments, environment: ["BERTH_SOCKET": daemon.path])
        #expect(result.status == 0 && result.output == output, "\(result)")
        #expect(daemon.requests.contains { $0.contains(":-1") })
    }

    @Test("release names CPUs that are not isolated any more, also where nothing is isolated")
    func releasedOutside() throws {
        let empty = list.replacing("24", with: "0").replacing(
            #/"allocations":\[.*/#, with: #""allocations":[]}"#)
        let claim = #"{"service_name":"a","allocated_cores":"6-7","cores_count":2,"is_explicit":false}"#
        let known = try run(try daemon(list: empty, status: status(outside: claim)), "release", "a")
        #expect(known.output == "a gave back CPUs 6-7 (2); 20 of 24 free\n" + stillReserved, "\(known)")
        let silent = try run(try daemon(list: empty, status: unknown), "release", "a")
        #expect(silent.output == "a holds no CPUs; 20 of 24 free\n" + stillReserved, "\(silent)")
    }

    @Test("release --hugepages removes each reservation of the service")
    func releasePages() throws {
        let daemon = try daemon()
        let result = try run(daemon, "release", "a", "--hugepages", "--json")
        #expect(result.status == 0)
        let document = try JSONValue(Array(result.output.utf8))
        #expect(document["cores"]?["allocated_cores"]?.string == "4-5")
        #expect(document["hugepages"]?.array?.count == 2)
        #expect(daemon.requests.filter { $0.contains(#""hugepages_requested":-1"#) }.count == 2)
    }

    @Test("A name from outside cannot forge lines or act on the terminal")
    func names() throws {
        let daemon = try daemon()
        for command in ["list", "status"] {
            let result = try run(daemon, command)
            #expect(result.output.contains(#""evil\nroot \u{1B}[31m""#), "\(result.output)")
            #expect(!result.output.contains("\u{1B}"))
        }
    }

    @Test("With --json the daemon's reply is on standard output as it came", arguments: ["list", "memory", "allocate"])
    func json(command: String) throws {
        let arguments = [command] + (command == "allocate" ? ["a", "2"] : []) + ["--json"]
        let daemon = try daemon(status: unknown)
        let result = try Program.run(arguments, environment: ["BERTH_SOCKET": daemon.path])
        #expect(result.status == 0 && result.errors.isEmpty)
        #expect(result.output == ["list": list, "memory": memory, "allocate": cores][command].map { $0 + "\n" })
    }

    @Test("status and map put the replies into one document")
    func documents() throws {
        let daemon = try daemon()
        let status = try JSONValue(Array(try run(daemon, "status", "--json").output.utf8))
        #expect(status["answering"]?.boolean == true && status["socket"]?.string == daemon.path)
        #expect(status["accepts_changes"]?.boolean == true && status["reason"] == nil)
        #expect(status["allocations"]?["total_available_cpus"]?.integer == 24)
        let map = try JSONValue(Array(try run(daemon, "map", "--simulate", "--json").output.utf8))
        #expect(map["machine"]?["cpus_online"]?.string == "0-31")
        #expect(map["allocations"]?["total_allocations"]?.integer == 1)
        #expect(map["memory"]?["numa_hugepages"]?["node0"] != nil)
        let alone = try JSONValue(Array(try Program.run(["map", "--simulate", "--no-daemon", "--json"]).output.utf8))
        #expect(alone["allocations"] == .null)
    }

    @Test("list, status and map have what the daemon says about itself in their documents, null where it does not say")
    func statusInDocuments() throws {
        let claim = #"{"service_name":"a","allocated_cores":"6-7","cores_count":2,"is_explicit":false}"#
        let commands = [["list"], ["status"], ["map", "--simulate"]]
        for command in commands {
            let daemon = try daemon(status: status(machine: "captured", outside: claim))
            let result = try Program.run(command + ["--json"], environment: ["BERTH_SOCKET": daemon.path])
            let document = try JSONValue(Array(result.output.utf8))
            #expect(document["berth_status"]?["machine"]?.string == "captured", "\(command)")
            let claims = document["berth_status"]?["claims_outside_pool"]?.array
            #expect(claims?.first?["allocated_cores"]?.string == "6-7", "\(command)")
            #expect((document["allocations"] ?? document["total_allocations"]) != nil, "\(command)")
        }
        let older = try daemon(status: unknown)
        for command in commands.dropFirst() {
            let result = try Program.run(command + ["--json"], environment: ["BERTH_SOCKET": older.path])
            #expect(result.status == 0)
            #expect(try JSONValue(Array(result.output.utf8))["berth_status"] == .null, "\(command)")
        }
    }

    @Test("Claims outside the pool are shown and marked when isolcpus is lost", arguments: ["list", "status", "map"])
    func outsidePool(command: String) throws {
        let lost =
            #"{"version":"1.0","total_allocations":0,"total_allocated_cpus":0,"total_available_cpus":0,"remaining_available_cpus":0,"allocations":[]}"#
        let claim = #"{"service_name":"nova","allocated_cores":"0","cores_count":1,"is_explicit":true}"#
        let daemon = try daemon(list: lost, status: status(outside: claim))
        let directory = try TemporaryDirectory()
        try directory.write(["devices/system/cpu/online": "0-3\n", "devices/system/cpu/isolated": "\n"])
        let options = command == "map" ? ["--sysfs-root", directory.path] : []
        let result = try Program.run([command] + options, environment: ["BERTH_SOCKET": daemon.path])
        #expect(result.status == 0 && result.output.contains("nova"), "\(result)")
        #expect(result.output.contains("not isolated any more"), "\(result)")
    }

    @Test(
        "status says whether the daemon accepts changes, without a request that could change anything; 1 where it refuses"
    )
    func acceptsChanges() throws {
        let sound = try daemon()
        let result = try run(sound, "status")
        #expect(result.status == 0 && result.output.contains("\nchanges  accepted\n"), "\(result)")
        #expect(result.output.hasPrefix("daemon   berthd 9.8.7 answers at \(sound.path)\n"))
        #expect(!result.output.contains("\nmachine"))
        #expect(
            Set(sound.requests) == [
                #"{"version":"1.0","action":"list_allocations"}"#, #"{"version":"1.0","action":"get_memory_info"}"#,
                #"{"version":"1.0","action":"berth_status"}"#,
            ])
        let simulated = try run(try daemon(status: status(machine: "simulated")), "status")
        #expect(simulated.output.contains("\nmachine  simulated\n"), "\(simulated)")

        let corrupt = try daemon(status: status(accepts: false))
        let refused = try run(corrupt, "status")
        #expect(refused.status == 1 && refused.output.contains("changes  refused: The stored state is\\n corrupt\n"))
        #expect(refused.errors == "berth: changes are refused: The stored state is\\n corrupt\n")
        let json = try run(corrupt, "status", "--json")
        let document = try JSONValue(Array(json.output.utf8))
        #expect(json.status == 1 && document["answering"]?.boolean == true)
        #expect(document["accepts_changes"]?.boolean == false)
        #expect(document["reason"]?.string == "The stored state is\n corrupt")
        #expect(document["allocations"]?["total_available_cpus"]?.integer == 24)
    }

    @Test("A daemon that does not know the question is not in error: status cannot tell whether it accepts changes")
    func unknownStatus() throws {
        let older = try daemon(status: unknown)
        let result = try run(older, "status")
        #expect(result.status == 0 && result.errors.isEmpty, "\(result)")
        #expect(result.output.hasPrefix("daemon   answers at \(older.path)\n"))
        #expect(result.output.contains("\nchanges  unknown: this daemon does not say whether it accepts changes\n"))
        let document = try JSONValue(Array(try run(older, "status", "--json").output.utf8))
        #expect(document["accepts_changes"] == .null && document["answering"]?.boolean == true)
        for command in ["list", "map"] {
            let result = try Program.run([command], environment: ["BERTH_SOCKET": older.path])
            #expect(result.status == 0 && result.errors.isEmpty, "\(result)")
        }
    }

    @Test("On a terminal there are colours, unless NO_COLOR or --color says otherwise; in a pipe only with --color")
    func colours() throws {
        let daemon = try daemon()
        func shows(_ arguments: [String], _ environment: [String: String], terminal: Bool) throws -> Bool {
            let target = try terminal ? Terminal() : nil
            let environment = environment.merging(["BERTH_SOCKET": daemon.path, "TERM": "xterm"]) { given, _ in given }
            let result = try Program.run(["list"] + arguments, environment: environment, terminal: target?.path)
            #expect(result.status == 0)
            return (target?.text() ?? result.output).contains("\u{1B}[1mSERVICE")
        }
        #expect(try shows([], [:], terminal: true))
        #expect(try !shows([], ["NO_COLOR": "1"], terminal: true))
        #expect(try !shows([], ["TERM": "dumb"], terminal: true))
        #expect(try !shows([], ["TERM": ""], terminal: true))
        #expect(try shows(["--color", "always"], ["TERM": "dumb"], terminal: true))
        #expect(try !shows(["--color", "never"], [:], terminal: true))
        #expect(try !shows([], [:], terminal: false))
        #expect(try shows(["--color", "always"], ["NO_COLOR": "1"], terminal: false))
    }

    @Test(
        "No command colours its output on a terminal whose TERM is dumb, empty or unset, with isolated CPUs or without",
        arguments: [
            ["list"], ["status"], ["memory"], ["map", "--simulate"], ["map", "--no-daemon"],
            ["topology", "--simulate"],
            ["topology"], ["allocate", "a", "2"], ["release", "a"], ["topology", "labels", "--simulate"], ["--help"],
        ], [["TERM": "dumb"], ["TERM": ""], [:]])
    func dumbTerminals(arguments: [String], term: [String: String]) throws {
        let daemon = try daemon()
        let terminal = try Terminal()
        let environment = term.merging(["BERTH_SOCKET": daemon.path, "LANG": "C.UTF-8"]) { given, _ in given }
        let result = try Program.run(arguments, environment: environment, terminal: terminal.path)
        let text = terminal.text()
        #expect(result.status == 0 && !text.isEmpty, "\(result)")
        #expect(!text.contains("\u{1B}"), "\(text)")
    }

    @Test("On a terminal JSON is pure ASCII, the value the same")
    func terminalJSON() throws {
        let daemon = try daemon(list: list.replacing("evil", with: "\u{202E}\u{9B}é"), status: unknown)
        let terminal = try Terminal()
        _ = try Program.run(["list", "--json"], environment: ["BERTH_SOCKET": daemon.path], terminal: terminal.path)
        #expect(terminal.text().contains(#""\u202e\u009b\u00e9\u000aroot \u001b[31m""#))
    }

    @Test("The version is the daemon's")
    func version() throws {
        #expect(try Program.run(["--version"]).output == "berth \(Version.number)\n")
    }
}
