import ArgumentParser
import HostClient
import Terminal
import WireJSON

/// `berth verify`.
struct Verify: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare what was granted with what the kernel does.",
        discussion: """
            Lists threads that may run on others' exclusive CPUs, interrupts that go there, affinity masks, memory nodes, \
            memory and partitions that differ from the claims. The exit status is 1 if anything differs.
            """)
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let bytes = try await ask { client throws(BerthError) in try await client.verification() }
        guard let bytes else {
            throw Failure(
                "the daemon enforces nothing here, so there is nothing to verify", status: Failure.unavailable)
        }
        guard let document = try? JSONValue(bytes), let drift = document["drift"]?.array else {
            throw Failure("the daemon's verification cannot be understood", status: Failure.malformed)
        }
        if output.json { try Output.write(json: bytes) } else { try show(document, drift) }
        if !drift.isEmpty {
            throw Failure("\(drift.count) of the kernel's settings differ from the claims", status: Failure.refused)
        }
    }

    private func show(_ document: JSONValue, _ drift: [JSONValue]) throws {
        for entry in drift { try Output.write(Printable.text(entry["text"]?.string ?? "") + "\n") }
        func number(_ name: String) -> Int { document[name]?.integer ?? 0 }
        try Output.write(
            "\(number("claims")) enforced claims, \(number("threads")) threads, \(drift.count) differences; "
                + "\(number("managed_interrupts")) interrupts and \(number("fixed_kernel_threads")) kernel threads cannot be moved\n"
        )
        for text in document["unreadable"]?.array ?? [] {
            try Output.write("could not be read: \(Printable.text(text.string ?? ""))\n")
        }
    }
}
