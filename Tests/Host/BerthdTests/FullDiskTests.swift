import Glibc
import TestSupport
import Testing
import WireJSON

/// EPA specification, section 7, item 12, on a real file system.
@Suite struct FullDiskTests {
    @Test(
        "item 12: on a disk that is really full allocations are refused, questions answered, and when there is room again all goes on, nothing granted twice",
        .needsRoot)
    func fullDisk() async throws {
        let site = try Site()
        mkdir(site.state, 0o700)
        var daemon = try await site.serve(
            below: [
                "unshare", "-m", "--propagation", "private", "sh", "-c",
                "mount -t tmpfs -o size=1m,mode=0700 none \(site.state) && exec \"$@\"", "sh",
            ])
        // The file system as the process sees it.
        let disk = "/proc/\(daemon.program.pid)/root\(site.state)"
        try #require(exists("\(disk)/ledger.db"))
        #expect(try daemon.cores("a", 2)["allocated_cores"]?.string == "2-3")
        for round in 1...2 {
            let filler = open("\(disk)/filler", O_WRONLY | O_CREAT, 0o600)
            let piece = [UInt8](repeating: 7, count: 4096)
            while write(filler, piece, piece.count) > 0 {}
            close(filler)
            // What fits into blocks that are there already may still be stored.
            var granted = try daemon.allocations()
            var refused = 0
            for number in 0..<40 {
                let name = "round \(round) service \(number % 5)"
                let reply = try daemon.cores(name, number / 5 % 2 == 0 ? 2 : -1)
                if let error = reply.error {
                    refused += 1
                    #expect(error.contains("could not be stored") && error.contains(site.database), "\(error)")
                } else {
                    let list = reply["allocated_cores"]?.string ?? ""
                    granted[name] = list.isEmpty ? nil : list
                }
                #expect(try daemon.allocations() == granted)
            }
            #expect(refused > 0, "the disk was full")
            unlink("\(disk)/filler")
            #expect(try daemon.cores("after \(round)", 2).error == nil)
            granted["after \(round)"] = try daemon.allocations()["after \(round)"]
            let shown = try daemon.allocations()
            #expect(shown == granted)
            let held = shown.values.map { $0.split(separator: ",").flatMap { $0.split(separator: "-") }.count }
            #expect(try daemon.list()["total_allocated_cpus"]?.integer == held.reduce(0, +))
        }
        // The namespace dies with the process; what is on the disk must be all that was granted.
        let granted = try daemon.allocations()
        for name in TemporaryDirectory.names(in: disk) {
            let bytes = try #require(TemporaryDirectory.read("\(disk)/\(name)"))
            try TemporaryDirectory.write(bytes, to: "\(site.state)/\(name)")
        }
        try await daemon.kill()
        daemon = try await site.serve()
        #expect(try daemon.allocations() == granted)
        #expect(try await daemon.stop() == 0)
    }

    @Test(
        "each line of an audit log whose disk was full is a JSON object, and the missing ones are counted", .needsRoot)
    func fullAuditDisk() async throws {
        let site = try Site()
        let directory = "\(site.path)/audit"
        mkdir(directory, 0o700)
        let daemon = try await site.serve(
            ["--simulate", "--audit-log", "\(directory)/audit.jsonl"],
            below: [
                "unshare", "-m", "--propagation", "private", "sh", "-c",
                "mount -t tmpfs -o size=256k,mode=0700 none \(directory) && exec \"$@\"", "sh",
            ])
        let disk = "/proc/\(daemon.program.pid)/root\(directory)"
        func lines() -> [[UInt8]] {
            (TemporaryDirectory.read("\(disk)/audit.jsonl") ?? []).split(separator: 0x0A).map { Array($0) }
        }
        try daemon.cores("first", 1)
        #expect(try await eventually { lines().count == 1 })
        let filler = open("\(disk)/filler", O_WRONLY | O_CREAT, 0o600)
        let piece = [UInt8](repeating: 7, count: 4096)
        while write(filler, piece, piece.count) > 0 {}
        close(filler)
        // What fits into the file's last page is written; a line goes over its end.
        for number in 0..<60 { try daemon.cores("service", number % 2 == 0 ? 2 : -1) }
        #expect(try await daemon.program.prints("the audit log cannot be written"))
        unlink("\(disk)/filler")
        #expect(
            try await eventually {
                try daemon.cores("last", 3)
                try daemon.cores("last", -1)
                return lines().contains { String(decoding: $0, as: UTF8.self).contains("dropped_lines") }
            })
        for line in lines() {
            #expect((try? JSONValue(line))?.members != nil, "\(String(decoding: line, as: UTF8.self))")
        }
        #expect(TemporaryDirectory.read("\(disk)/audit.jsonl")?.last == 0x0A)
        #expect(try await daemon.stop() == 0)
    }

    @Test(
        "item 12: a daemon that starts on a full disk shows what is held, refuses changes, and grants them when there is room",
        .needsRoot)
    func fullAtTheStart() async throws {
        let site = try Site()
        var daemon = try await site.serve()
        #expect(try daemon.cores("a", 2)["allocated_cores"]?.string == "2-3")
        #expect(try await daemon.stop() == 0)
        let kept = "\(site.path)/kept"
        #expect(rename(site.state, kept) == 0 && mkdir(site.state, 0o700) == 0)
        daemon = try await site.serve(
            below: [
                "unshare", "-m", "--propagation", "private", "sh", "-c",
                "mount -t tmpfs -o size=1m,mode=0700 none \(site.state) && cp -p \(kept)/* \(site.state) "
                    + "&& { cat /dev/zero 2>&- > \(site.state)/filler; exec \"$@\"; }", "sh",
            ])
        #expect(daemon.program.text.contains("the state cannot be written"))
        #expect(try daemon.allocations() == ["a": "2-3"])
        #expect(try daemon.cores("b", 1).error?.contains("could not be stored") == true)
        #expect(try daemon.cores("a", -1).error?.contains(site.database) == true)
        // What would change nothing tells of it too: `berth status` asks so.
        #expect(try daemon.pages("nobody", -1).error?.contains("could not be stored") == true)
        #expect(try daemon.cores("c", 99).error?.contains("Insufficient") == true)
        #expect(try daemon.allocations() == ["a": "2-3"])
        unlink("/proc/\(daemon.program.pid)/root\(site.state)/filler")
        #expect(try daemon.pages("nobody", -1)["message"]?.string == "No existing record to remove")
        #expect(try daemon.cores("b", 1)["allocated_cores"]?.string == "4")
        #expect(try await daemon.stop() == 0)
    }
}
