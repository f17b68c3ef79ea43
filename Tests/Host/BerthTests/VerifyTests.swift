import Glibc
import Synchronization
import TestSupport
import Testing
import WireJSON

/// `berth verify`.
@Suite struct VerifyTests {
    /// A verification that found these differences.
    private static func answer(_ drift: [String], besidePods: Int = 0) -> FakeDaemon.Answer {
        let body =
            #"{"time":1795956169928,"claims":2,"drift":[\#(drift.joined(separator: ","))],"managed_interrupts":1,"fixed_kernel_threads":3,"threads_beside_pods":\#(besidePods),"threads":400,"unreadable":[]}"#
        return .text("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    private static func intruder(_ pid: Int, text: String = "process may run on CPUs 10-11") -> String {
        #"{"kind":"intruder","text":"\#(pid): \#(text)","holders":["run:engine"],"cpus":"10-11","pid":\#(pid),"last_cpu":\#(text.count)}"#
    }

    @Test("differences are listed and counted, the exit status is 1; 0 where there is none")
    func once() throws {
        let drifting = try FakeDaemon { _ in Self.answer([Self.intruder(7)]) }
        let result = try Program.run(["verify", "--api-socket", drifting.path])
        #expect(
            result.status == 1
                && result.output == """
                    7: process may run on CPUs 10-11
                    2 enforced claims, 400 threads, 1 difference; 1 interrupt and 3 kernel threads cannot be moved

                    """,
            "\(result)")
        let beside = try FakeDaemon { _ in Self.answer([], besidePods: 12) }
        let counted = try Program.run(["verify", "--api-socket", beside.path])
        #expect(
            counted.status == 0
                && counted.output.hasSuffix(
                    "\n12 threads outside of pods may run on exclusive CPUs of pods: only a partition keeps them off\n"),
            "\(counted)")
        let clean = try FakeDaemon { _ in Self.answer([]) }
        let json = try Program.run(["verify", "--api-socket", clean.path, "--json"])
        #expect(json.status == 0, "\(json)")
        #expect(try JSONValue(Array(json.output.utf8))["threads"]?.integer == 400)
    }

    @Test("verify --watch prints each difference when it appears and when it goes, once", arguments: [false, true])
    func watch(json: Bool) async throws {
        // The second look finds the same difference in other words; the daemon is not there for a moment.
        let looks = Mutex(0)
        let daemon = try FakeDaemon { _ in
            let number = looks.withLock { count in
                defer { count += 1 }
                return count
            }
            switch number {
            case 0: return Self.answer([Self.intruder(7)])
            case 1: return Self.answer([Self.intruder(7, text: "now elsewhere"), Self.intruder(8)])
            case 2, 3: return .text("HTTP/1.1 503 x\r\nContent-Length: 2\r\n\r\n{}")
            default: return Self.answer([Self.intruder(8)])
            }
        }
        let directory = try TemporaryDirectory()
        let arguments = ["verify", "--watch", "--interval", "0.1", "--api-socket", daemon.path]
        let watcher = try TestSupport.Program(
            [try TestSupport.Program.built("berth")] + arguments + (json ? ["--json"] : []),
            output: "\(directory.path)/output")
        #expect(try await watcher.prints(json ? #""change":"gone""# : " - 7: "), "\(watcher.text)")
        watcher.signal(SIGKILL)
        let lines = watcher.lines.filter { !$0.hasPrefix("berth: ") }
        guard json else {
            let time = "2026-11-29T12:42:49.928Z"
            #expect(
                lines == [
                    "\(time) 2 enforced claims, 400 threads, 1 difference",
                    "\(time) + 7: process may run on CPUs 10-11", "\(time) + 8: process may run on CPUs 10-11",
                    "\(time) - 7: now elsewhere",
                ], "\(watcher.text)")
            return
        }
        let documents = try lines.map { try JSONValue(Array($0.utf8)) }
        #expect(documents.map { $0["change"]?.string } == ["appeared", "appeared", "gone"])
        #expect(documents.map { $0["difference"]?["pid"]?.integer } == [7, 8, 7])
        #expect(documents.first?["time"]?.integer == 1_795_956_169_928)
    }

    @Test("where nothing is enforced there is nothing to verify, to watch either", arguments: [[], ["--watch"]])
    func notEnforced(options: [String]) throws {
        let problem = #"{"code":"not_enforced","detail":"Nothing is enforced: why","title":"x","status":404}"#
        let daemon = try FakeDaemon { _ in
            .text("HTTP/1.1 404 x\r\nContent-Length: \(problem.utf8.count)\r\n\r\n\(problem)")
        }
        let result = try Program.run(["verify", "--api-socket", daemon.path] + options)
        #expect(result.status == 69 && result.errors == "berth: Nothing is enforced: why\n", "\(result)")
    }
}
