import Glibc
import TestSupport
import Testing
import WireJSON

/// `berthd events`.
@Suite struct EventsTests {
    /// A daemon that has decided five times.
    private func daemon(_ site: Site) async throws -> Daemon {
        let daemon = try await site.serve()
        try daemon.cores("a", 4)
        try daemon.numa("b c", 0, 2)
        try daemon.pages("a", 3)
        try daemon.cores("a", -1)
        // Not a decision that changed anything.
        #expect(try daemon.cores("a", 1000).error != nil)
        return daemon
    }

    @Test("reading the trail is a command: events prints the decisions after a number, also beside a running daemon")
    func events() async throws {
        let site = try Site()
        let daemon = try await daemon(site)
        for isRunning in [true, false] {
            if !isRunning { #expect(try await daemon.stop() == 0) }
            let all = try await site.run("events")
            let lines = all.text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            #expect(all.status == 0 && lines.count == 4, "\(all)")
            let who = "uid:\(geteuid()),pid:\(getpid()),epa"
            #expect(lines.first?[0] == "1" && lines.first?[1].hasSuffix("Z") == true)
            #expect(lines.first.map { Array($0[2...]) } == ["service:a", "granted", "allocate_cores", "2-5", who])
            // CPUs that another service lost, and a name that is not one word.
            #expect(lines[1].joined(separator: " ").hasSuffix("preempted=service:a:2"), "\(lines[1])")
            #expect(all.text.contains("\"service:b c\" granted allocate_numa_cores 2,18"), "\(all)")
            #expect(all.text.contains("granted allocate_hugepages - "))
            #expect(all.text.contains("service:a released allocate_cores 3-5 "), "\(all)")
            let last = try await site.run("events", "--after", "3")
            #expect(last.text.split(separator: "\n").count == 1 && last.text.hasPrefix("4 "), "\(last)")
            let two = try await site.run("events", "--after", "1", "--limit", "2")
            #expect(two.text.split(separator: "\n").map { $0.prefix(2) } == ["2 ", "3 "], "\(two)")
            #expect(try await site.run("events", "--after", "4").text.isEmpty)
            let newest = try await site.run("events", "--limit", "2")
            #expect(newest.text.split(separator: "\n").map { $0.prefix(2) } == ["3 ", "4 "], "\(newest)")
            let oldest = try await site.run("events", "--after", "0", "--limit", "1")
            #expect(oldest.text.hasPrefix("1 "), "\(oldest)")
        }
    }

    @Test("events --json prints one object a decision, as stored, with its number")
    func json() async throws {
        let site = try Site()
        let daemon = try await daemon(site)
        let result = try await site.run("events", "--json", "--after", "1")
        let objects = try result.text.split(separator: "\n").map { try JSONValue(Array($0.utf8)) }
        #expect(objects.map { $0["seq"]?.integer } == [2, 3, 4])
        #expect(objects.first?["v"]?.integer == 2 && objects.first?["action"]?.string == "allocate_numa_cores")
        #expect(objects.first?["holder"]?.string == "service:b c" && objects.first?["granted"]?.string == "2,18")
        #expect(objects.first?["caller"]?["uid"]?.integer == Int(geteuid()))
        #expect(objects.first?["claims"]?.array?.isEmpty == false)
        #expect(try await daemon.stop() == 0)
    }

    @Test("events name the huge pages that were given back")
    func pages() async throws {
        let site = try Site()
        let daemon = try await daemon(site)
        try daemon.pages("a", -1)
        let last = try await site.run("events", "--limit", "1")
        #expect(last.text.hasSuffix(",epa released-pages=3x2048kB@0\n"), "\(last)")
        #expect(try await daemon.stop() == 0)
    }

    @Test("events of a corrupt state end with 65, of a state directory that is not there with 66")
    func failures() async throws {
        let site = try Site()
        #expect(try await site.run("events").status == 66)
        let daemon = try await daemon(site)
        #expect(try await daemon.stop() == 0)
        try Spoiling.edited(site.database) { $0.removeLast($0.count / 2) }
        let result = try await site.run("events")
        #expect(result.status == 65 && result.text.contains("ledger.db"), "\(result)")
        #expect(try await site.run("events", "--limit", "0").status == 64)
    }
}
