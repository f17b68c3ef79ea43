import WireJSON

/// Compares what was granted with what the kernel does; the part that knows the kernel provides it.
package protocol VerificationProvider: Sendable {
    /// The last verification as a JSON object; nil before the first.
    var verification: JSONValue? { get }
    /// How many differences it found; nil before the first.
    var drift: Int? { get }
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
