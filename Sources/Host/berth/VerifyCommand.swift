import ArgumentParser
import HostClient
import Rendering
import Terminal
import WireJSON

/// `berth verify`.
struct Verify: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare what was granted with what the kernel does.",
        discussion: """
            Lists threads that may run on others' exclusive CPUs, interrupts that go there, affinity masks, memory nodes, \
            memory and partitions that differ from the claims. The exit status is 1 if anything differs, 69 if the daemon \
            enforces nothing.

            With --watch it goes on until Ctrl-C: a line with + and the time for each difference that appears, with - for \
            each that goes. With --json these are documents {"time": milliseconds, "change": "appeared" or "gone", \
            "difference": as in the document of the verification}, one a line.
            """)
    @Flag(help: "Go on, and print each difference when it appears and when it goes.") var watch = false
    @Option(help: ArgumentHelp("With --watch, how often to look.", valueName: "seconds")) var interval = 2.0
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard interval >= 0.1, interval <= 86_400 else {
            throw ValidationError("--interval: expected a number of seconds from 0.1 to 86400")
        }
    }

    func run() async throws {
        if watch { try await follow() }
        let bytes = try await ask { client throws(BerthError) in try await client.verificationDocument() }
        let verification = try Verification(bytes)
        if output.json { try Output.write(json: verification.json) } else { try show(verification) }
        if !verification.differences.isEmpty {
            throw Failure(
                "\(verification.differences.count) of the kernel's settings differ from the claims",
                status: Failure.refused)
        }
    }

    private func show(_ verification: Verification) throws {
        for difference in verification.differences { try Output.write(Printable.text(difference.text) + "\n") }
        try Output.write(
            "\(verification.summary); \(Quantity.count(verification.managedInterrupts, "interrupt")) and "
                + "\(Quantity.count(verification.fixedThreads, "kernel thread")) cannot be moved\n")
        if verification.threadsBesidePods > 0 {
            let threads = Quantity.count(verification.threadsBesidePods, "thread")
            try Output.write(
                "\(threads) outside of pods may run on exclusive CPUs of pods: only a partition keeps them off\n")
        }
        for text in verification.unreadable { try Output.write("could not be read: \(Printable.text(text))\n") }
    }

    // MARK: - Watching

    /// Prints what changes, for ever.
    private func follow() async throws -> Never {
        let client = daemon.api
        var last: Verification?
        var isAway = false
        while true {
            let answer: [UInt8]
            do throws(BerthError) { answer = try await client.verificationDocument() } catch {
                guard last != nil, error.mayPass else { throw Failure(error, socket: daemon.apiPath) }
                if !isAway { Output.note("\(Failure(error, socket: daemon.apiPath).message); waiting for the daemon") }
                isAway = true
                try await Task.sleep(for: .seconds(interval))
                continue
            }
            if isAway { Output.note("the daemon is there again") }
            isAway = false
            let verification = try Verification(answer)
            if last == nil, !output.json {
                try Output.write("\(Timestamp.utc(verification.time)) \(verification.summary)\n")
            }
            for change in verification.changes(since: last) { try write(change, verification.time) }
            last = verification
            try await Task.sleep(for: .seconds(interval))
        }
    }

    private func write(_ change: Verification.Change, _ time: Int) throws {
        guard output.json else {
            let sign = change.hasAppeared ? "+" : "-"
            return try Output.write(
                "\(Timestamp.utc(time)) \(sign) \(Printable.text(change.difference.text))\n")
        }
        try Output.write(
            json: JSONWriter.object { writer in
                writer.member("time", time)
                writer.member("change", change.hasAppeared ? "appeared" : "gone")
                writer.member("difference", change.difference.json)
            })
    }
}
