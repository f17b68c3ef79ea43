import ArgumentParser
import Glibc
import WireJSON

/// Load, floors and measurements of the edge domain, for `Benchmarks/run`: each command prints one JSON object a line.
@main
struct DomainBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-domain-bench", abstract: "Measures berth-domain; Benchmarks/run calls it.",
        subcommands: [
            Relay.self, Starts.self, Joins.self, Loss.self, Drain.self, Refreshes.self, MirrorLag.self, Prepare.self,
            Ask.self, Pure.self,
        ])
}

/// Prints a JSON object with numbers.
func report(_ name: String, _ figures: KeyValuePairs<String, Double>) {
    let line = JSONWriter.object { writer in
        writer.member("name", name)
        for (name, value) in figures { writer.member(name, JSONValue.number("\(value)")) }
    }
    print(String(decoding: line, as: UTF8.self))
    fflush(nil)
}

/// Why a measurement is worth nothing.
struct Broken: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Seconds on a clock.
func seconds(_ clock: clockid_t = CLOCK_MONOTONIC) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Waits until something has become true.
///
/// - Throws: ``Broken`` that says what was waited for, after `limit` seconds.
func wait(for what: String, limit: Double = 60, _ condition: () async throws -> Bool) async throws {
    let end = seconds() + limit
    while try await !condition() {
        guard seconds() < end else { throw Broken("waited \(limit) s for \(what)") }
        try await Task.sleep(for: .milliseconds(1))
    }
}
