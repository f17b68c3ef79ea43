/// The clocks, random numbers, files, environment and programs that the library uses. A simulation gives its own.
public struct SystemAccess: Sendable {
    /// The time of a monotonic clock, since any start.
    public var now: @Sendable () -> Duration
    /// The time of the wall clock: for what is written into objects, and the expiry of credentials.
    public var wallClock: @Sendable () -> Timestamp
    /// Waits for so long.
    public var sleep: @Sendable (Duration) async throws -> Void
    /// 64 random bits.
    public var random: @Sendable () -> UInt64
    /// The bytes of the file at a path; an error says why there are none.
    public var readFile: @Sendable (String) throws -> [UInt8]
    /// A variable of the environment.
    public var variable: @Sendable (String) -> String?
    /// Runs a program.
    public var run: @Sendable (ProgramCall) async throws -> ProgramResult

    /// A system of these parts.
    public init(
        now: @escaping @Sendable () -> Duration, wallClock: @escaping @Sendable () -> Timestamp,
        sleep: @escaping @Sendable (Duration) async throws -> Void, random: @escaping @Sendable () -> UInt64,
        readFile: @escaping @Sendable (String) throws -> [UInt8], variable: @escaping @Sendable (String) -> String?,
        run: @escaping @Sendable (ProgramCall) async throws -> ProgramResult
    ) {
        self.now = now
        self.wallClock = wallClock
        self.sleep = sleep
        self.random = random
        self.readFile = readFile
        self.variable = variable
        self.run = run
    }

    /// Random numbers of ``random``.
    var generator: Generator { Generator(random: random) }

    struct Generator: RandomNumberGenerator {
        let random: @Sendable () -> UInt64
        mutating func next() -> UInt64 { random() }
    }
}

/// A program to run.
public struct ProgramCall: Equatable, Sendable {
    /// The program: a path, or a name that is looked for in `PATH`.
    public var command: String
    /// Its arguments.
    public var arguments: [String]
    /// Variables that it gets besides those of this process.
    public var environment: [String: String]
    /// How long it may take; it is killed then.
    public var timeLimit: Duration
    /// How many bytes it may write.
    public var outputLimit: Int
}

/// What a program has written, and how it has ended.
public struct ProgramResult: Equatable, Sendable {
    /// Its exit status; nil where it was killed.
    public var status: Int?
    /// Its standard output.
    public var output: [UInt8]
    /// The end of its standard error.
    public var errors: String

    /// A result.
    public init(status: Int?, output: [UInt8], errors: String) {
        self.status = status
        self.output = output
        self.errors = errors
    }
}

/// Why the system does not do something.
public struct SystemFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// In the system's words.
    public let description: String

    /// A failure.
    public init(description: String) { self.description = description }
}
