import EPASocket
import Glibc
import Ledger
import Machine
import TestSupport
import Testing
import WireJSON

/// EPA specification, section 7, items 1 to 9: availability and framing.
@Suite struct AvailabilityTests {
    @Test("item 1: a client that connects and sends nothing delays nobody, and gets an answer when its time is over")
    func stalledClient() async throws {
        try await TestServer.serving(settings: { $0.readTimeout = 1 }) { (server) async throws in
            let stalled = try (0..<50).map { _ in try SocketClient(server.path) }
            for _ in 0..<20 { #expect(try server.list().error == nil) }
            let reply = try JSONValue(try stalled[0].receive())
            #expect(reply.error == "Request timed out: no complete JSON text within 1 s")
        }
    }

    @Test("item 1: a user has at most as many connections as the operator allows, and the others are not affected")
    func tooManyConnections() async throws {
        try #require(geteuid() == 0, "needs root, to be two users")
        try await TestServer.serving(mode: 0o666, settings: { $0.connectionsPerUID = 3 }) { (server) async throws in
            let held = try (0..<3).map { _ in try SocketClient(server.path, uid: 1000) }
            // A connection counts from the moment in which the server has taken it.
            var reply = try server.ask("list_allocations", uid: 1000)
            for _ in 0..<200 where reply.error == nil { reply = try server.ask("list_allocations", uid: 1000) }
            #expect(reply.error == "Too many connections of uid 1000: the limit is 3")
            #expect(try server.list().error == nil)
            withExtendedLifetime(held) {}
        }
    }

    @Test("item 2: clients that leave before the reply do no harm, and what they asked for is done")
    func clientGone() async throws {
        try await TestServer.serving { (server) async throws in
            for round in 0..<30 {
                let client = try SocketClient(server.path)
                try client.send(
                    #"{"action":"allocate_cores","service_name":"s","num_of_cores":\#(round % 2 + 1)}"#)
            }
            #expect(try server.cores("s", 2)["allocated_cores"]?.string == "1-2")
        }
    }

    @Test("item 3: a client that does not read its reply blocks nobody, and is dropped when its time is over")
    func clientThatDoesNotRead() async throws {
        var machine = TestServer.small
        machine["devices/system/cpu/isolated"] = "0-4095\n"
        var many = Ledger()
        try many.apply(
            LedgerChange(
                claims: (0..<4096).map { cpu in
                    Claim(
                        holder: .service("service number \(cpu) with a name of some length"), owner: .administrators,
                        grants: [Grant(cpus: CPUSet([cpu]))])
                }))
        try await TestServer.serving(machine, imported: many, settings: { $0.writeTimeout = 1 }) {
            (server) async throws in
            let deaf = try (0..<10).map { _ in try SocketClient(server.path) }
            for client in deaf { try client.send(#"{"action":"list_allocations"}"#) }
            for _ in 0..<5 { #expect(try server.list()["total_allocations"] == .number("4096")) }
            try await Task.sleep(for: .milliseconds(1500))
            let rest = try deaf[0].receive()
            #expect(throws: JSONError.self) { try JSONValue(rest) }
        }
    }

    @Test(
        "items 4 and 5: with a state that cannot be trusted changes are refused, lists and memory stay alive, the file stays as it is"
    )
    func corruptState() async throws {
        let folder = try TemporaryDirectory()
        try await TestServer.serving(folder: folder) { (server) async throws in
            #expect(try server.cores("a", 2).error == nil)
            #expect(try server.pages("a", 3).error == nil)
        }
        let database = "\(folder.path)/state/ledger.db"
        var bytes = try #require(TemporaryDirectory.read(database))
        // The text of a record, wherever SQLite put it.
        let place = try #require(bytes.firstRange(of: Array("\"exclusive\":\"1-2\"".utf8)))
        bytes[place.lowerBound + 13] = UInt8(ascii: "9")
        try TemporaryDirectory.write(bytes, to: database)

        try await TestServer.serving(folder: folder) { (server) async throws in
            for reply in [
                // The second is what the last good state has already: granting it again would trust that state.
                try server.cores("b", 1), try server.cores("a", 2), try server.cores("x", -1),
                try server.cores("a", -1), try server.numa("b", 0, 1),
                try server.pages("b", 1),
            ] {
                #expect(reply.error?.hasPrefix("The stored state is corrupt, allocations are refused") == true)
                #expect(reply.error?.contains(database) == true)
            }
            // What is shown is the last good state, kept when the server stopped.
            #expect(try server.allocations() == ["a": "1-2"])
            let memory = try server.ask("get_memory_info")
            let booked = memory["numa_hugepages"]?["node0"]?["allocations"]?["a"]?["2048"]?.integer
            #expect(booked == 3, "\(memory)")
        }
        #expect(TemporaryDirectory.read(database) == bytes)
    }

    @Test("item 7: a list costs memory look-ups, not files: the state folder may vanish and lists go on")
    func authoritativeMemory() async throws {
        try await TestServer.serving { (server) async throws in
            _ = try server.cores("a", 2)
            TemporaryDirectory.remove("\(server.folder.path)/state")
            for _ in 0..<3 { #expect(try server.allocations() == ["a": "1-2"]) }
        }
    }

    @Test("item 8: a request may come in any number of pieces", arguments: [1, 2, 7, 40])
    func pieces(size: Int) async throws {
        try await TestServer.serving { (server) async throws in
            let request = Array(
                ("\r\n  " + #"{"action":"allocate_cores","service_name":"é😀","num_of_cores":2}"#).utf8)
            let client = try SocketClient(server.path)
            for start in stride(from: 0, to: request.count, by: size) {
                try client.send(Array(request[start..<min(start + size, request.count)]))
                usleep(200)
            }
            let reply = try JSONValue(try client.receive())
            #expect(reply["allocated_cores"]?.string == "1-2")
        }
    }

    @Test(
        "item 8: a request of up to 64 KiB is served, a longer one gets an error although the client is still sending")
    func longRequests() async throws {
        try await TestServer.serving { (server) async throws in
            func request(_ size: Int) -> String {
                let frame = #"{"action":"list_allocations","x":""}"#
                return frame.replacing(
                    #""x":"""#, with: #""x":"\#(String(repeating: "y", count: size - frame.utf8.count))""#)
            }
            let longest = try server.reply(to: request(65_536))
            #expect(longest.error == nil)
            for size in [65_537, 600_000] {
                let reply = try server.reply(to: request(size))
                #expect(reply.error == "Request too large: more than 65536 bytes")
            }
        }
    }

    @Test(
        "item 8: a malformed request is answered at once, an incomplete one when the client stops sending",
        arguments: [
            "{\"action\":x", "nonsense", "[1]", "{} {}", "\u{feff}{}", "{\"a\":\"\\ud800\"}",
        ])
    func malformed(text: String) async throws {
        try await TestServer.serving(settings: { $0.readTimeout = 600 }) { (server) async throws in
            #expect(try server.reply(to: text).error != nil)
            let client = try SocketClient(server.path)
            try client.send("{\"action\":\"list_al")
            client.finishSending()
            let reply = try JSONValue(try client.receive())
            #expect(reply.error?.contains("ended within") == true)
            let empty = try SocketClient(server.path)
            empty.finishSending()
            #expect(try empty.receive().isEmpty)
        }
    }

    @Test("item 9: replies are compact and come whole; a limit on the names of new services is the operator's choice")
    func names() async throws {
        try await TestServer.serving(settings: { $0.nameLimit = 10 }) { (server) async throws in
            _ = try server.cores("0123456789", 1)
            #expect(
                try server.cores("0123456789a", 1).error
                    == "service_name has 11 bytes; new services may have at most 10")
            // Who gives back makes no new name.
            #expect(try server.pages("0123456789a", -1).error == nil)
            #expect(try server.cores("0123456789a", -1).error == nil)
            let text = try server.raw(#"{"action":"list_allocations"}"#)
            #expect(!text.contains(": ") && !text.contains("\n") && text.hasSuffix("}"))
        }
        try await TestServer.serving { (server) async throws in
            let reply = try server.cores(String(repeating: "x", count: 5000), 1)
            #expect(reply.error == nil)
        }
    }

    @Test(
        "random bytes in random pieces get exactly one JSON object, a whole request its grant, and the server lives",
        arguments: 0..<30 as Range<UInt64>)
    func garbage(seed: UInt64) async throws {
        try await TestServer.serving(settings: { $0.readTimeout = 600 }) { (server) async throws in
            var random = SeededRandom(seed: seed)
            for round in 0..<10 {
                var bytes = Array(
                    #"{"version":"1.0","action":"allocate_cores","service_name":"x","num_of_cores":1}"#.utf8)
                let mutations = round == 0 ? 0 : Int.random(in: 0...4, using: &random)
                for _ in 0..<mutations {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                let length = round == 0 ? bytes.count : Int.random(in: 0...bytes.count, using: &random)
                let client = try SocketClient(server.path)
                var rest = bytes.prefix(length)
                while !rest.isEmpty {
                    let piece = rest.prefix(Int.random(in: 1...rest.count, using: &random))
                    rest = rest.dropFirst(piece.count)
                    // The server may have refused the first pieces and closed.
                    guard (try? client.send(Array(piece))) != nil else { break }
                }
                if round > 0, Bool.random(using: &random) { continue }
                client.finishSending()
                let reply = try client.receive()
                let isWhitespace = bytes.prefix(length).allSatisfy { $0 == 0x20 || (0x09...0x0D).contains($0) }
                if reply.isEmpty {
                    #expect(isWhitespace, "seed \(seed), round \(round)")
                    continue
                }
                let value = try JSONValue(reply)
                #expect(value["version"] == .string("1.0"), "seed \(seed), round \(round)")
                #expect((value.error == nil) == (value["allocated_cores"] != nil), "seed \(seed), round \(round)")
                if mutations == 0 {
                    #expect((value.error == nil) == (length == bytes.count), "seed \(seed), round \(round)")
                }
                if String(validating: bytes.prefix(length), as: UTF8.self) == nil { #expect(value.error != nil) }
            }
            #expect(try server.list().error == nil, "seed \(seed)")
        }
    }
}
