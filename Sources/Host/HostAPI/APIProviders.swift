import WireJSON

/// Compares what was granted with what the kernel does; the part that knows the kernel provides it. It may take long, so it
/// does that on a thread of its own.
package protocol VerificationProvider: Sendable {
    /// A verification that is a second old at most, as a JSON object.
    func verification() async -> JSONValue
    /// How many differences it found.
    func drift() async -> Int
}

/// What the API says that is not the host's own.
package struct APIProviders: Sendable {
    /// The version of the program.
    package var version: String
    /// Where the machine comes from: `real`, `simulated`, `captured`, `sysfs-root`.
    package var machine: String
    /// Compares the ledger with the kernel; nil where nothing is enforced.
    package var verification: (any VerificationProvider)?
    /// The settings in force by name, for people; in order.
    package var configuration: @Sendable () -> [(key: String, value: String)] = { [] }
    /// Finds processes.
    package var processes: ProcessLookup = { FoundProcess(pid: $0) }

    /// What a program of this version on a machine of this kind says.
    package init(version: String, machine: String) {
        self.version = version
        self.machine = machine
    }
}
